package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sys/unix"
)

// smallStorage gives a node's storage a file system with a number of free bytes, and returns a function that returns
// the free space.
func smallStorage(t *testing.T, s *Store, spare int) (free func() uint64) {
	t.Helper()
	options, err := s.settings.storage()
	if err != nil {
		t.Fatal(err)
	}
	root := options.GraphRoot
	if err := os.MkdirAll(root, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, fmt.Sprintf("size=%d", minFree+spare)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), unix.Unmount(root, unix.MNT_DETACH)); err != nil {
			t.Error(err)
		}
	})
	return func() uint64 {
		left, err := roomAt(root)
		if err != nil {
			t.Fatal(err)
		}
		return left.bytes
	}
}

// bomb is a layer of one file of zeros.
func bomb(t *testing.T, size int64) []byte {
	t.Helper()
	var packed bytes.Buffer
	compressed := gzip.NewWriter(&packed)
	archive := tar.NewWriter(compressed)
	err := archive.WriteHeader(&tar.Header{Name: "zeros", Mode: 0o644, Size: size})
	if err == nil {
		_, err = io.CopyN(archive, zeros{}, size)
	}
	if err := errors.Join(err, archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// fault: a layer unpacks to far more than its manifest states | the pull ends before the disk is full, and leaves nothing behind
func TestALayerThatUnpacksToTooMuchEndsThePull(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	const spare = 64 << 20
	free := smallStorage(t, s, spare)
	packed := bomb(t, 8*spare)
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(newImage(t, "amd64", 2), layer)
	if err != nil {
		t.Fatal(err)
	}
	good := resolve(t, s, always(registry.push(t, "good:1", newImage(t, "amd64", 1))))
	if err := s.EnsureImage(t.Context(), good, nil); err != nil {
		t.Fatal(err)
	}
	before := free()
	hostile := resolve(t, s, always(registry.push(t, "bomb:1", image)))
	least := leastOf(t, free, func() { err = s.EnsureImage(t.Context(), hostile, nil) })
	wantError(t, err, "unpacks to more than there is room for", "256 MiB stay free", "podman image prune")
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v is not the error of a full disk", err)
	}
	if least < minFree-spare/2 {
		t.Errorf("only %d MiB were left meanwhile", least>>20)
	}
	if now := free(); now+1<<20 < before {
		t.Errorf("%d KiB are taken that were free before", (before-now)>>10)
	}
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	if layers, err := layerIDs(store); err != nil || len(layers) != 2 { // the good image's, and its pin's
		t.Errorf("the storage has %d layers, %v", len(layers), err)
	}
	if left, err := os.ReadDir(s.temporaryDir()); err != nil || len(left) > 0 {
		t.Errorf("left where layers are fetched to: %v, %v", left, err)
	}
	if !s.Has(good) {
		t.Error("the other image is gone")
	}
}

// fault: a layer has a hard link to a file of another layer | the pull fails, and the link is named once
func TestALinkThatLeadsOutOfItsLayerIsNamed(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := newImage(t, "amd64", 1)
	for _, entries := range [][]tar.Header{
		{{Name: "h/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "h/a", Mode: 0o644}, {Name: "./h/b", Typeflag: tar.TypeLink, Linkname: "h/a"}},
		{{Name: "h/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "h/c", Typeflag: tar.TypeLink, Linkname: "h/a"}},
	} {
		packed := layerOf(t, entries)
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil })
		if err != nil {
			t.Fatal(err)
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			t.Fatal(err)
		}
	}
	err := s.EnsureImage(t.Context(), resolve(t, s, always(registry.push(t, "linked:1", image))), nil)
	wantError(t, err, "cannot be unpacked: the hard link h/c leads to h/a, which is not in the layer")
	if strings.Count(err.Error(), "unpack") != 1 || strings.Count(err.Error(), "linked:1") != 1 {
		t.Errorf("it says something twice: %v", err)
	}
}

// layerOf is a compressed layer of empty files.
func layerOf(t *testing.T, entries []tar.Header) []byte {
	t.Helper()
	var packed bytes.Buffer
	compressed := gzip.NewWriter(&packed)
	archive := tar.NewWriter(compressed)
	for _, entry := range entries {
		if err := archive.WriteHeader(&entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// leastOf returns the least of a value while something is done.
func leastOf(t *testing.T, value func() uint64, do func()) uint64 {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	least := value()
	for {
		select {
		case <-done:
			return least
		default:
			least = min(least, value())
		}
	}
}

// fault: a registry sends more of a layer than its manifest states | the pull ends, and leaves nothing behind
func TestALayerThatIsLargerThanStatedEndsThePull(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := resolve(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 1))))
	layer := func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/blobs/") && !strings.Contains(r.URL.Path, image.ID)
	}
	registry.breaks(layer, func(w http.ResponseWriter, r *http.Request, _ int) bool {
		_, _ = io.CopyN(w, zeros{}, 1<<30) // until the reader closes its end
		return true
	})
	wantError(t, s.EnsureImage(t.Context(), image, nil), "more arrives than the", "that the manifest states")
	if left, err := filepath.Glob(filepath.Join(s.temporaryDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("left where layers are fetched to: %v, %v", left, err)
	}
}

func TestWhenADiskIsFull(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		left        room
		full, short bool
	}{
		"room for all":                        {room{minFree, minInodes, 1 << 40, true}, false, false},
		"too few bytes":                       {room{minFree - 1, minInodes, 1 << 40, true}, true, true},
		"too few inodes":                      {room{minFree, minInodes - 1, 1 << 40, true}, true, false},
		"a file system that counts no inodes": {room{minFree, 0, 1 << 40, false}, false, false},
		"a small file system":                 {room{1 << 20, minInodes, 8 << 20, true}, true, false},
		"a small file system that is full":    {room{1<<20 - 1, minInodes, 8 << 20, true}, true, true},
	} {
		if full, short := test.left.isFull(), test.left.isShort(); full != test.full || short != test.short {
			t.Errorf("%s: full %v, short %v", name, full, short)
		}
	}
}
