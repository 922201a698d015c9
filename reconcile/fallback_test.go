package reconcile

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// history makes generations of one object, the newest one first, from the versions it had, the oldest
// one first; one that ends in '!' failed, one that ends in '?' was not shown to work.
func history(versions ...string) []Generation {
	var kept []Generation
	for i, version := range versions {
		g := Generation{Number: i + 1, State: Applied, Objects: map[string]Version{}}
		switch last := version[len(version)-1]; last {
		case '!':
			version = version[:len(version)-1]
			g.Fail(webObject, "it ended")
		case '?':
			version = version[:len(version)-1]
			set(&g.Unconfirmed, webObject, "it was not waited for")
		}
		g.Objects[webObject] = Version(version)
		kept = append([]Generation{g}, kept...)
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
			kept := history(test.versions...)
			_, got := newlyFailed(kept[0], kept[1:], time.Now())[webObject]
			if got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestFallsBackToTheGenerationThatBroughtIt keeps what people are told the same while other objects
// bring new generations about.
func TestFallsBackToTheGenerationThatBroughtIt(t *testing.T) {
	t.Parallel()
	desired := resolve(t, container("web"), command)
	version := Versions(desired)[webObject]
	kept := history("zero", "one", "one", string(version)+"!", "one", "one")
	got := fallbacks(desired, map[string]Quarantined{webObject: {Version: version, Reason: "it ended"}}, kept)
	if diff := cmp.Diff([]fallback{{Object: webObject, Generation: 2, Reason: "it ended"}}, got); diff != "" {
		t.Error(diff)
	}
	// Another version is not held up by what that one did.
	if got := fallbacks(desired, map[string]Quarantined{webObject: {Version: "other"}}, kept); got != nil {
		t.Errorf("falls back to %v", got)
	}
}

// TestWaitsInTheVersionThatIsInPlace keeps what runs while the next version is not possible, and not what was
// wanted in between and never begun.
func TestWaitsInTheVersionThatIsInPlace(t *testing.T) {
	t.Parallel()
	earlier := map[int]Desired{}
	var kept []Generation
	for i, version := range []string{"one", "two", "three"} {
		earlier[i+1] = resolve(t, container("web", "args: ["+version+"]"), command)
		g := NewGeneration(i+1, earlier[i+1], version, time.Now())
		g.Inherit(kept)
		if version == "one" {
			g.Record(Event{Action: Action{Verb: WriteUnit, Object: webObject, Target: "web.service"}, Status: Begun})
		}
		kept = append([]Generation{g}, kept...)
	}
	desired := resolve(t, container("db"), command)
	desired.Problems = []Problem{{Ref: earlier[1].Workloads["web.service"].Ref, Err: Waiting{For: "an answer"}}}
	of := func(kept []Generation) string {
		settled, _, _ := Settle(desired, nil, kept, func(number int) (Desired, error) { return earlier[number], nil })
		return settled.Workloads["web.service"].BundleDir
	}
	if got, want := of(kept), earlier[1].Workloads["web.service"].BundleDir; got != want {
		t.Errorf("waits in %q, want the one in place, %q", got, want)
	}
	kept[0].Record(Event{Action: Action{Verb: Restart, Object: webObject, Target: "web.service"}, Status: Begun})
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
	earlier := resolve(t, container("web")+container("db"), command)
	desired := resolve(t, container("web", "hostNetwork: true")+container("db", "args: [new]"), command)
	got := fallBack(desired, map[string]bool{webObject: true}, earlier)
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
	n := newNode()
	n.mustApply(t, got)
	if rest := Diff(got, n.actual, Options{}); !rest.Empty() {
		t.Errorf("a second apply would still do %v", verbs(rest))
	}
}

// TestWhatIsKeptIsNotPruned keeps what an earlier generation needs, and removes it with that.
func TestWhatIsKeptIsNotPruned(t *testing.T) {
	t.Parallel()
	before := resolve(t, container("web"), command)
	after := resolve(t, container("web", "args: [new]"), command)
	n := newNode()
	n.mustApply(t, before)
	kept := []Generation{NewGeneration(1, before, "", time.Now())}
	n.desired = after
	removed := func(plan Plan) bool {
		for _, action := range plan.Actions {
			if action.Verb == RemoveBundle && action.Target == before.Workloads["web.service"].BundleDir {
				return true
			}
		}
		return false
	}
	if removed(Diff(after, n.actual, Options{Kept: kept})) {
		t.Error("the bundle of a kept generation would go")
	}
	if !removed(Diff(after, n.actual, Options{})) {
		t.Error("the bundle that nothing needs would stay")
	}
}

func TestVersionsTellContentNotPlace(t *testing.T) {
	t.Parallel()
	desired := resolve(t, container("web"), command)
	moved := desired
	moved.Workloads = map[string]Workload{}
	for unit, workload := range desired.Workloads {
		workload.UnitText = "SourcePath=/elsewhere/app.yaml\n" + withoutSource(workload.UnitText)
		moved.Workloads[unit] = workload
	}
	changed := resolve(t, container("web", "args: [new]"), command)
	if Versions(moved)[webObject] != Versions(desired)[webObject] {
		t.Error("a file that was moved is another version")
	}
	if Versions(changed)[webObject] == Versions(desired)[webObject] {
		t.Error("other arguments are the same version")
	}
}

// TestRecordTellsWhatFailedFromWhatDidNotGetSoFar decides what is taken back and what is tried again.
func TestRecordTellsWhatFailedFromWhatDidNotGetSoFar(t *testing.T) {
	t.Parallel()
	desired := resolve(t, container("web")+container("db")+container("cache"), command)
	n := newNode()
	plan := Diff(desired, n.actual, Options{})
	n.fail["start web.service"] = errors.New("failed")
	n.fail["bundle "+desired.Workloads["db.service"].BundleDir] = errors.New("failed")
	n.desired = desired
	g := NewGeneration(1, desired, "", time.Now())
	g.Retry(plan)
	_ = Apply(t.Context(), plan, desired, n.drivers(), g.Record)
	g.Settle()
	if g.State != Incomplete || g.Failed[webObject] == "" || len(g.Failed) != 1 {
		t.Errorf("state %s, failed %v", g.State, g.Failed)
	}
	if g.Hindered("Container/db") == "" || g.Unconfirmed["Container/cache"] != notConfirmed || len(g.Unconfirmed) != 2 {
		t.Errorf("unproven %v", g.Unconfirmed)
	}
}

// TestRetryKeepsTheReasonOfWhatWaits has a container whose image cannot be pulled yet: the pull is blocked, which
// is an action of the image, and what needs it keeps its reason.
func TestRetryKeepsTheReasonOfWhatWaits(t *testing.T) {
	t.Parallel()
	g := Generation{Unconfirmed: map[string]string{webObject: "pull: disk full", "Container/db": "pull: refused"}}
	g.Retry(Plan{Actions: []Action{
		{ID: "pull web", Verb: PullImage, Object: "localhost/web", Blocked: true},
		{ID: "bundle web", Verb: WriteBundle, Object: webObject, Needs: []string{"pull web"}},
		{ID: "pull db", Verb: PullImage, Object: "localhost/db"},
		{ID: "bundle db", Verb: WriteBundle, Object: "Container/db", Needs: []string{"pull db"}},
	}})
	want := map[string]string{webObject: "pull: disk full", "Container/db": notConfirmed}
	if !maps.Equal(g.Unconfirmed, want) {
		t.Errorf("reasons %v, want %v", g.Unconfirmed, want)
	}
}

// TestBackChoosesTheLastStateOfWhatChanged goes back over generations that are as the newest one, or whose versions
// of what changed since were not confirmed, whatever objects that never worked say.
func TestBackChoosesTheLastStateOfWhatChanged(t *testing.T) {
	t.Parallel()
	type objects map[string]string // "1", "1!" failed, "1?" was not confirmed
	const never = "Container/never"
	for name, test := range map[string]struct {
		history []objects
		want    int // 0 for none
	}{
		"the one before":                      {[]objects{{webObject: "1"}, {webObject: "2"}, {webObject: "3"}}, 2},
		"one never worked":                    {[]objects{{webObject: "0"}, {webObject: "1", never: "1!"}, {webObject: "2", never: "1!"}, {webObject: "3", never: "1!"}}, 3},
		"one never worked in any version":     {[]objects{{webObject: "0"}, {webObject: "1", never: "1!"}, {webObject: "2", never: "2!"}}, 1},
		"the one before was not confirmed":    {[]objects{{webObject: "1"}, {webObject: "2?"}, {webObject: "3"}}, 1},
		"the one before failed":               {[]objects{{webObject: "1"}, {webObject: "2!"}, {webObject: "3"}}, 1},
		"the one before is the same":          {[]objects{{webObject: "1"}, {webObject: "2"}, {webObject: "2"}}, 1},
		"what did not work was taken back":    {[]objects{{webObject: "1"}, {webObject: "2"}, {webObject: "3!"}, {webObject: "2"}}, 1},
		"an object was added":                 {[]objects{{webObject: "1"}, {webObject: "1", never: "1"}}, 1},
		"an object is gone":                   {[]objects{{webObject: "1", never: "1"}, {webObject: "1"}}, 1},
		"an object is gone that never worked": {[]objects{{webObject: "1", never: "1!"}, {webObject: "1"}}, 0},
		"there is one alone":                  {[]objects{{webObject: "1"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var kept []Generation
			for i, versions := range test.history {
				g := Generation{Number: i + 1, Manifests: "some", Objects: map[string]Version{}}
				for object, version := range versions {
					g.Objects[object] = Version(strings.TrimRight(version, "!?"))
					switch version[len(version)-1] {
					case '!':
						g.Fail(object, "it ended")
					case '?':
						set(&g.Unconfirmed, object, notConfirmed)
					}
				}
				g.Settle()
				kept = slices.Insert(kept, 0, g)
			}
			if got, _ := Back(kept); got.Number != test.want {
				t.Errorf("got %d, want %d", got.Number, test.want)
			}
		})
	}
}

// A damaged bundle of one object does not keep another one from its last good version.
func TestALostBundleConcernsItsOwnObject(t *testing.T) {
	t.Parallel()
	text := func(version string) string {
		return container("db", "args: ["+version+"]") + container("web", "args: ["+version+"]")
	}
	good, bad := resolve(t, text("good"), command), resolve(t, text("bad"), command)
	kept := []Generation{NewGeneration(2, bad, "2", time.Now()), NewGeneration(1, good, "1", time.Now())}
	for object := range kept[1].Objects {
		kept[1].Confirm(object)
	}
	kept[1].Settle()
	quarantine := map[string]Quarantined{}
	for object, version := range kept[0].Objects {
		quarantine[object] = Quarantined{Version: version, Generation: 2}
	}
	db := good.Workloads["db.service"]
	db.Bundle = nil
	good.Workloads["db.service"] = db
	settled, held, failures := Settle(bad, quarantine, kept, func(int) (Desired, error) { return good, nil })
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
