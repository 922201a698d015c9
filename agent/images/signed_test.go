package images

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	ocilayout "go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/signature/sigstore"
	"go.podman.io/image/v5/types"
)

// sign pushes an image of its own, signed in the way of sigstore, and returns its name and
// the public key's file.
func sign(t *testing.T, s *Store, registry *fakeRegistry, tag string) (name, publicKey string) {
	t.Helper()
	dir := t.TempDir()
	keys, err := sigstore.GenerateKeyPair([]byte("passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "key.pub"), string(keys.PublicKey))
	write(t, filepath.Join(dir, "key"), string(keys.PrivateKey))
	path, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(newImage(t, "amd64", 1)); err != nil {
		t.Fatal(err)
	}
	from, err := ocilayout.NewReference(filepath.Join(dir, "layout"), "")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.settings.system.RegistriesDirPath, "default.yaml"), "default-docker:\n  use-sigstore-attachments: true\n")
	name = registry.host + "/" + tag
	to, err := parse(name, &s.settings.system)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	err = withPolicy(&s.settings.system, func(policy *signature.PolicyContext) error {
		_, err := copy.Image(t.Context(), policy, to.ref, from, &copy.Options{
			SourceCtx: &types.SystemContext{}, DestinationCtx: &s.settings.system,
			SignBySigstorePrivateKeyFile:     filepath.Join(dir, "key"),
			SignSigstorePrivateKeyPassphrase: []byte("passphrase"),
			SignIdentity:                     identity,
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return name, filepath.Join(dir, "key.pub")
}

func (s *Store) setSignedPolicy(t *testing.T, host, publicKey string) {
	t.Helper()
	s.setPolicy(t, encode(t, map[string]any{
		"default": []any{map[string]any{"type": "reject"}},
		"transports": map[string]any{"docker": map[string]any{host: []any{map[string]any{
			"type": "sigstoreSigned", "keyPath": publicKey,
		}}}},
	}))
}

func TestASignatureIsCheckedOnceMoreWithoutTheRegistry(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	name, publicKey := sign(t, s, registry, "app:1")
	s.setSignedPolicy(t, registry.host, publicKey)
	image := pull(t, s, ifNotPresent(name))

	registry.breaks(everything, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		dropConnection(w)
		return true
	})
	if got := resolve(t, s, ifNotPresent(name)); got.Key() != image.Key() {
		t.Errorf("got %s, want %s", got.Key(), image.Key())
	}
	forget(t, s, image.ID)
	if got := resolve(t, s, ifNotPresent(name)); got.Key() != image.Key() {
		t.Errorf("from the storage: got %s, want %s", got.Key(), image.Key())
	}
}

// fault: a signature is wrong or missing, a policy has changed, a registry is blocked | refused, also for an image on the node
func TestAnotherKeyIsRefusedEvenForAnImageOnTheNode(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	name, publicKey := sign(t, s, registry, "app:1")
	s.setSignedPolicy(t, registry.host, publicKey)
	pull(t, s, ifNotPresent(name))

	s.setPolicy(t, acceptAll)
	_, other := sign(t, s, registry, "other:1")
	s.setSignedPolicy(t, registry.host, other)
	_, err := s.Resolve(t.Context(), ifNotPresent(name))
	wantError(t, err, "image "+name, "signature")
}

func TestAnUnsignedImageIsRefused(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	_, publicKey := sign(t, s, registry, "signed:1")
	name := registry.push(t, "app:1", newImage(t, "amd64", 1))
	s.setSignedPolicy(t, registry.host, publicKey)
	_, err := s.Resolve(t.Context(), always(name))
	wantError(t, err, "image "+name, "refused by the node's policy.json", "signature was required")
	if _, err := os.Stat(s.settings.records); err == nil {
		t.Error("a refused image left something")
	}
}
