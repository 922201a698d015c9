// Package registry serves container images to a node: those of an OCI image layout, over
// HTTP and over HTTPS with a password.
//
// A repository can be made to misbehave in the ways that registries and networks do: see [Fault].
//
// The registry is go-containerregistry's, in the process of the caller, on listeners of a
// node's network. So it costs the node no process, can be taken down and moved to new
// images between two lines of a test, and can list its requests.
package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/davit-project/davit/e2e/images"
)

// Registry serves images. Its methods may be called concurrently.
type Registry struct {
	handler http.Handler
	layout  string
	// derived are the blobs that the layout has not, by digest.
	derived sync.Map

	mu       sync.Mutex
	servers  []io.Closer
	requests []string
	faults   map[string]Fault // by repository
}

// New returns a registry with the images of a layout, which must not change. It serves
// nothing yet.
func New(directory string) (*Registry, error) {
	r := &Registry{layout: directory}
	r.handler = registry.New(
		registry.WithBlobHandler(blobs{filepath.Join(directory, "blobs"), &r.derived}),
		registry.Logger(log.New(io.Discard, "", 0)),
	)
	index, err := layout.ImageIndexFromPath(directory)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	for _, image := range manifest.Manifests {
		text, err := os.ReadFile(filepath.Join(directory, "blobs", image.Digest.Algorithm, image.Digest.Hex))
		if err != nil {
			return nil, fmt.Errorf("registry: %w", err)
		}
		name := image.Annotations[images.NameAnnotation]
		if err := r.put(name, string(image.MediaType), text); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Serve answers requests on a listener until Down is called.
func (r *Registry) Serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	r.mu.Lock()
	r.servers = append(r.servers, server)
	r.mu.Unlock()
	go server.Serve(listener)
}

// Down closes all listeners and connections, as a machine that is switched off does.
func (r *Registry) Down() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, server := range r.servers {
		errs = append(errs, server.Close())
	}
	r.servers = nil
	return errors.Join(errs...)
}

// ServeHTTP implements [http.Handler]: the registry, open to all.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, request.Method+" "+request.URL.Path)
	r.mu.Unlock()
	if !r.misbehave(w, request) {
		r.handler.ServeHTTP(w, request)
	}
}

// Protected is the registry for clients with a user's password.
func (r *Registry) Protected(user, password string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if gotUser, gotPassword, ok := request.BasicAuth(); !ok || gotUser != user || gotPassword != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"log in"}]}`, http.StatusUnauthorized)
			return
		}
		r.ServeHTTP(w, request)
	})
}

// Requests returns the requests to the registry since the last call, as "GET /v2/…".
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests := r.requests
	r.requests = nil
	return requests
}

// Tag makes a name mean the image of another, as a push of it would.
func (r *Registry) Tag(from, to string) error {
	repository, tag, err := split(from)
	if err != nil {
		return err
	}
	answer := r.ask(http.MethodGet, "/v2/"+repository+"/manifests/"+tag, "", nil)
	if answer.Code != http.StatusOK {
		return fmt.Errorf("tag %s: %s", from, answer.Body)
	}
	return r.put(to, answer.Header().Get("Content-Type"), answer.Body.Bytes())
}

// blobs serves the blobs of a layout, named by their digests, and others.
type blobs struct {
	dir    string
	others *sync.Map
}

// Get implements registry.BlobHandler.
func (b blobs) Get(_ context.Context, _ string, digest v1.Hash) (io.ReadCloser, error) {
	if blob, ok := b.others.Load(digest); ok {
		return io.NopCloser(bytes.NewReader(blob.([]byte))), nil
	}
	file, err := os.Open(b.path(digest))
	if errors.Is(err, os.ErrNotExist) {
		return nil, registry.ErrNotFound
	}
	return file, err
}

// Stat implements registry.BlobStatHandler.
func (b blobs) Stat(_ context.Context, _ string, digest v1.Hash) (int64, error) {
	if blob, ok := b.others.Load(digest); ok {
		return int64(len(blob.([]byte))), nil
	}
	info, err := os.Stat(b.path(digest))
	if errors.Is(err, os.ErrNotExist) {
		return 0, registry.ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (b blobs) path(digest v1.Hash) string {
	return filepath.Join(b.dir, digest.Algorithm, digest.Hex)
}

// put gives an image a name, repository:tag.
func (r *Registry) put(name, mediaType string, manifest []byte) error {
	repository, tag, err := split(name)
	if err != nil {
		return err
	}
	answer := r.ask(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, mediaType, manifest)
	if answer.Code != http.StatusCreated {
		return fmt.Errorf("registry: name an image %s: %s", name, answer.Body)
	}
	return nil
}
