package history_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// keptOf makes generations of one object, the newest one first, from the versions it had, the oldest
// one first; one that ends in '!' failed, one that ends in '?' was not shown to work.
func keptOf(versions ...string) []history.Generation {
	var kept []history.Generation
	for i, version := range versions {
		g := history.Generation{Number: i + 1, State: history.Applied, Objects: map[string]history.Version{}}
		switch last := version[len(version)-1]; last {
		case '!':
			version = version[:len(version)-1]
			g.Fail(reconciletest.WebObject, "it ended")
		case '?':
			version = version[:len(version)-1]
			g.Unconfirmed = map[string]string{reconciletest.WebObject: "it was not waited for"}
		}
		g.Objects[reconciletest.WebObject] = history.Version(version)
		kept = append([]history.Generation{g}, kept...)
	}
	return kept
}

func TestNewlyFailed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		versions []string
		want     bool
	}{
		"an update fails":                            {[]string{"one", "two!"}, true},
		"an update works":                            {[]string{"one", "two"}, false},
		"the first version fails":                    {[]string{"one!"}, false},
		"the first two versions fail":                {[]string{"one!", "two!"}, false},
		"the version before was not shown to work":   {[]string{"one?", "two!"}, false},
		"what worked fails later":                    {[]string{"one", "two", "two!"}, false},
		"an update fails after one that was undone":  {[]string{"one", "two!", "one", "three!"}, true},
		"the version that is gone back to fails too": {[]string{"one", "two!", "one!"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := keptOf(test.versions...)
			_, got := history.NewlyFailed(kept[0], kept[1:], time.Now())[reconciletest.WebObject]
			if got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestFallsBackToTheGenerationThatBroughtIt expects the same message while changes of other objects make new generations.
func TestFallsBackToTheGenerationThatBroughtIt(t *testing.T) {
	t.Parallel()
	desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	version := history.Versions(desired)[reconciletest.WebObject]
	kept := keptOf("zero", "one", "one", string(version)+"!", "one", "one")
	got := history.Fallbacks(desired, map[string]history.Quarantined{reconciletest.WebObject: {Version: version, Reason: "it ended"}}, kept)
	if diff := cmp.Diff([]history.Fallback{{Object: reconciletest.WebObject, Generation: 2, Reason: "it ended"}}, got); diff != "" {
		t.Error(diff)
	}
	// The failure of one version does not delay another.
	if got := history.Fallbacks(desired, map[string]history.Quarantined{reconciletest.WebObject: {Version: "other"}}, kept); got != nil {
		t.Errorf("falls back to %v", got)
	}
}

// TestWaitsInTheVersionThatIsInPlace keeps the running version while the next one is not possible, and not one that was desired
// in between and never begun.
func TestWaitsInTheVersionThatIsInPlace(t *testing.T) {
	t.Parallel()
	earlier := map[int]reconcile.Desired{}
	var kept []history.Generation
	for i, version := range []string{"one", "two", "three"} {
		earlier[i+1] = reconciletest.Resolve(t, reconciletest.Container("web", "args: ["+version+"]"), reconciletest.Command)
		g := history.NewGeneration(i+1, earlier[i+1], version, time.Now())
		g.Inherit(kept)
		if version == "one" {
			g.Record(reconcile.Event{Action: reconcile.Action{Verb: reconcile.WriteUnit, Object: reconciletest.WebObject, Target: "web.service"}, Status: reconcile.Begun})
		}
		kept = append([]history.Generation{g}, kept...)
	}
	desired := reconciletest.Resolve(t, reconciletest.Container("db"), reconciletest.Command)
	desired.Problems = []reconcile.Problem{{Ref: earlier[1].Workloads["web.service"].Ref, Err: reconcile.Waiting{For: "an answer"}}}
	of := func(kept []history.Generation) string {
		settled, _, _ := history.Settle(desired, nil, kept, func(number int) (reconcile.Desired, error) { return earlier[number], nil })
		return settled.Workloads["web.service"].BundleDir
	}
	if got, want := of(kept), earlier[1].Workloads["web.service"].BundleDir; got != want {
		t.Errorf("waits in %q, want the one in place, %q", got, want)
	}
	kept[0].Record(reconcile.Event{Action: reconcile.Action{Verb: reconcile.Restart, Object: reconciletest.WebObject, Target: "web.service"}, Status: reconcile.Begun})
	if got, want := of(kept), earlier[3].Workloads["web.service"].BundleDir; got != want {
		t.Errorf("waits in %q, want the one that was begun, %q", got, want)
	}
	if got := of(kept[1:2]); got != "" {
		t.Errorf("waits in %q, of which nothing is in place", got)
	}
}

// TestFallBackReplacesOneObject puts an earlier web beside a db that stays as it is wanted, with all
// that the earlier one needs.
func TestFallBackReplacesOneObject(t *testing.T) {
	t.Parallel()
	earlier := reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("db"), reconciletest.Command)
	desired := reconciletest.Resolve(t, reconciletest.Container("web", "hostNetwork: true")+reconciletest.Container("db", "args: [new]"), reconciletest.Command)
	got := history.FallBack(desired, map[string]bool{reconciletest.WebObject: true}, earlier)
	if got.Workloads["web.service"].BundleDir != earlier.Workloads["web.service"].BundleDir {
		t.Error("web is not as it was")
	}
	if got.Workloads["db.service"].BundleDir != desired.Workloads["db.service"].BundleDir {
		t.Error("db is not as it is wanted")
	}
	for _, name := range got.Workloads["web.service"].Networks {
		if _, ok := got.Networks[name]; !ok {
			t.Errorf("network %s is missing", name)
		}
	}
	n := reconciletest.NewNode()
	n.MustApply(t, got)
	if rest := diff.Diff(got, n.Actual, diff.Options{}); !rest.Empty() {
		t.Errorf("a second apply would still do %v", reconciletest.Verbs(rest))
	}
}

// TestWhatIsKeptIsNotPruned preserves the resources of an earlier generation, and removes them with it.
func TestWhatIsKeptIsNotPruned(t *testing.T) {
	t.Parallel()
	before := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	after := reconciletest.Resolve(t, reconciletest.Container("web", "args: [new]"), reconciletest.Command)
	n := reconciletest.NewNode()
	n.MustApply(t, before)
	kept := []history.Generation{history.NewGeneration(1, before, "", time.Now())}
	n.Desired = after
	removed := func(plan reconcile.Plan) bool {
		for _, action := range plan.Actions {
			if action.Verb == reconcile.RemoveBundle && action.Target == before.Workloads["web.service"].BundleDir {
				return true
			}
		}
		return false
	}
	if removed(diff.Diff(after, n.Actual, diff.Options{Kept: kept})) {
		t.Error("the bundle of a kept generation would go")
	}
	if !removed(diff.Diff(after, n.Actual, diff.Options{})) {
		t.Error("the bundle that nothing needs would stay")
	}
}

func TestVersionsTellContentNotPlace(t *testing.T) {
	t.Parallel()
	desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	moved := desired
	moved.Workloads = map[string]reconcile.Workload{}
	for unit, workload := range desired.Workloads {
		workload.UnitText = "SourcePath=/elsewhere/app.yaml\n" + reconcile.WithoutSource(workload.UnitText)
		moved.Workloads[unit] = workload
	}
	changed := reconciletest.Resolve(t, reconciletest.Container("web", "args: [new]"), reconciletest.Command)
	if history.Versions(moved)[reconciletest.WebObject] != history.Versions(desired)[reconciletest.WebObject] {
		t.Error("a file that was moved is another version")
	}
	if history.Versions(changed)[reconciletest.WebObject] == history.Versions(desired)[reconciletest.WebObject] {
		t.Error("other arguments are the same version")
	}
}

// TestRecordTellsWhatFailedFromWhatDidNotGetSoFar distinguishes objects that are rolled back from objects that are retried.
func TestRecordTellsWhatFailedFromWhatDidNotGetSoFar(t *testing.T) {
	t.Parallel()
	desired := reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("db")+reconciletest.Container("cache"), reconciletest.Command)
	n := reconciletest.NewNode()
	plan := diff.Diff(desired, n.Actual, diff.Options{})
	n.Fail["start web.service"] = errors.New("failed")
	n.Fail["bundle "+desired.Workloads["db.service"].BundleDir] = errors.New("failed")
	n.Desired = desired
	g := history.NewGeneration(1, desired, "", time.Now())
	g.Retry(plan)
	_ = apply.Apply(t.Context(), plan, desired, n.Drivers(), g.Record)
	g.Settle()
	if g.State != history.Incomplete || g.Failed[reconciletest.WebObject] == "" || len(g.Failed) != 1 {
		t.Errorf("state %s, failed %v", g.State, g.Failed)
	}
	if g.Hindered("Container/db") == "" || g.Unconfirmed["Container/cache"] != history.NotConfirmed || len(g.Unconfirmed) != 2 {
		t.Errorf("unproven %v", g.Unconfirmed)
	}
}

// TestRetryKeepsTheReasonOfWhatWaits has a container whose image cannot be pulled yet: the pull, an action of the image, is
// blocked, and the container keeps its reason.
func TestRetryKeepsTheReasonOfWhatWaits(t *testing.T) {
	t.Parallel()
	g := history.Generation{Unconfirmed: map[string]string{reconciletest.WebObject: "pull: disk full", "Container/db": "pull: refused"}}
	g.Retry(reconcile.Plan{Actions: []reconcile.Action{
		{ID: "pull web", Verb: reconcile.PullImage, Object: "localhost/web", Blocked: true},
		{ID: "bundle web", Verb: reconcile.WriteBundle, Object: reconciletest.WebObject, Needs: []string{"pull web"}},
		{ID: "pull db", Verb: reconcile.PullImage, Object: "localhost/db"},
		{ID: "bundle db", Verb: reconcile.WriteBundle, Object: "Container/db", Needs: []string{"pull db"}},
	}})
	want := map[string]string{reconciletest.WebObject: "pull: disk full", "Container/db": history.NotConfirmed}
	if !maps.Equal(g.Unconfirmed, want) {
		t.Errorf("reasons %v, want %v", g.Unconfirmed, want)
	}
}

// TestBackChoosesTheLastStateOfWhatChanged skips generations that equal the newest one, or in which the objects that have changed
// since were not confirmed; objects that never worked do not matter.
func TestBackChoosesTheLastStateOfWhatChanged(t *testing.T) {
	t.Parallel()
	type objects map[string]string // "1", "1!" failed, "1?" was not confirmed
	const never = "Container/never"
	for name, test := range map[string]struct {
		history []objects
		want    int // 0 for none
	}{
		"the one before":                      {[]objects{{reconciletest.WebObject: "1"}, {reconciletest.WebObject: "2"}, {reconciletest.WebObject: "3"}}, 2},
		"one never worked":                    {[]objects{{reconciletest.WebObject: "0"}, {reconciletest.WebObject: "1", never: "1!"}, {reconciletest.WebObject: "2", never: "1!"}, {reconciletest.WebObject: "3", never: "1!"}}, 3},
		"one never worked in any version":     {[]objects{{reconciletest.WebObject: "0"}, {reconciletest.WebObject: "1", never: "1!"}, {reconciletest.WebObject: "2", never: "2!"}}, 1},
		"the one before was not confirmed":    {[]objects{{reconciletest.WebObject: "1"}, {reconciletest.WebObject: "2?"}, {reconciletest.WebObject: "3"}}, 1},
		"the one before failed":               {[]objects{{reconciletest.WebObject: "1"}, {reconciletest.WebObject: "2!"}, {reconciletest.WebObject: "3"}}, 1},
		"the one before is the same":          {[]objects{{reconciletest.WebObject: "1"}, {reconciletest.WebObject: "2"}, {reconciletest.WebObject: "2"}}, 1},
		"what did not work was taken back":    {[]objects{{reconciletest.WebObject: "1"}, {reconciletest.WebObject: "2"}, {reconciletest.WebObject: "3!"}, {reconciletest.WebObject: "2"}}, 1},
		"an object was added":                 {[]objects{{reconciletest.WebObject: "1"}, {reconciletest.WebObject: "1", never: "1"}}, 1},
		"an object is gone":                   {[]objects{{reconciletest.WebObject: "1", never: "1"}, {reconciletest.WebObject: "1"}}, 1},
		"an object is gone that never worked": {[]objects{{reconciletest.WebObject: "1", never: "1!"}, {reconciletest.WebObject: "1"}}, 0},
		"there is one alone":                  {[]objects{{reconciletest.WebObject: "1"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var kept []history.Generation
			for i, versions := range test.history {
				g := history.Generation{Number: i + 1, Manifests: "some", Objects: map[string]history.Version{}, Unconfirmed: map[string]string{}}
				for object, version := range versions {
					g.Objects[object] = history.Version(strings.TrimRight(version, "!?"))
					switch version[len(version)-1] {
					case '!':
						g.Fail(object, "it ended")
					case '?':
						g.Unconfirmed[object] = history.NotConfirmed
					}
				}
				g.Settle()
				kept = slices.Insert(kept, 0, g)
			}
			if got, _ := history.Back(kept); got.Number != test.want {
				t.Errorf("got %d, want %d", got.Number, test.want)
			}
		})
	}
}

// A damaged bundle of one object does not keep another one from its last good version.
func TestALostBundleConcernsItsOwnObject(t *testing.T) {
	t.Parallel()
	text := func(version string) string {
		return reconciletest.Container("db", "args: ["+version+"]") + reconciletest.Container("web", "args: ["+version+"]")
	}
	good, bad := reconciletest.Resolve(t, text("good"), reconciletest.Command), reconciletest.Resolve(t, text("bad"), reconciletest.Command)
	kept := []history.Generation{history.NewGeneration(2, bad, "2", time.Now()), history.NewGeneration(1, good, "1", time.Now())}
	for object := range kept[1].Objects {
		kept[1].Confirm(object)
	}
	kept[1].Settle()
	quarantine := map[string]history.Quarantined{}
	for object, version := range kept[0].Objects {
		quarantine[object] = history.Quarantined{Version: version, Generation: 2}
	}
	db := good.Workloads["db.service"]
	db.Bundle = nil
	good.Workloads["db.service"] = db
	settled, held, failures := history.Settle(bad, quarantine, kept, func(int) (reconcile.Desired, error) { return good, nil })
	if got, want := settled.Workloads["web.service"].BundleDir, good.Workloads["web.service"].BundleDir; got != want {
		t.Errorf("web is %s, want %s", got, want)
	}
	if got, want := settled.Workloads["db.service"].BundleDir, bad.Workloads["db.service"].BundleDir; got != want {
		t.Errorf("db is %s, want %s", got, want)
	}
	if len(held) != 1 || len(failures) != 1 || !strings.Contains(failures[0].Error(), "Container/db: its bundle") {
		t.Errorf("held %v, failures %v", held, failures)
	}
}
