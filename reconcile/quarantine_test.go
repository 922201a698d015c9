package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

const together = "updatePolicy: {minReadySeconds: 2, progressDeadlineSeconds: 5, atomic: Set}"

// story is a simulation in which the arguments of containers decide their behaviour.
type story struct {
	*simulation
	t       *testing.T
	objects []object.Object
	text    string
	never   map[string]bool // bundles that are never ready
}

func newStory(t *testing.T) *story {
	s := &story{simulation: newSimulation(), t: t, never: map[string]bool{}}
	s.behave = func(_, dir string) behaviour {
		return behaviour{start: time.Second, stop: time.Second, neverReady: s.never[dir]}
	}
	return s
}

// edit writes manifests and lets the seconds pass. Containers whose argument is "never" do not get ready.
func (s *story) edit(text string, seconds int) {
	s.t.Helper()
	set := manifests.Load([]manifests.File{{Path: "/app.yaml", Text: []byte(text)}}, manifests.Options{})
	s.objects, s.text, s.hold = set.Objects, text, ""
	if !set.Complete() {
		s.hold = "a manifest has errors"
	}
	for _, workload := range s.desire(s.objects).Workloads {
		if workload.Bundle != nil && strings.HasPrefix(strings.Join(workload.Bundle.Spec.Process.Args, " "), "never") {
			s.never[workload.BundleDir] = true
		}
	}
	s.advance(seconds)
}

func (s *story) advance(seconds int) {
	s.t.Helper()
	for range seconds {
		s.pass(s.objects, s.text)
		s.tick()
	}
	s.pass(s.objects, s.text)
}

// check compares the arguments of the running containers, such as "web 1".
func (s *story) check(when string, want map[string]string) {
	s.t.Helper()
	for name, args := range want {
		current := s.Actual.Workloads[name+".service"]
		got := string(current.Active)
		if current.Bundle != nil && (current.RunningDir == current.BundleDir || got != "active") {
			got = strings.Join(current.Bundle.Spec.Process.Args, " ")
		}
		if got != args {
			s.t.Errorf("%s: %s is %q, want %q", when, name, got, args)
		}
	}
}

// app is a container with an argument, and more lines of its specification.
func app(name, arg string, more ...string) string {
	return reconciletest.Container(name, append(more, "hostNetwork: true", fmt.Sprintf("command: ['%s']", arg))...)
}

// TestASetIsTakenBackAlone rolls back the objects that ask to be rolled back with a change that does not work, and leaves all
// others as the manifests have them. An edit of the failed object has the others tried again.
func TestASetIsTakenBackAlone(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.edit(app("a", "1", together)+app("b", "1", together)+app("long", "1", together)+app("other", "1"), 20)
	s.edit(app("a", "1", together)+app("b", "1", together)+app("long", "2", together)+app("other", "1"), 20)
	last := app("long", "2", together) + app("other", "2") +
		app("new", "1", "volumeMounts: [{name: data, mountPath: /data}]") + dataVolume + app("member", "1", together)
	s.edit(app("a", "2", together)+app("b", "never", together)+last, 30)
	want := map[string]string{"a": "1", "b": "1", "long": "2", "other": "2", "new": "1", "member": "1"}
	s.check("b does not work", want)
	if _, exists := s.Actual.Volumes["data"]; !exists {
		t.Error("the data of what is new is gone")
	}
	s.edit(app("a", "2", together)+app("b", "3", together)+last, 30)
	want["a"], want["b"] = "2", "3"
	s.check("b works", want)
}

// TestAQuarantineEndsWithItsCause tries a version again that did not work, once the manifests had another one or
// none, and not before.
func TestAQuarantineEndsWithItsCause(t *testing.T) {
	t.Parallel()
	const soon = "updatePolicy: {minReadySeconds: 2, progressDeadlineSeconds: 5}"
	bad := app("web", "never", soon) + app("other", "1")
	for name, test := range map[string]struct {
		between string // the manifests in between
		again   bool
	}{
		"the version before":           {app("web", "1", soon) + app("other", "1"), true},
		"a third one":                  {app("web", "3", soon) + app("other", "1"), true},
		"the object is gone":           {app("other", "1"), true},
		"another object has changed":   {app("web", "never", soon) + app("other", "2"), false},
		"a manifest cannot be read":    {app("other", "1") + "kind: {\n---\n", false},
		"its registry does not answer": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			s.edit(app("web", "1", soon)+app("other", "1"), 20)
			s.edit(bad, 20)
			if len(s.quarantine) != 1 {
				t.Fatalf("in quarantine: %v", s.quarantine)
			}
			if test.between == "" {
				s.available = func(reference string) bool { return false }
				s.advance(20)
				s.available = func(string) bool { return true }
			} else {
				s.edit(test.between, 20)
			}
			clear(s.never) // the cause lay outside
			s.behave = func(string, string) behaviour { return behaviour{start: time.Second, stop: time.Second} }
			s.edit(bad, 20)
			if test.again {
				s.check("now it would work", map[string]string{"web": "never"})
			} else {
				s.check("it is not tried again", map[string]string{"web": "1"})
			}
		})
	}
}

// TestWhatWorkedLastIsKept goes back over any number of edits that came before anything was confirmed.
//
// fault: more edits than generations are kept within one probation, and then a bad one | the version that worked last runs again
func TestWhatWorkedLastIsKept(t *testing.T) {
	t.Parallel()
	const late = "updatePolicy: {minReadySeconds: 30, progressDeadlineSeconds: 5}"
	for most := 1; most <= 3; most++ {
		t.Run(fmt.Sprintf("generations: %d", most), func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			s.most = most
			s.edit(app("web", "0", late)+app("other", "0"), 40)
			for edit := range 5 {
				s.edit(app("web", fmt.Sprint(edit+1), late)+app("other", fmt.Sprint(edit)), 4)
			}
			s.edit(app("web", "never", late)+app("other", "0"), 60)
			s.check("after a bad edit", map[string]string{"web": "0", "other": "0"})
			if len(s.kept) > most+2 {
				t.Errorf("%d generations are kept", len(s.kept))
			}
		})
	}
}

// TestWhatWorkedLastOutlivesAnError keeps it also while the manifest of an object cannot be read, and others are edited.
func TestWhatWorkedLastOutlivesAnError(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.most = 1
	s.edit(app("web", "0", together)+app("other", "0"), 20)
	for edit := range 3 {
		s.edit(app("other", fmt.Sprint(edit+1))+reconciletest.Header+"Container\nmetadata: {name: web}\nspec: {imag: wrong}\n---\n", 20)
	}
	s.edit(app("web", "never", together)+app("other", "3"), 40)
	s.check("after a bad edit", map[string]string{"web": "0", "other": "3"})
}

// TestResumeTriesAgain suspends a change while it fails, and resumes it when the obstacle is gone.
func TestResumeTriesAgain(t *testing.T) {
	t.Parallel()
	const soon = "updatePolicy: {minReadySeconds: 2, progressDeadlineSeconds: 5}"
	for name, fails := range map[string]behaviour{
		"it never gets ready":  {start: time.Second, stop: time.Second, neverReady: true},
		"it ends at its start": {start: time.Second, stop: time.Second, broken: true},
	} {
		for _, mended := range []bool{true, false} {
			if fails.neverReady && mended {
				continue // its time is over
			}
			t.Run(fmt.Sprintf("%s, and is mended: %v", name, mended), func(t *testing.T) {
				t.Parallel()
				s := newStory(t)
				s.edit(app("web", "1", soon), 20)
				works, good := s.behave, s.Actual.Workloads["web.service"].RunningDir
				s.behave = func(unit, dir string) behaviour {
					if dir == good {
						return works(unit, dir)
					}
					return fails
				}
				s.edit(app("web", "2", soon), 1)
				s.suspended = map[string]string{reconciletest.WebObject: "suspended"}
				s.advance(20)
				s.check("suspended", map[string]string{"web": "2"})
				want := "1"
				if mended {
					s.behave, want = works, "2"
				}
				s.suspended = nil
				clear(s.quarantine)
				s.kept[0].Reconsider(s.states[s.kept[0].Number], "")
				s.advance(30)
				s.check("resumed", map[string]string{"web": want})
				if !s.kept[0].Works(reconciletest.WebObject) {
					t.Errorf("web is not confirmed: %s", s.kept[0].Summary())
				}
			})
		}
	}
}

// TestOnlyWhatIsWantedIsTriedAgain leaves a version alone that failed and is not wanted any more.
func TestOnlyWhatIsWantedIsTriedAgain(t *testing.T) {
	t.Parallel()
	bad, good := reconciletest.Resolve(t, reconciletest.Container("web", "args: [bad]"), reconciletest.Command), reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	n := reconciletest.NewNode()
	n.MustApply(t, bad)
	current := n.Actual.Workloads["web.service"]
	current.Active, current.Sub = "activating", "auto-restart"
	n.Actual.Workloads["web.service"] = current
	for name, test := range map[string]struct {
		desired reconcile.Desired
		want    bool
	}{
		"it is wanted":      {bad, true},
		"it was taken back": {good, false},
	} {
		g := history.NewGeneration(1, bad, "", time.Now())
		g.Fail(reconciletest.WebObject, "it ended")
		if got := g.TryAgain(test.desired, n.Actual); got != test.want {
			t.Errorf("%s: tried again: %v", name, got)
		}
	}
}

// TestAnOwedStartIsNotSystemdsNextTry starts a unit that is to be tried again, also while systemd tries by itself.
func TestAnOwedStartIsNotSystemdsNextTry(t *testing.T) {
	t.Parallel()
	for restarts, want := range map[int][]string{0: {}, 1: {"restart Container/web"}} {
		n := reconciletest.NewNode()
		desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
		n.MustApply(t, desired)
		current := n.Actual.Workloads["web.service"]
		current.Active, current.Sub, current.Job, current.Run = "activating", "start", "start", &reconcile.Run{Restarts: restarts}
		n.Actual.Workloads["web.service"] = current
		g := history.Generation{Owed: map[string]string{"web.service": ""}}
		if g.Arrived(desired, n.Actual); (len(g.Owed) == 0) != (restarts == 0) {
			t.Errorf("%d restarts: owed are %v", restarts, g.Owed)
		}
		if got := reconciletest.Verbs(diff.Diff(desired, n.Actual, diff.Options{Owed: map[string]string{"web.service": ""}})); !slices.Equal(got, want) {
			t.Errorf("%d restarts: %v, want %v", restarts, got, want)
		}
	}
}

// TestAWaitEndsWithItsEdit has an edit wait for a registry that does not answer, and takes it back: nothing waits any
// more, and the generation is one to go back to.
func TestAWaitEndsWithItsEdit(t *testing.T) {
	t.Parallel()
	const soon = "updatePolicy: {minReadySeconds: 2, progressDeadlineSeconds: 5}"
	elsewhere := strings.Replace(app("web", "1", soon), "example.com/app:1", "elsewhere.example.com/app:1", 1)
	s := newStory(t)
	s.available = func(reference string) bool { return !strings.HasPrefix(reference, "elsewhere") }
	s.edit(app("web", "1", soon)+app("other", "1", soon), 10)
	s.edit(elsewhere+app("other", "2", soon), 10)
	if g := s.kept[0]; g.State != history.Applying || !slices.Contains(g.Waiting, reconciletest.WebObject) {
		t.Fatalf("web does not wait: %s, %s", g.State, g.Summary())
	}
	s.edit(app("web", "1", soon)+app("other", "2", soon), 10)
	if g := s.kept[0]; g.State != history.Applied || len(g.Waiting) > 0 {
		t.Errorf("generation %d is %s: %s", g.Number, g.State, g.Summary())
	}
	// A registry that does not answer while the edit exists is waited for.
	s.edit(elsewhere+app("other", "3", soon), 10)
	if g := s.kept[0]; g.State != history.Applying || !slices.Contains(g.Waiting, reconciletest.WebObject) {
		t.Errorf("web does not wait: %s, %s", g.State, g.Summary())
	}
}
