package images

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

const secret = "davit-canary"

// authFile is a containers-auth.json(5) with credentials for one registry.
func authFile(t *testing.T, path, host string, mode os.FileMode) {
	t.Helper()
	write(t, path, encode(t, map[string]any{"auths": map[string]any{
		host: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("user:" + secret))},
	}}))
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// asksForPassword lets only requests with the secret through.
func asksForPassword(w http.ResponseWriter, r *http.Request, _ int) bool {
	if _, password, _ := r.BasicAuth(); password == secret {
		return false
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

func TestTheFirstFileWithCredentialsForTheRegistryIsUsed(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	reference := registry.push(t, "app:1", newImage(t, "amd64", 1))
	registry.breaks(everything, asksForPassword)
	authFile(t, s.settings.authFiles[0], "elsewhere.example", 0o600)
	authFile(t, s.settings.authFiles[1], registry.host, 0o600)
	resolve(t, s, always(reference))
}

func TestTheManifestsFileIsUsedAlone(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	request := always(registry.push(t, "app:1", newImage(t, "amd64", 1)))
	registry.breaks(everything, asksForPassword)
	authFile(t, s.settings.authFiles[0], registry.host, 0o600)
	request.AuthFile = t.TempDir() + "/own.json"
	_, err := s.Resolve(t.Context(), request)
	wantError(t, err, "credentials "+request.AuthFile, "no such file")

	authFile(t, request.AuthFile, "elsewhere.example", 0o600)
	_, err = s.Resolve(t.Context(), request)
	wantError(t, err, "podman login --authfile "+request.AuthFile)

	authFile(t, request.AuthFile, registry.host, 0o600)
	resolve(t, s, request)
}

func TestCredentialsThatOthersCanReadAreRefused(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	reference := registry.push(t, "app:1", newImage(t, "amd64", 1))
	authFile(t, s.settings.authFiles[0], registry.host, 0o644)
	_, err := s.Resolve(t.Context(), always(reference))
	wantError(t, err, s.settings.authFiles[0], "chmod 600")

	// Those of another registry are not used, unless others may change the program.
	authFile(t, s.settings.authFiles[0], "elsewhere.example", 0o644)
	resolve(t, s, always(reference))
	authFile(t, s.settings.authFiles[0], "elsewhere.example", 0o622)
	_, err = s.Resolve(t.Context(), always(reference))
	wantError(t, err, s.settings.authFiles[0], "chmod 600")
}

func TestCredentialsStayWithTheirRegistry(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	reference := registry.push(t, "app:1", newImage(t, "amd64", 1))
	authFile(t, s.settings.authFiles[0], registry.host, 0o600)
	leaked := make(chan string, 100)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked <- r.Header.Get("Authorization")
		w.WriteHeader(http.StatusForbidden)
	}))
	defer elsewhere.Close()
	// Another name for the same address is another host to an HTTP client.
	other := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)
	registry.breaks(everything, func(w http.ResponseWriter, r *http.Request, n int) bool {
		if asksForPassword(w, r, n) {
			return true
		}
		if blobs(r) {
			http.Redirect(w, r, other+r.URL.Path, http.StatusTemporaryRedirect)
		}
		return blobs(r)
	})
	_, err := s.Resolve(t.Context(), always(reference))
	wantError(t, err, "403")
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error tells the password: %v", err)
	}
	if got := <-leaked; got != "" {
		t.Errorf("the other host got Authorization: %s", got)
	}
}
