package reconcile

import (
	"slices"
	"strings"
	"testing"
)

// TestAChainWaitsForItsFirstLink has no start pull in, by way of systemd, one that waits for an image.
func TestAChainWaitsForItsFirstLink(t *testing.T) {
	t.Parallel()
	for _, condition := range []string{"Started", "Ready"} {
		objects := load(t, strings.Replace(container("c"), "app:1", "db:1", 1)+
			container("b", "dependsOn: [{name: c, condition: "+condition+"}]")+container("a", "dependsOn: [{name: b, condition: "+condition+"}]"))
		for what, hangs := range map[string]func(n *node, images map[ImageRequest]ImageResult){
			"the answer about its image": func(_ *node, images map[ImageRequest]ImageResult) {
				for request := range images {
					if request.Reference == "example.com/db:1" {
						images[request] = ImageResult{Err: Waiting{For: "answer of a registry"}}
					}
				}
			},
			"its pull": func(n *node, _ map[ImageRequest]ImageResult) { n.fail["pull example.com/db:1"] = Waiting{For: "pull"} },
		} {
			t.Run(condition+", "+what, func(t *testing.T) {
				t.Parallel()
				n, images := newNode(), resolved(objects, command)
				hangs(n, images)
				for range 2 {
					_, calls, err := n.apply(t, Resolve(Input{Objects: objects, Images: images, Node: testNode}), Options{})
					if got := services(calls); err != nil || len(got) > 0 {
						t.Errorf("%v, %v", got, err)
					}
				}
				clear(n.fail)
				_, calls, err := n.apply(t, Resolve(Input{Objects: objects, Images: resolved(objects, command), Node: testNode}), Options{})
				got := services(calls)
				slices.Sort(got)
				if err != nil || !slices.Equal(got, []string{"start a", "start b", "start c"}) {
					t.Errorf("then %v, %v", got, err)
				}
			})
		}
	}
}
