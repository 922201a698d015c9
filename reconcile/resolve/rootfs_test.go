package resolve_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/policy"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/bundle"
)

// TestATreeOfTheNodeNeedsNoImage has a container with a directory in the place of an image: no image is requested, and the
// directory is looked up below the paths that the policy allows.
func TestATreeOfTheNodeNeedsNoImage(t *testing.T) {
	t.Parallel()
	text := strings.Replace(reconciletest.Container("web", "command: [/bin/serve]"), "image: example.com/app:1", "rootfs: /srv/trees/web", 1)
	objects := reconciletest.Load(t, text)
	if requests := resolve.Requests(objects); len(requests) > 0 {
		t.Errorf("it asks for %v", requests)
	}
	for name, test := range map[string]struct {
		allowed []policy.HostPath
		root    string
	}{
		"any path":              {nil, ""},
		"below what is allowed": {[]policy.HostPath{{Path: "/srv", ReadOnly: true}}, "/srv"},
	} {
		web, ok := resolve.Resolve(resolve.Input{Objects: objects, Node: reconciletest.TestNode, HostPaths: test.allowed}).Workloads["web.service"]
		if !ok {
			t.Fatal("there is no web")
		}
		if diff := cmp.Diff(&bundle.HostPath{Path: "/srv/trees/web", Type: "Directory", Root: test.root}, web.Bundle.Rootfs); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if images := web.Bundle.Images(); len(images) > 0 || web.Bundle.Image.Reference != "/srv/trees/web" {
			t.Errorf("%s: its images are %v, shown as %q", name, images, web.Bundle.Image.Reference)
		}
		if !slices.Contains(web.Unit.RequiresMountsFor, "/srv/trees/web") {
			t.Errorf("%s: the unit waits for mounts of %v", name, web.Unit.RequiresMountsFor)
		}
	}
}
