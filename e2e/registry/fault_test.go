package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/davit-project/davit/e2e/images"
)

// newRegistry serves one image, app:1, and returns the address of its layer and the layer.
func newRegistry(t *testing.T) (r *Registry, server *httptest.Server, layerPath string, layer []byte) {
	t.Helper()
	dir := t.TempDir()
	image, err := random.Image(4096, 1)
	if err != nil {
		t.Fatal(err)
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(image, layout.WithAnnotations(map[string]string{images.NameAnnotation: "app:1"})); err != nil {
		t.Fatal(err)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	if layer, err = os.ReadFile(filepath.Join(dir, "blobs", digest.Algorithm, digest.Hex)); err != nil {
		t.Fatal(err)
	}
	if r, err = New(dir); err != nil {
		t.Fatal(err)
	}
	server = httptest.NewServer(r)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return r, server, "/v2/app/blobs/" + digest.String(), layer
}

// get returns a whole answer; err is that of a body that is cut, or does not come in time.
func get(t *testing.T, address string) (answer *http.Response, body []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err = http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer, body, err
}

func TestFaults(t *testing.T) {
	r, server, layerPath, layer := newRegistry(t)
	const manifestPath = "/v2/app/manifests/1"
	for _, test := range []struct {
		fault Fault
		path  string
		check func(answer *http.Response, body []byte, err error) bool
	}{
		{HangManifest, manifestPath, isLate},
		{HangBlob, layerPath, isLate},
		{SlowBlob, layerPath, func(_ *http.Response, body []byte, err error) bool {
			return len(body) == 1 && errors.Is(err, context.DeadlineExceeded)
		}},
		{CutBlob, layerPath, func(_ *http.Response, body []byte, err error) bool {
			return len(body) == len(layer)/2 && errors.Is(err, io.ErrUnexpectedEOF)
		}},
		{FlippedBlob, layerPath, func(_ *http.Response, body []byte, _ error) bool {
			return len(body) == len(layer) && !bytes.Equal(body, layer)
		}},
		{Unauthorized, manifestPath, hasStatus(http.StatusUnauthorized)},
		{Forbidden, manifestPath, hasStatus(http.StatusForbidden)},
		{TooMany, manifestPath, func(answer *http.Response, _ []byte, _ error) bool {
			return answer.StatusCode == http.StatusTooManyRequests && answer.Header.Get("Retry-After") == "3600"
		}},
		{InternalError, manifestPath, hasStatus(http.StatusInternalServerError)},
		{CaptivePortal, manifestPath, func(answer *http.Response, body []byte, _ error) bool {
			return answer.StatusCode == http.StatusOK && strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") && body[0] == '<'
		}},
		{RedirectLoop, manifestPath, func(_ *http.Response, _ []byte, err error) bool {
			return err != nil && strings.Contains(err.Error(), "stopped after 10 redirects")
		}},
	} {
		t.Run(string(test.fault), func(t *testing.T) {
			for _, repository := range []string{"app", "*"} {
				if err := r.SetFault(repository, test.fault); err != nil {
					t.Fatal(err)
				}
				if answer, body, err := get(t, server.URL+test.path); !test.check(answer, body, err) {
					t.Errorf("for %s: got %v, %d bytes, %v", repository, answer, len(body), err)
				}
				if err := r.SetFault(repository, NoFault); err != nil {
					t.Fatal(err)
				}
				if answer, _, err := get(t, server.URL+test.path); err != nil || answer.StatusCode != http.StatusOK {
					t.Errorf("for %s: got %v, %v without a fault", repository, answer, err)
				}
			}
		})
	}
	if len(faults) != 11 {
		t.Errorf("%d faults, and not each is tested", len(faults))
	}
	if err := r.SetFault("app", "nonsense"); err == nil {
		t.Error("an unknown fault is taken")
	}
	if err := r.SetFault("other", InternalError); err != nil {
		t.Fatal(err)
	}
	if answer, _, err := get(t, server.URL+manifestPath); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("another repository's fault: got %v, %v", answer, err)
	}
}

func isLate(answer *http.Response, body []byte, err error) bool {
	return answer != nil && answer.StatusCode == http.StatusOK && len(body) == 0 && errors.Is(err, context.DeadlineExceeded)
}

func hasStatus(status int) func(*http.Response, []byte, error) bool {
	return func(answer *http.Response, _ []byte, err error) bool {
		return err == nil && answer.StatusCode == status
	}
}

func TestAConnectionThatHangs(t *testing.T) {
	r, _, _, _ := newRegistry(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.Hang(listener)
	if _, _, err := get(t, "http://"+listener.Addr().String()+"/v2/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want no answer", err)
	}
	if err := r.Down(); err != nil {
		t.Error(err)
	}
	if _, _, err := get(t, "http://"+listener.Addr().String()+"/v2/"); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a refused connection", err)
	}
}
