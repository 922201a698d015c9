package reconcile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// TestAChainWaitsForItsFirstLink has no start pull in, by way of systemd, one that waits for an image.
func TestAChainWaitsForItsFirstLink(t *testing.T) {
	t.Parallel()
	for _, condition := range []string{"Started", "Ready"} {
		objects := reconciletest.Load(t, strings.Replace(reconciletest.Container("c"), "app:1", "db:1", 1)+
			reconciletest.Container("b", "dependsOn: [{name: c, condition: "+condition+"}]")+reconciletest.Container("a", "dependsOn: [{name: b, condition: "+condition+"}]"))
		for what, hangs := range map[string]func(n *reconciletest.Node, images map[reconcile.ImageRequest]resolve.ImageResult){
			"the answer about its image": func(_ *reconciletest.Node, images map[reconcile.ImageRequest]resolve.ImageResult) {
				for request := range images {
					if request.Reference == "example.com/db:1" {
						images[request] = resolve.ImageResult{Err: reconcile.Waiting{For: "answer of a registry"}}
					}
				}
			},
			"its pull": func(n *reconciletest.Node, _ map[reconcile.ImageRequest]resolve.ImageResult) {
				n.Fail["pull example.com/db:1"] = reconcile.Waiting{For: "pull"}
			},
		} {
			t.Run(condition+", "+what, func(t *testing.T) {
				t.Parallel()
				n, images := reconciletest.NewNode(), reconciletest.Resolved(objects, reconciletest.Command)
				hangs(n, images)
				for range 2 {
					_, calls, err := n.Apply(t, resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode}), diff.Options{})
					if got := services(calls); err != nil || len(got) > 0 {
						t.Errorf("%v, %v", got, err)
					}
				}
				clear(n.Fail)
				_, calls, err := n.Apply(t, resolve.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: reconciletest.TestNode}), diff.Options{})
				got := services(calls)
				slices.Sort(got)
				if err != nil || !slices.Equal(got, []string{"start a", "start b", "start c"}) {
					t.Errorf("then %v, %v", got, err)
				}
			})
		}
	}
}
