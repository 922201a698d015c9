package registry

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is a way in which a repository misbehaves.
type Fault string

// The faults. Those of blobs concern layers: a configuration still comes, so that the image resolves and its
// pull fails.
const (
	NoFault       Fault = "none"
	HangManifest  Fault = "hang-manifest"  // a manifest's headers come, and nothing more
	HangBlob      Fault = "hang-blob"      // a layer's headers come, and nothing more
	SlowBlob      Fault = "slow-blob"      // a layer comes at 1 B/s
	CutBlob       Fault = "cut-blob"       // the connection ends in the middle of a layer
	FlippedBlob   Fault = "flipped-blob"   // one bit of a layer is another
	Unauthorized  Fault = "401"            // other credentials are wanted
	Forbidden     Fault = "403"            // access is denied
	TooMany       Fault = "429"            // requests are limited, with Retry-After: 3600
	InternalError Fault = "500"            // the server is in trouble
	CaptivePortal Fault = "captive-portal" // the network answers with the page of its log-in
	RedirectLoop  Fault = "redirect-loop"  // each answer leads to the same address
)

// retryAfter is the time that [TooMany] asks for, in seconds.
const retryAfter = 3600

// faults are how each is brought about; true means that the request was answered.
var faults = map[Fault]func(r *Registry, w http.ResponseWriter, request *http.Request) bool{
	HangManifest: onlyManifests(func(w http.ResponseWriter, request *http.Request, _ []byte) {
		hang(w, request)
	}),
	HangBlob: onlyLayers(func(w http.ResponseWriter, request *http.Request, layer []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(layer)))
		hang(w, request)
	}),
	SlowBlob: onlyLayers(trickle),
	CutBlob: onlyLayers(func(w http.ResponseWriter, _ *http.Request, layer []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(layer)))
		_, _ = w.Write(layer[:len(layer)/2])
		panic(http.ErrAbortHandler)
	}),
	FlippedBlob: onlyLayers(func(w http.ResponseWriter, _ *http.Request, layer []byte) {
		layer = bytes.Clone(layer)
		layer[len(layer)/2] ^= 1
		_, _ = w.Write(layer)
	}),
	Unauthorized: always(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"log in"}]}`, http.StatusUnauthorized)
	}),
	Forbidden: always(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"errors":[{"code":"DENIED","message":"access denied"}]}`, http.StatusForbidden)
	}),
	TooMany: always(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		http.Error(w, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`, http.StatusTooManyRequests)
	}),
	InternalError: always(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "oops", http.StatusInternalServerError)
	}),
	CaptivePortal: always(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!DOCTYPE html><title>Welcome to our network</title><form>Room number: <input></form>")
	}),
	RedirectLoop: always(func(w http.ResponseWriter, request *http.Request) {
		http.Redirect(w, request, request.URL.Path, http.StatusTemporaryRedirect)
	}),
}

// SetFault makes a repository misbehave from now on; "*" is all of them, and requests without one.
func (r *Registry) SetFault(repository string, fault Fault) error {
	if _, ok := faults[fault]; !ok && fault != NoFault {
		return fmt.Errorf("registry: no fault %q: want none or one of %v", fault, slices.Sorted(maps.Keys(faults)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults == nil {
		r.faults = map[string]Fault{}
	}
	r.faults[repository] = fault
	return nil
}

// misbehave answers a request as the fault of its repository wants it. Without one it does nothing, and
// returns false.
func (r *Registry) misbehave(w http.ResponseWriter, request *http.Request) bool {
	repository := repositoryOf(request.URL.Path)
	r.mu.Lock()
	fault, ok := r.faults[repository]
	if !ok || fault == NoFault {
		fault = r.faults["*"]
	}
	r.mu.Unlock()
	answer, ok := faults[fault]
	return ok && answer(r, w, request)
}

// repositoryOf is the repository that a path concerns; empty for none.
func repositoryOf(path string) string {
	rest := strings.TrimPrefix(path, "/v2/")
	for _, kind := range []string{"/manifests/", "/blobs/", "/tags/"} {
		if i := strings.LastIndex(rest, kind); i > 0 {
			return rest[:i]
		}
	}
	return ""
}

func always(answer http.HandlerFunc) func(*Registry, http.ResponseWriter, *http.Request) bool {
	return func(_ *Registry, w http.ResponseWriter, request *http.Request) bool {
		answer(w, request)
		return true
	}
}

func onlyManifests(answer func(http.ResponseWriter, *http.Request, []byte)) func(*Registry, http.ResponseWriter, *http.Request) bool {
	return func(_ *Registry, w http.ResponseWriter, request *http.Request) bool {
		if !strings.Contains(request.URL.Path, "/manifests/") {
			return false
		}
		answer(w, request, nil)
		return true
	}
}

// onlyLayers has answer serve the registry's own content.
func onlyLayers(answer func(http.ResponseWriter, *http.Request, []byte)) func(*Registry, http.ResponseWriter, *http.Request) bool {
	return func(r *Registry, w http.ResponseWriter, request *http.Request) bool {
		if request.Method != http.MethodGet || !strings.Contains(request.URL.Path, "/blobs/") {
			return false
		}
		blob := r.ask(http.MethodGet, request.URL.Path, "", nil)
		// A configuration is JSON, a layer an archive.
		if blob.Code != http.StatusOK || bytes.HasPrefix(blob.Body.Bytes(), []byte("{")) {
			return false
		}
		answer(w, request, blob.Body.Bytes())
		return true
	}
}

// hang sends the headers, and nothing more until the client has gone.
func hang(w http.ResponseWriter, request *http.Request) {
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	<-request.Context().Done()
}

// trickle sends a byte a second.
func trickle(w http.ResponseWriter, request *http.Request, layer []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(layer)))
	for i := range layer {
		if _, err := w.Write(layer[i : i+1]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(time.Second):
		case <-request.Context().Done():
			return
		}
	}
}

// Hang takes connections on a listener until Down is called, and never answers.
func (r *Registry) Hang(listener net.Listener) {
	hanging := &hanging{Listener: listener}
	r.mu.Lock()
	r.servers = append(r.servers, hanging)
	r.mu.Unlock()
	go hanging.accept()
}
