// Package reconciletest has helpers for the tests of the packages of reconcile: manifests, answers for images, and a node in
// memory.
package reconciletest

import (
	"strings"
	"testing"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/pkg/seccomp"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/bundle"
)

// Load returns the objects of a manifest, which must be right.
func Load(t *testing.T, text string) []object.Object {
	t.Helper()
	set := manifests.Load([]manifests.File{{Path: "/etc/davit/manifests/app.yaml", Text: []byte(text)}}, manifests.Options{})
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	return set.Objects
}

// Resolved answers every request with an image of the same configuration, its id and
// digest made from the reference.
func Resolved(objects []object.Object, config imagespec.ImageConfig) map[reconcile.ImageRequest]resolve.ImageResult {
	results := map[reconcile.ImageRequest]resolve.ImageResult{}
	for _, request := range resolve.Requests(objects) {
		id := strings.Repeat("0", 64-len(request.Reference)%10) + strings.Repeat("a", len(request.Reference)%10)
		results[request] = resolve.ImageResult{Image: reconcile.Image{
			Image:   bundle.Image{Reference: request.Reference, Digest: "sha256:" + id, ID: id},
			Request: request,
			Config:  config,
		}}
	}
	return results
}

var TestNode = resolve.Node{
	Launcher: "/usr/local/libexec/davit/davit-run", StorageRoot: "/var/lib/containers/storage", Architecture: "amd64", Hostname: "node", Systemd: 252, RecursiveReadOnly: true,
	Runtimes:        map[string]string{"crun": "/usr/bin/crun"},
	DefaultSeccomp:  seccomp.DefaultProfile(),
	SeccompProfiles: map[string][]byte{"profiles/audit.json": []byte(`{"defaultAction": "SCMP_ACT_LOG"}`), "strict.json": []byte(`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}`)},
}

// Resolve resolves a manifest on [TestNode], whose images all have this configuration.
func Resolve(t *testing.T, text string, config imagespec.ImageConfig) reconcile.Desired {
	t.Helper()
	objects := Load(t, text)
	return resolve.Resolve(resolve.Input{Objects: objects, Images: Resolved(objects, config), Node: TestNode})
}

// Header begins a manifest; the kind follows.
const Header = "apiVersion: davit/v1\nkind: "

// Encoded is the text of a bundle.
func Encoded(t *testing.T, b *bundle.Bundle) []byte {
	t.Helper()
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Container is the manifest of a Container with more lines of its specification.
func Container(name string, spec ...string) string {
	text := Header + "Container\nmetadata: {name: " + name + "}\nspec:\n  image: example.com/app:1\n"
	for _, line := range spec {
		text += "  " + line + "\n"
	}
	return text + "---\n"
}

// Command is the configuration of an image that runs /app.
var Command = imagespec.ImageConfig{Entrypoint: []string{"/app"}, Cmd: []string{"serve"}}

const WebObject = "Container/web"
