package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
)

// TestObjectsClash has what two objects cannot both have.
//
// fault: an object is defined twice, or clashes with another
func TestObjectsClash(t *testing.T) {
	t.Parallel()
	container := func(name string, lines ...string) string {
		text := manifest("Container", "spec:\n  image: x.y/z\n  "+strings.Join(lines, "\n  "))
		return strings.Replace(text, "{name: a}", "{name: "+name+"}", 1)
	}
	for _, test := range []struct{ a, b, want string }{
		{
			container("web-main"), strings.Replace(pod("containers: [{name: main, image: x.y/z}]"), "{name: a}", "{name: web}", 1),
			`b.yaml:5:23: spec.containers[0].name: its unit web-main.service is that of Container/web-main too, in a.yaml:1:1`,
		},
		{
			container("web-db"), container("web", "install: {Alias: web-db.service}"),
			`b.yaml:6:20: spec.install.Alias: its unit web-db.service is that of Container/web-db too, in a.yaml:1:1`,
		},
		{
			container("one", "networks: [{name: n, addresses: [10.0.0.5]}]"), container("two", "networks: [{name: n, addresses: [10.0.0.5]}]"),
			`b.yaml:6:36: spec.networks[0].addresses[0]: 10.0.0.5 is Container/one's address on network n already, in a.yaml:6:36`,
		},
		{
			container("one", "networks: [{name: n, macAddress: '02:00:00:00:00:0A'}]"), container("two", "networks: [{name: n, macAddress: '02:00:00:00:00:0a'}]"),
			`b.yaml:6:36: spec.networks[0].macAddress: 02:00:00:00:00:0a is Container/one's address on network n already, in a.yaml:6:36`,
		},
		{
			container("one", "dependsOn: [{name: two}]"), container("two", "dependsOn: [{name: one}]"),
			`a.yaml:6:14: spec.dependsOn: waits for itself: Container/one → Container/two → Container/one`,
		},
		{
			container("one", "sockets: [{name: http, listenStream: 8080}]"), container("two", "ports: [{containerPort: 80, hostPort: 8080}]"),
			`a.yaml:6:40: spec.sockets[0].listenStream: port 8080/TCP of the node is wanted by Container/two too, in b.yaml:6:41`,
		},
		{
			container("one"), container("two", "dependsOn: [{name: one, condition: Completed}]"),
			`b.yaml:6:38: spec.dependsOn[0].condition: Container/one never completes (set oneshot on it)`,
		},
	} {
		set := manifests.Load([]manifests.File{{Path: "a.yaml", Text: []byte(test.a)}, {Path: "b.yaml", Text: []byte(test.b)}}, manifests.Options{})
		if !slices.ContainsFunc(set.Diagnostics, func(d object.Diagnostic) bool { return d.String() == test.want }) {
			t.Errorf("got  %s\nwant %s", set.Diagnostics, test.want)
		}
	}
}

func TestHintOfTwoAsNearIsTheSame(t *testing.T) {
	t.Parallel()
	const volume = "apiVersion: davit/v1\nkind: Volume\nmetadata: {name: %s}\n---\n"
	text := fmt.Sprintf(volume+volume, "aa1", "aa2") + spec("volumeMounts: [{name: aa3, mountPath: /d}]")
	for range 50 {
		if hint := loadText(text).Diagnostics[0].Hint; hint != `did you mean "aa1"?` {
			t.Fatal(hint)
		}
	}
}

func TestDuplicatesNameBothPlaces(t *testing.T) {
	t.Parallel()
	set := manifests.Load([]manifests.File{{Path: "a.yaml", Text: []byte(spec())}, {Path: "b.yaml", Text: []byte(spec())}}, manifests.Options{})
	var got []string
	for _, diagnostic := range set.Diagnostics {
		got = append(got, diagnostic.String())
	}
	want := []string{
		"a.yaml:3:18: metadata.name: Container/web is defined twice, also in b.yaml:1:1",
		"b.yaml:3:18: metadata.name: Container/web is defined twice, also in a.yaml:1:1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(set.Objects) > 0 {
		t.Error("one of the two was taken")
	}
}
