package images

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	ggcrtypes "github.com/google/go-containerregistry/pkg/v1/types"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// mayMount is false where root has no right to mount, and storage cannot be opened.
var mayMount = os.Geteuid() == 0

// TestMain runs root's tests in a mount namespace of their own, because opening a storage
// mounts.
func TestMain(m *testing.M) {
	if Init() {
		return
	}
	const inside = "DAVIT_TEST_OWN_MOUNTS"
	if os.Geteuid() != 0 || os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Env = append(os.Environ(), inside+"=1")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := command.Run()
	if errors.Is(err, syscall.EPERM) {
		mayMount = false // root of a container
		os.Exit(m.Run())
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(failed.ExitCode())
	}
	if err != nil {
		log.Fatal(err)
	}
}

const (
	acceptAll = `{"default":[{"type":"insecureAcceptAnything"}]}`
	rejectAll = `{"default":[{"type":"reject"}]}`
)

// newNode returns a store whose storage, configuration and records are the test's own. As
// anyone but root it can only resolve.
func newNode(t *testing.T) *Store {
	t.Helper()
	// A test's own directory has its name, and mount options have one page.
	dir, err := os.MkdirTemp("", "node")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	write(t, filepath.Join(dir, "policy.json"), acceptAll)
	write(t, filepath.Join(dir, "registries.conf"), "unqualified-search-registries = []\n")
	for _, name := range []string{"registries.conf.d", "registries.d", "certs.d", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	settings := nodeSettings()
	settings.storage = func() (storage.StoreOptions, error) {
		return storage.StoreOptions{
			GraphRoot: filepath.Join(dir, "storage"), RunRoot: filepath.Join(dir, "run"),
			GraphDriverName:    driver,
			GraphDriverOptions: []string{"overlay.skip_mount_home=true"},
		}, nil
	}
	settings.system = types.SystemContext{
		SignaturePolicyPath:         filepath.Join(dir, "policy.json"),
		SystemRegistriesConfPath:    filepath.Join(dir, "registries.conf"),
		SystemRegistriesConfDirPath: filepath.Join(dir, "registries.conf.d"),
		RegistriesDirPath:           filepath.Join(dir, "registries.d"),
		DockerPerHostCertDirPath:    filepath.Join(dir, "certs.d"),
		UserShortNameAliasConfPath:  filepath.Join(dir, "aliases.conf"),
		BlobInfoCacheDir:            filepath.Join(dir, "tmp"),
		BigFilesTemporaryDir:        filepath.Join(dir, "tmp"),
		DockerInsecureSkipTLSVerify: types.OptionalBoolTrue,
	}
	settings.records = filepath.Join(dir, "images")
	settings.authFiles = []string{filepath.Join(dir, "davit-auth.json"), filepath.Join(dir, "podman-auth.json")}
	settings.runDir = filepath.Join(dir, "run-davit")
	settings.progressInterval = time.Millisecond
	s := newStore(settings)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newRootNode is newNode for tests that write into the storage.
func newRootNode(t *testing.T) *Store {
	t.Helper()
	if !mayMount {
		t.Skip("the storage is root's, and mounts")
	}
	return newNode(t)
}

func (s *Store) setPolicy(t *testing.T, text string) {
	t.Helper()
	write(t, s.settings.system.SignaturePolicyPath, text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fakeRegistry is a real registry that misbehaves on request.
type fakeRegistry struct {
	host string

	mu       sync.Mutex
	requests []string
	fault    fault
}

// fault answers the nth request, counted from 1, of those it concerns; it returns false to
// let the registry answer.
type fault struct {
	concerns func(*http.Request) bool
	answer   func(w http.ResponseWriter, r *http.Request, n int) bool
	seen     int
}

func newRegistry(t *testing.T) *fakeRegistry {
	t.Helper()
	f := &fakeRegistry{}
	next := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.misbehave(w, r) {
			next.ServeHTTP(w, r)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	f.host = strings.TrimPrefix(server.URL, "http://")
	return f
}

func (f *fakeRegistry) misbehave(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	fault, n := f.fault, 0
	if fault.concerns != nil && fault.concerns(r) {
		f.fault.seen++
		n = f.fault.seen
	}
	f.mu.Unlock()
	return n > 0 && fault.answer(w, r, n)
}

// breaks makes requests fail from now on, and forgets those so far.
func (f *fakeRegistry) breaks(concerns func(*http.Request) bool, answer func(w http.ResponseWriter, r *http.Request, n int) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.requests = fault{concerns: concerns, answer: answer}, nil
}

func (f *fakeRegistry) count(concerns string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, request := range f.requests {
		if strings.Contains(request, concerns) {
			n++
		}
	}
	return n
}

func manifests(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }
func blobs(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/")
}
func everything(*http.Request) bool { return true }

// push puts an image into the registry and returns its whole name.
func (f *fakeRegistry) push(t *testing.T, reference string, image ggcr.Image) string {
	t.Helper()
	repository, tag, _ := strings.Cut(reference, ":")
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			t.Fatal(err)
		}
		content, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		f.send(t, http.MethodPost, repository+"/blobs/uploads/?digest="+digest.String(), "application/octet-stream", content)
	}
	config, err := image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	configDigest, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	f.send(t, http.MethodPost, repository+"/blobs/uploads/?digest="+configDigest.String(), "application/octet-stream", bytes.NewReader(config))
	f.pushManifest(t, repository, tag, image)
	return f.host + "/" + reference
}

// pushIndex puts a list and its images into the registry.
func (f *fakeRegistry) pushIndex(t *testing.T, reference string, index ggcr.ImageIndex, images ...ggcr.Image) string {
	t.Helper()
	repository, tag, _ := strings.Cut(reference, ":")
	for _, image := range images {
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		f.push(t, repository+":"+digest.Hex[:12], image)
		f.pushManifest(t, repository, digest.String(), image)
	}
	f.pushManifest(t, repository, tag, index)
	return f.host + "/" + reference
}

type manifested interface {
	RawManifest() ([]byte, error)
	MediaType() (ggcrtypes.MediaType, error)
}

func (f *fakeRegistry) pushManifest(t *testing.T, repository, tag string, from manifested) {
	t.Helper()
	text, err := from.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	kind, err := from.MediaType()
	if err != nil {
		t.Fatal(err)
	}
	f.send(t, http.MethodPut, repository+"/manifests/"+tag, string(kind), bytes.NewReader(text))
}

func (f *fakeRegistry) send(t *testing.T, method, path, kind string, body io.Reader) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+f.host+"/v2/"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %s", method, path, response.Status)
	}
}

// newImage makes an image for linux/arch with its own layers.
func newImage(t *testing.T, arch string, layers int) ggcr.Image {
	t.Helper()
	image, err := random.Image(4096, int64(layers))
	if err != nil {
		t.Fatal(err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", arch
	file.Config = ggcr.Config{
		Entrypoint: []string{"/bin/app"}, Cmd: []string{"serve"}, Env: []string{"A=1"},
		User: "7:7", WorkingDir: "/srv", StopSignal: "SIGQUIT",
		Healthcheck: &ggcr.HealthConfig{Test: []string{"CMD", "/bin/check"}, Interval: time.Minute}, Shell: []string{"/bin/sh"},
	}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		t.Fatal(err)
	}
	return image
}

func always(reference string) reconcile.ImageRequest {
	return reconcile.ImageRequest{Reference: reference, PullPolicy: v1.PullAlways, Platform: "linux/amd64"}
}

func ifNotPresent(reference string) reconcile.ImageRequest {
	return reconcile.ImageRequest{Reference: reference, PullPolicy: v1.PullIfNotPresent, Platform: "linux/amd64"}
}

func resolve(t *testing.T, s *Store, request reconcile.ImageRequest) reconcile.Image {
	t.Helper()
	image, err := s.Resolve(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func pull(t *testing.T, s *Store, request reconcile.ImageRequest) reconcile.Image {
	t.Helper()
	image := resolve(t, s, request)
	if err := s.EnsureImage(t.Context(), image, nil); err != nil {
		t.Fatal(err)
	}
	return image
}

// bundleImage is an image of which only the name matters.
func bundleImage(reference string) bundle.Image {
	return bundle.Image{Reference: reference, Digest: "sha256:" + strings.Repeat("0", 64), ID: strings.Repeat("0", 64)}
}

// wantError checks that err contains all of parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got error %q, want it to say %q", err, part)
		}
	}
}

// dropConnection ends the connection without an answer.
func dropConnection(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func hang(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// trickle sends a byte now and then.
func trickle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "4000")
	for r.Context().Err() == nil {
		_, _ = w.Write([]byte{0x1f})
		w.(http.Flusher).Flush()
		time.Sleep(10 * time.Millisecond)
	}
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
