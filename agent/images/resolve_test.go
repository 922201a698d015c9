package images

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

func TestATagIsBoundToItsManifestAndConfiguration(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	image := newImage(t, "amd64", 1)
	got := resolve(t, s, always(registry.push(t, "app:1", image)))

	manifest, _ := image.Digest()
	config, _ := image.ConfigName()
	if got.Digest != manifest.String() || got.ID != config.Hex {
		t.Errorf("got %s, id %s, want %s, id %s", got.Digest, got.ID, manifest, config.Hex)
	}
	if diff := cmp.Diff([]string{"/bin/app"}, got.Config.Entrypoint); diff != "" {
		t.Error(diff)
	}
	if got.Config.User != "7:7" || got.Config.WorkingDir != "/srv" || got.Config.StopSignal != "SIGQUIT" {
		t.Errorf("got configuration %+v", got.Config)
	}
	if diff := cmp.Diff(checked, got.Docker); diff != "" {
		t.Error(diff)
	}
	if n := registry.count("GET /v2/app/blobs/"); n != 1 {
		t.Errorf("%d blobs were fetched, want the configuration alone", n)
	}
}

// checked are the fields of Docker's configuration, in the test's images, that OCI's lacks.
var checked = reconcile.DockerConfig{
	Healthcheck: &reconcile.Healthcheck{Test: []string{"CMD", "/bin/check"}, Interval: time.Minute}, Shell: []string{"/bin/sh"},
}

// newIndex is an image for two platforms.
func newIndex(t *testing.T) (index ggcr.ImageIndex, amd64, arm64 ggcr.Image) {
	t.Helper()
	amd64, arm64 = newImage(t, "amd64", 1), newImage(t, "arm64", 1)
	index = mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: arm64, Descriptor: ggcr.Descriptor{Platform: &ggcr.Platform{OS: "linux", Architecture: "arm64"}}},
		mutate.IndexAddendum{Add: amd64, Descriptor: ggcr.Descriptor{Platform: &ggcr.Platform{OS: "linux", Architecture: "amd64"}}},
	)
	return index, amd64, arm64
}

func TestAListIsBoundToTheInstanceForThePlatform(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	index, amd64, arm64 := newIndex(t)
	reference := registry.pushIndex(t, "app:1", index, amd64, arm64)
	for platform, image := range map[string]ggcr.Image{"linux/amd64": amd64, "linux/arm64": arm64} {
		request := always(reference)
		request.Platform = platform
		want, _ := image.Digest()
		if got := resolve(t, s, request); got.Digest != want.String() {
			t.Errorf("%s: got %s, want %s", platform, got.Digest, want)
		}
	}
	request := always(reference)
	request.Platform = "linux/riscv64"
	_, err := s.Resolve(t.Context(), request)
	wantError(t, err, "image "+reference, "riscv64")
}

func TestAnImageForAnotherPlatformIsRefused(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	reference := registry.push(t, "app:1", newImage(t, "arm", 1))
	request := always(reference)
	request.Platform = "linux/arm64"
	_, err := s.Resolve(t.Context(), request)
	wantError(t, err, "it is for linux/arm, not for linux/arm64")
	if n := registry.count("GET /v2/app/manifests/"); n != 1 {
		t.Errorf("the manifest was asked for %d times, want once", n)
	}
}

func TestImagesAreReadFromFiles(t *testing.T) {
	s, dir, image := newNode(t), t.TempDir(), newImage(t, "amd64", 2)
	path, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(image); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	if err := tarball.WriteToFile(archive, nil, image); err != nil {
		t.Fatal(err)
	}
	config, _ := image.ConfigName()
	for _, reference := range []string{"oci:" + filepath.Join(dir, "layout"), "docker-archive:" + archive} {
		if got := resolve(t, s, always(reference)); got.ID != config.Hex {
			t.Errorf("%s: got id %s, want %s", reference, got.ID, config.Hex)
		}
	}
	_, err = s.Resolve(t.Context(), always("oci-archive:"+filepath.Join(dir, "missing.tar")))
	wantError(t, err, "missing.tar")
}

func TestReferencesThatAreRefused(t *testing.T) {
	s := newNode(t)
	for reference, want := range map[string]string{
		"redis":                "write docker.io/library/redis",
		"team/app:1":           "write docker.io/team/app:1",
		"Registry.io/App":      "write registry/name:tag",
		"docker-daemon:app:1":  "transport docker-daemon: is not one of",
		"oci:relative/layout":  "is not absolute",
		"dir:../../etc":        "is not absolute",
		"registry.io/app@sha1": "write registry/name:tag",
	} {
		t.Run(reference, func(t *testing.T) {
			_, err := s.Resolve(t.Context(), always(reference))
			wantError(t, err, "image "+reference, want)
		})
	}
}

func TestAShortNameMayBeAnAlias(t *testing.T) {
	s := newNode(t)
	write(t, s.settings.system.SystemRegistriesConfPath, "short-name-mode = \"enforcing\"\n[aliases]\n\"app\" = \"registry.example/team/app\"\n")
	got, err := parse("app:2", &s.settings.system)
	if err != nil {
		t.Fatal(err)
	}
	if want := "registry.example/team/app:2"; got.name != want {
		t.Errorf("got %s, want %s", got.name, want)
	}
}

func TestADigestWinsOverATag(t *testing.T) {
	s := newNode(t)
	digest := "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	got, err := parse("registry.example/app:1"+digest, &s.settings.system)
	if err != nil {
		t.Fatal(err)
	}
	if want := "registry.example/app" + digest; got.name != want {
		t.Errorf("got %s, want %s", got.name, want)
	}
}

func TestThePolicyDecidesBeforeAnythingIsUsed(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	reference := registry.push(t, "app:1", newImage(t, "amd64", 1))

	s.setPolicy(t, rejectAll)
	_, err := s.Resolve(t.Context(), always(reference))
	wantError(t, err, "image "+reference, "refused by the node's policy.json")
	if n := registry.count("GET /v2/app/blobs/"); n != 0 {
		t.Errorf("%d blobs of a refused image were fetched", n)
	}

	s.setPolicy(t, `{"default":[{"type":"insecureAcceptAnything"}],"typo":{}}`)
	_, err = s.Resolve(t.Context(), always(reference))
	wantError(t, err, "read the image policy", "typo")

	if err := os.Remove(s.settings.system.SignaturePolicyPath); err != nil {
		t.Fatal(err)
	}
	_, err = s.Resolve(t.Context(), always(reference))
	wantError(t, err, "read the image policy", "write /etc/containers/policy.json")
}

// fault: a signature is wrong or missing, a policy has changed, a registry is blocked
func TestABlockedRegistryIsNotAsked(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	reference := registry.push(t, "app:1", newImage(t, "amd64", 1))
	write(t, s.settings.system.SystemRegistriesConfPath, "[[registry]]\nlocation = \""+registry.host+"\"\nblocked = true\n")
	registry.breaks(everything, func(http.ResponseWriter, *http.Request, int) bool { return false })
	_, err := s.Resolve(t.Context(), always(reference))
	wantError(t, err, "blocked")
	if n := registry.count(""); n != 0 {
		t.Errorf("the registry got %d requests", n)
	}
}

func TestAMirrorIsAskedInstead(t *testing.T) {
	s, mirror := newNode(t), newRegistry(t)
	image := newImage(t, "amd64", 1)
	mirror.push(t, "team/app:1", image)
	write(t, s.settings.system.SystemRegistriesConfPath,
		"[[registry]]\nlocation = \"registry.invalid\"\n[[registry.mirror]]\nlocation = \""+mirror.host+"\"\ninsecure = true\n")
	want, _ := image.Digest()
	if got := resolve(t, s, always("registry.invalid/team/app:1")); got.Digest != want.String() {
		t.Errorf("got %s, want %s", got.Digest, want)
	}
}

// fault: it is slow, hangs, resets, answers with errors or wrong bytes
func TestRegistriesThatMisbehave(t *testing.T) {
	for _, test := range []struct {
		name    string
		answer  func(w http.ResponseWriter, r *http.Request)
		want    string // in the error
		passing bool
	}{
		{"an error of the server passes", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
		}, "answers 500 Internal Server Error", true},
		{"a lost connection passes", func(w http.ResponseWriter, _ *http.Request) {
			dropConnection(w)
		}, "the connection was closed", true},
		{"a truncated manifest passes", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("{"))
		}, "the connection was closed", true},
		{"silence after the headers passes", hang, "does not answer within 200ms", true},
		{"a missing image is final", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
		}, "404", false},
		{"missing rights are final, and the credentials are named", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
		}, "davit-auth.json", false},
		{"forbidden access is final, and the credentials are named", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
		}, "refuses access: 403 Forbidden (credentials come from", false},
		{"a page instead of a manifest is final", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>log in</html>"))
		}, "answers with a web page instead of a manifest", false},
		{"a circle of redirects is final", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}, "redirects in a circle", false},
		{"an endless manifest is final", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = w.Write(make([]byte, 5<<20))
		}, "exceeded maximum allowed size", false},
		{"a digest that climbs is final", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = w.Write([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
				`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":1,"digest":"sha256:../../etc"},"layers":[]}`))
		}, "digest", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, registry := newNode(t), newRegistry(t)
			if strings.HasPrefix(test.name, "silence") {
				s.settings.resolveTimeout = 200 * time.Millisecond
			}
			reference := registry.push(t, "app:1", newImage(t, "amd64", 1))
			registry.breaks(manifests, func(w http.ResponseWriter, r *http.Request, _ int) bool {
				test.answer(w, r)
				return true
			})
			_, err := s.Resolve(t.Context(), always(reference))
			wantError(t, err, "image "+reference+": ", test.want)
			if IsPassing(err) != test.passing {
				t.Errorf("passing is %t, want %t: %v", IsPassing(err), test.passing, err)
			}
			if n := registry.count("GET /v2/app/manifests/"); n > 10 { // as many as a client follows redirects
				t.Errorf("the manifest was asked for %d times", n)
			}
		})
	}
}

func TestARegistryThatIsDownIsReported(t *testing.T) {
	s := newNode(t)
	_, err := s.Resolve(t.Context(), always("127.0.0.1:1/app:1"))
	wantError(t, err, "image 127.0.0.1:1/app:1: cannot reach registry 127.0.0.1:1: connection refused")
}

func TestNeverPullNeedsTheImageOnTheNode(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	request := always(registry.push(t, "app:1", newImage(t, "amd64", 1)))
	request.PullPolicy = v1.PullNever
	_, err := s.Resolve(t.Context(), request)
	wantError(t, err, "it is not on the node, and imagePullPolicy: Never")
}
