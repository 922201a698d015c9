package reconcile

import (
	"strings"
	"testing"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/units/bundle"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/pkg/seccomp"
)

// load returns the objects of a manifest, which must be right.
func load(t *testing.T, text string) []object.Object {
	t.Helper()
	set := manifests.Load([]manifests.File{{Path: "/etc/davit/manifests/app.yaml", Text: []byte(text)}}, manifests.Options{})
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	return set.Objects
}

// resolved answers every request with an image of the same configuration, its id and
// digest made from the reference.
func resolved(objects []object.Object, config imagespec.ImageConfig) map[ImageRequest]ImageResult {
	results := map[ImageRequest]ImageResult{}
	for _, request := range Requests(objects) {
		id := strings.Repeat("0", 64-len(request.Reference)%10) + strings.Repeat("a", len(request.Reference)%10)
		results[request] = ImageResult{Image: Image{
			Image:   bundle.Image{Reference: request.Reference, Digest: "sha256:" + id, ID: id},
			Request: request,
			Config:  config,
		}}
	}
	return results
}

var testNode = Node{
	Launcher: "/usr/local/libexec/davit/davit-run", StorageRoot: "/var/lib/containers/storage", Architecture: "amd64", Hostname: "node", Systemd: 252, RecursiveReadOnly: true,
	Runtimes:        map[string]string{"crun": "/usr/bin/crun"},
	DefaultSeccomp:  seccomp.DefaultProfile(),
	SeccompProfiles: map[string][]byte{"profiles/audit.json": []byte(`{"defaultAction": "SCMP_ACT_LOG"}`), "strict.json": []byte(`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}`)},
}

func resolve(t *testing.T, text string, config imagespec.ImageConfig) Desired {
	t.Helper()
	objects := load(t, text)
	return Resolve(Input{Objects: objects, Images: resolved(objects, config), Node: testNode})
}

const header = "apiVersion: davit/v1\nkind: "

// container is a manifest of one container with further lines of its spec.
// encoded is the bundle's text.
func encoded(t *testing.T, b *bundle.Bundle) []byte {
	t.Helper()
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func container(name string, spec ...string) string {
	text := header + "Container\nmetadata: {name: " + name + "}\nspec:\n  image: example.com/app:1\n"
	for _, line := range spec {
		text += "  " + line + "\n"
	}
	return text + "---\n"
}

var command = imagespec.ImageConfig{Entrypoint: []string{"/app"}, Cmd: []string{"serve"}}

const webObject = "Container/web"
