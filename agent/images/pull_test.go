package images

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	godigest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// keys are the keys under which the image counts as present.
func (s *Store) keys(t *testing.T, imageID string) []string {
	t.Helper()
	images, err := s.records.list()
	if err != nil {
		t.Fatal(err)
	}
	return images[imageID]
}

func TestAPulledImageIsRecordedNamedAndPinned(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := pull(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 3))))

	if got := s.keys(t, image.ID); !slices.Equal(got, []string{image.Key()}) {
		t.Errorf("got keys %q, want %q", got, image.Key())
	}
	record, err := s.records.read(image.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(record.Lower) != 3 {
		t.Errorf("got layers %q, want 3", record.Lower)
	}
	for _, dir := range record.Lower {
		if filepath.IsAbs(dir) || len(dir) > 30 {
			t.Errorf("layer %q is not a short link", dir)
		}
	}
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := store.Image(image.Reference)
	if err != nil || stored.ID != image.ID {
		t.Errorf("the storage has %v under %s (%v), want %s", stored, image.Reference, err, image.ID)
	}
	if _, err := store.DeleteImage(image.ID, true); err == nil {
		t.Error("the storage removed a pinned image")
	}
	if _, err := os.Stat(s.markPath()); err == nil {
		t.Error("the mark of a pull under way is still there")
	}
}

func TestTheTopmostLayerIsTheFirst(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := newImage(t, "amd64", 2)
	pulled := pull(t, s, always(registry.push(t, "app:1", image)))
	record, err := s.records.read(pulled.ID)
	if err != nil {
		t.Fatal(err)
	}
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	layers, _ := image.Layers()
	for i, layer := range layers {
		diffID, _ := layer.DiffID()
		target, err := filepath.EvalSymlinks(filepath.Join(record.Base, record.Lower[len(layers)-1-i]))
		if err != nil {
			t.Fatal(err)
		}
		stored, err := store.Layer(filepath.Base(filepath.Dir(target)))
		if err != nil {
			t.Fatal(err)
		}
		if stored.UncompressedDigest.String() != diffID.String() {
			t.Errorf("layer %d from below is %s, want %s", i, stored.UncompressedDigest, diffID)
		}
	}
}

func TestAnImageThatIsThereNeedsNoRegistry(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	reference := registry.push(t, "app:1", newImage(t, "amd64", 1))
	image := pull(t, s, ifNotPresent(reference))
	registry.push(t, "app:1", newImage(t, "amd64", 1)) // the tag moves
	registry.breaks(everything, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		dropConnection(w)
		return true
	})

	again := newStore(s.settings)
	got := pull(t, again, ifNotPresent(reference))
	if got.Key() != image.Key() || got.Config.User != "7:7" {
		t.Errorf("got %s, user %q, want %s as before", got.Key(), got.Config.User, image.Key())
	}
	if diff := cmp.Diff(checked, got.Docker); diff != "" {
		t.Errorf("the record has no HEALTHCHECK: %s", diff)
	}
	if again.opened != nil {
		t.Error("the storage was opened for an image that is recorded")
	}
	if n := registry.count(""); n != 0 {
		t.Errorf("the registry got %d requests", n)
	}
}

// fault: a tag moves during an update | one digest for one change
func TestATagThatMovesDuringARolloutChangesNothing(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := resolve(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 1))))
	registry.push(t, "app:1", newImage(t, "amd64", 1))
	if err := s.EnsureImage(t.Context(), image, nil); err != nil {
		t.Fatal(err)
	}
	if got := s.keys(t, image.ID); !slices.Equal(got, []string{image.Key()}) {
		t.Errorf("got keys %q, want %q", got, image.Key())
	}
}

func TestAReferenceMeansTheImageItWasPulledAsLast(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	reference := registry.push(t, "app:1", newImage(t, "amd64", 1))
	first := pull(t, s, always(reference))
	registry.push(t, "app:1", newImage(t, "amd64", 1))
	second := pull(t, s, always(reference))
	if got := s.keys(t, first.ID); len(got) != 0 {
		t.Errorf("the first image still has keys %q", got)
	}
	if got := resolve(t, s, ifNotPresent(reference)); got.ID != second.ID {
		t.Errorf("got %s, want the second image %s", got.ID, second.ID)
	}
}

func TestAnImageByTheDigestOfItsList(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	index, amd64, arm64 := newIndex(t)
	listDigest, _ := index.Digest()
	reference := registry.pushIndex(t, "app:1", index, amd64, arm64)
	registry.pushManifest(t, "app", listDigest.String(), index)
	request := always(strings.TrimSuffix(reference, ":1") + "@" + listDigest.String())
	want, _ := amd64.Digest()
	if got := pull(t, s, request); got.Digest != want.String() {
		t.Errorf("got %s, want %s", got.Digest, want)
	}
}

func TestAnImageOfAnotherPlatformIsKeptBesideTheNodes(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	index, amd64, arm64 := newIndex(t)
	request := always(registry.pushIndex(t, "app:1", index, amd64, arm64))
	first := pull(t, s, request)
	request.Platform = "linux/arm64"
	second := pull(t, s, request)
	if len(s.keys(t, first.ID)) != 1 || len(s.keys(t, second.ID)) != 1 {
		t.Errorf("got %q and %q, want both", s.keys(t, first.ID), s.keys(t, second.ID))
	}
}

func TestReleasingLeavesTheImageToTheNode(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := pull(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 1))))
	for range 2 {
		if err := s.ReleaseImage(t.Context(), image.ID); err != nil {
			t.Fatal(err)
		}
	}
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.keys(t, image.ID); got != nil {
		t.Errorf("got keys %q of a released image", got)
	}
	if _, err := store.DeleteImage(image.ID, true); err != nil {
		t.Errorf("the released image cannot be removed: %v", err)
	}
}

// fault: it is slow, hangs, resets, answers with errors or wrong bytes | an error in bounded time, which says whether it may pass
func TestPullsThatMisbehave(t *testing.T) {
	for _, test := range []struct {
		name    string
		answer  func(w http.ResponseWriter, r *http.Request, n int) bool
		want    string // in the error; empty for success
		passing bool
	}{
		{"an error of the server", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}, "answers 503 Service Unavailable", true},
		{"a lost connection", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			dropConnection(w)
			return true
		}, "the connection was closed", true},
		{"a truncated layer", func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n > 1 {
				return false
			}
			w.Header().Set("Content-Length", "4000")
			_, _ = w.Write(make([]byte, 100))
			return true
		}, "the connection was closed", true},
		{"silence", func(w http.ResponseWriter, r *http.Request, _ int) bool {
			hang(w, r)
			return true
		}, "no progress for 100ms", true},
		{"a trickle", func(w http.ResponseWriter, r *http.Request, _ int) bool {
			trickle(w, r)
			return true
		}, "too slow: less than 1 KiB arrived within 200ms", true},
		{"wrong bytes", func(w http.ResponseWriter, r *http.Request, _ int) bool {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 4000))
			return true
		}, "sends other bytes than the digest says", false},
		{"a missing layer", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.WriteHeader(http.StatusNotFound)
			return true
		}, "404", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, registry := newRootNode(t), newRegistry(t)
			// Only a test that waits for it has a reason to be impatient.
			switch test.name {
			case "silence":
				s.settings.stallTimeout = 100 * time.Millisecond
			case "a trickle":
				s.settings.minBytes, s.settings.rateWindow = 1<<10, 200*time.Millisecond
			}
			image := resolve(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 1))))
			registry.breaks(func(r *http.Request) bool { return blobs(r) && !strings.Contains(r.URL.Path, image.ID) }, test.answer)
			err := s.EnsureImage(t.Context(), image, nil)
			wantError(t, err, "image "+image.Reference+": ", test.want)
			if IsPassing(err) != test.passing {
				t.Errorf("passing is %t, want %t", IsPassing(err), test.passing)
			}
			if strings.Count(err.Error(), image.Reference) > 1 {
				t.Errorf("the image is named more than once: %v", err)
			}
			store, err := s.storage()
			if err != nil {
				t.Fatal(err)
			}
			if stored, err := store.Image(image.Reference); err == nil {
				t.Errorf("a failed pull left image %s under its name", stored.ID)
			}
			registry.breaks(nil, nil)
			patient := nodeSettings()
			s.settings.stallTimeout, s.settings.rateWindow = patient.stallTimeout, patient.rateWindow
			if err := s.EnsureImage(t.Context(), image, nil); err != nil {
				t.Errorf("the next try fails: %v", err)
			}
		})
	}
}

// A layer that is unpacked brings nothing, however long that takes.
func TestOnlyALayerThatIsFetchedCanBeTooSlow(t *testing.T) {
	transfer := newTransfer("app", settings{minBytes: 100, rateWindow: time.Minute}, func(Progress) {})
	event := func(digest string, event types.ProgressEvent, offset uint64) {
		transfer.note(types.ProgressProperties{
			Event: event, Artifact: types.BlobInfo{Digest: godigest.Digest(digest), Size: 1000}, Offset: offset,
		})
	}
	began := time.Now()
	after := func(d time.Duration, want bool) {
		t.Helper()
		if got := transfer.tooSlow(began.Add(d)); got != want {
			t.Errorf("after %s: got %t, want %t", d, got, want)
		}
	}
	event("a", types.ProgressEventRead, 1000) // unpacked from now on
	after(0, false)
	after(time.Hour, false)
	event("b", types.ProgressEventRead, 10)
	after(time.Hour, false)
	after(time.Hour+59*time.Second, false)
	event("b", types.ProgressEventRead, 110)
	after(time.Hour+59*time.Second, false)
	event("b", types.ProgressEventRead, 209)
	after(time.Hour+118*time.Second, false)
	after(time.Hour+119*time.Second, true)
	event("a", types.ProgressEventDone, 1000)
	after(time.Hour+119*time.Second, false)
	event("b", types.ProgressEventRead, 1000)
	after(2*time.Hour, false)
}

// fault: a signature is wrong or missing, a policy has changed, a registry is blocked
func TestAPolicyThatChangedIsAppliedToImagesOnTheNode(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := pull(t, s, ifNotPresent(registry.push(t, "app:1", newImage(t, "amd64", 1))))
	s.setPolicy(t, rejectAll)
	_, err := s.Resolve(t.Context(), image.Request)
	wantError(t, err, "the one on the node is refused by the node's policy.json")
	if got := s.keys(t, image.ID); len(got) != 1 {
		t.Error("an image that may be running was given up")
	}
}

func TestAnImageThatPodmanPulledIsTaken(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := pull(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 2))))
	forget(t, s, image.ID)
	registry.breaks(everything, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	for _, request := range []reconcile.ImageRequest{
		ifNotPresent(image.Reference),
		{Reference: image.Reference, PullPolicy: v1.PullNever},
		{Reference: "containers-storage:" + image.Reference, PullPolicy: v1.PullIfNotPresent},
	} {
		if got := pull(t, s, request); got.ID != image.ID || got.Digest != image.Digest {
			t.Errorf("%s %s: got %s %s, want %s %s", request.PullPolicy, request.Reference, got.ID, got.Digest, image.ID, image.Digest)
		}
	}
}

func TestAnImageThatIsThereUnderAnotherNameGetsThisOneToo(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := newImage(t, "amd64", 1)
	first := pull(t, s, always(registry.push(t, "app:1", image)))
	second := pull(t, s, always(registry.push(t, "other:2", image)))
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := store.Image(first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(stored.Names, first.Reference) || !slices.Contains(stored.Names, second.Reference) {
		t.Errorf("got names %q, want both", stored.Names)
	}
	if got := s.keys(t, first.ID); len(got) != 2 {
		t.Errorf("got keys %q, want two", got)
	}
}

func TestWhatAKilledPullLeftIsRemoved(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	if err := os.MkdirAll(filepath.Join(s.temporaryDir(), "container_images_storage1"), 0o700); err != nil {
		t.Fatal(err)
	}
	pull(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 1))))
	entries, err := os.ReadDir(s.temporaryDir())
	if err != nil || len(entries) > 0 {
		t.Errorf("got %v (%v), want nothing left", entries, err)
	}
}

// forget makes an image look as if another tool had pulled it.
func forget(t *testing.T, s *Store, imageID string) {
	t.Helper()
	if err := s.ReleaseImage(t.Context(), imageID); err != nil {
		t.Fatal(err)
	}
}

// lowerOf is the whole path of the image's topmost layer.
func lowerOf(t *testing.T, s *Store, imageID string) string {
	t.Helper()
	record, err := s.records.read(imageID)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(record.Base, record.Lower[0]))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// empty truncates all files below dir, as a power loss does to files that were not synced.
func emptyFiles(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return os.Truncate(path, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fault: a layer of an image is damaged, or removed behind davit's back | pulled again
func TestALayerThatAnotherToolLeftDamagedIsPulledAgain(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := pull(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 2))))
	top := lowerOf(t, s, image.ID)
	forget(t, s, image.ID)
	emptyFiles(t, top)

	if err := s.EnsureImage(t.Context(), image, nil); err != nil {
		t.Fatal(err)
	}
	wantSound(t, s, image.ID)
}

func TestADamagedLayerOfAnotherImageIsNotReused(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	base := newImage(t, "amd64", 1)
	lower := pull(t, s, always(registry.push(t, "base:1", base)))
	top := lowerOf(t, s, lower.ID)
	forget(t, s, lower.ID)
	emptyFiles(t, top)

	layer, err := random.Layer(1024, "application/vnd.docker.image.rootfs.diff.tar.gzip")
	if err != nil {
		t.Fatal(err)
	}
	derived, err := mutate.AppendLayers(base, layer)
	if err != nil {
		t.Fatal(err)
	}
	image := pull(t, s, always(registry.push(t, "app:1", derived)))
	wantSound(t, s, image.ID)
}

// wantSound checks every layer of the image against its digest.
func wantSound(t *testing.T, s *Store, imageID string) {
	t.Helper()
	if len(s.keys(t, imageID)) == 0 {
		t.Error("the image does not count as present")
	}
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	report, err := store.Check(&storage.CheckOptions{LayerDigests: true, LayerData: true, ImageData: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Layers)+len(report.Images)+len(report.Containers) > 0 {
		t.Errorf("the storage is damaged: %v %v %v", report.Layers, report.Images, report.Containers)
	}
}

// fault: a layer of an image is damaged, or removed behind davit's back
func TestWhatWasRemovedBehindDavitsBackIsPulledAgain(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, s *Store, image reconcile.Image){
		"a layer's directory": func(t *testing.T, s *Store, image reconcile.Image) {
			if err := os.RemoveAll(filepath.Dir(lowerOf(t, s, image.ID))); err != nil {
				t.Fatal(err)
			}
		},
		"the pin": func(t *testing.T, s *Store, image reconcile.Image) {
			store, err := s.storage()
			if err != nil {
				t.Fatal(err)
			}
			if err := store.DeleteContainer(pinName(image.ID)); err != nil {
				t.Fatal(err)
			}
		},
		"the pin's directory": func(t *testing.T, s *Store, image reconcile.Image) {
			record, err := s.records.read(image.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(record.Pin); err != nil {
				t.Fatal(err)
			}
		},
		"the image": func(t *testing.T, s *Store, image reconcile.Image) {
			store, err := s.storage()
			if err != nil {
				t.Fatal(err)
			}
			if err := unpinImage(store, image.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := store.DeleteImage(image.ID, true); err != nil {
				t.Fatal(err)
			}
		},
		"the record": func(t *testing.T, s *Store, image reconcile.Image) {
			write(t, s.records.path(image.ID), "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, registry := newRootNode(t), newRegistry(t)
			image := pull(t, s, ifNotPresent(registry.push(t, "app:1", newImage(t, "amd64", 2))))
			remove(t, s, image)
			if got := s.keys(t, image.ID); got == nil || len(got) > 0 {
				t.Errorf("got keys %q, want an image without keys", got)
			}
			if again := pull(t, s, image.Request); again.Key() != image.Key() {
				t.Errorf("got %s, want %s", again.Key(), image.Key())
			}
			wantSound(t, s, image.ID)
		})
	}
}

// fault: power is lost during a pull | the storage is checked before it is used
func TestTheStorageIsCheckedAfterAPowerLossDuringAPull(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := pull(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 1))))
	emptyFiles(t, filepath.Join(s.settings.records, "..", "storage", "overlay-images", image.ID))
	write(t, s.markPath(), "another boot\n")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Image(image.ID); !isUnknown(err) {
		t.Errorf("got %v, want the damaged image gone", err)
	}
	if err := s.EnsureImage(t.Context(), image, nil); err != nil {
		t.Fatal(err)
	}
	wantSound(t, s, image.ID)
}

// fault: power is lost during a pull
func TestALayerThatAPowerLossCutShortTakesNoOtherAlong(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := pull(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 2))))
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	begun, err := store.CreateLayer("", "", nil, "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// This is the state of the disk when the power goes while another layer is unpacked.
	emptyFiles(t, filepath.Join(overlayRoot(store), begun.ID))
	list := filepath.Join(store.GraphRoot(), "overlay-layers", "layers.json")
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	write(t, list, strings.Replace(string(text), `"id":"`+begun.ID+`"`, `"id":"`+begun.ID+`","flags":{"incomplete":true}`, 1))
	if store, err = s.storage(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Layer(begun.ID); !errors.Is(err, storage.ErrLayerUnknown) {
		t.Errorf("got %v, want the layer gone that was begun", err)
	}
	if len(s.keys(t, image.ID)) != 1 {
		t.Error("the other image is not whole any more")
	}
}

// TestWhatTheLibraryTriedOutBeforeTheBootGoes checks that directories of the library's feature tests are removed if a
// power loss before this boot left them, and that newer ones stay.
func TestWhatTheLibraryTriedOutBeforeTheBootGoes(t *testing.T) {
	s := newRootNode(t)
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	stale, fresh := filepath.Join(overlayRoot(store), "compat123"), filepath.Join(overlayRoot(store), "metacopy-check456")
	if err := errors.Join(s.Close(), os.MkdirAll(filepath.Join(stale, "lower"), 0o700), os.Mkdir(fresh, 0o700), os.Chtimes(stale, time.Time{}, time.Unix(1, 0))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.storage(); err != nil {
		t.Fatal(err)
	}
	if isDir(stale) || !isDir(fresh) {
		t.Errorf("stale is there: %t, fresh: %t", isDir(stale), isDir(fresh))
	}
}

func TestLinksThatAnotherToolRemovedAreMadeAgain(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := pull(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 2))))
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), os.RemoveAll(filepath.Join(overlayRoot(store), "l"))); err != nil {
		t.Fatal(err)
	}
	if len(s.keys(t, image.ID)) != 0 {
		t.Error("an image with no links counts as whole")
	}
	if _, err := s.storage(); err != nil {
		t.Fatal(err)
	}
	if len(s.keys(t, image.ID)) != 1 {
		t.Error("its links are not there again")
	}
}

// fault: many pulls at once | each layer is fetched once
func TestManyPullsAtOnceFetchEachLayerOnce(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	base := newImage(t, "amd64", 2)
	var images []reconcile.Image
	for i, tag := range []string{"app:1", "app:2", "app:3"} {
		image, err := mutate.Config(base, ggcr.Config{User: strings.Repeat("1", i+1)})
		if err != nil {
			t.Fatal(err)
		}
		resolved := resolve(t, s, always(registry.push(t, tag, image)))
		images = append(images, resolved, resolved)
	}
	layers, _ := base.Layers()
	digest, _ := layers[0].Digest()
	registry.breaks(everything, func(http.ResponseWriter, *http.Request, int) bool { return false })
	var pulls sync.WaitGroup
	for _, image := range images {
		pulls.Go(func() {
			if err := s.EnsureImage(t.Context(), image, nil); err != nil {
				t.Error(err)
			}
		})
	}
	pulls.Wait()
	if n := registry.count("GET /v2/app/manifests/"); n != 3 {
		t.Errorf("%d manifests were fetched, want one for each image", n)
	}
	if n := registry.count("GET /v2/app/blobs/" + digest.String()); n > maxPulls {
		t.Errorf("the shared layer was fetched %d times", n)
	}
	for _, image := range images {
		if len(s.keys(t, image.ID)) != 1 {
			t.Errorf("image %s is not there", image.Key())
		}
	}
}

func TestAnImageWithTooManyLayersIsRefusedBeforeItRuns(t *testing.T) {
	link := "l/" + strings.Repeat("X", 26) // as long as the overlay driver makes them
	if err := checkLength(slices.Repeat([]string{link}, 127)); err != nil {
		t.Errorf("Docker's most layers are refused: %v", err)
	}
	wantError(t, checkLength(slices.Repeat([]string{link}, 140)), "140 layers", "build it with fewer")
}

func TestProgressEndsWithEverythingDone(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	var reports []Progress
	image := resolve(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 2))))
	if err := s.EnsureImage(t.Context(), image, func(p Progress) { reports = append(reports, p) }); err != nil {
		t.Fatal(err)
	}
	last := reports[len(reports)-1]
	// Two layers and the configuration.
	if !last.Ended || last.Layers != 3 || last.LayersSeen != 3 || last.Done != last.Total || last.Done == 0 || last.Reference != image.Reference {
		t.Errorf("got last report %+v", last)
	}
}

// fault: a pull that would fill the disk | refused before it begins
func TestAPullThatWouldFillTheDiskIsRefused(t *testing.T) {
	s := newRootNode(t)
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	const huge = 1 << 60
	wantError(t, checkSpace(store, []types.BlobInfo{{Size: huge}}), "MiB free", "podman image prune")
}
