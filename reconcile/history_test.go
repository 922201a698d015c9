package reconcile_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// draft is one container as a history draws it, and the behaviour of its version.
type draft struct {
	version int
	behaviour
}

// text is its manifest. Versions of the same number are the same.
func (d draft) text(name string) string {
	return strings.Replace(reconciletest.Container(name, "hostNetwork: true", fmt.Sprintf("args: ['%d']", d.version)),
		"example.com/app:1", fmt.Sprintf("%s.example.com/app:%d", name, d.version), 1)
}

// drawDraft draws a new version, and its behaviour.
func drawDraft(t *rapid.T, name string, version int) draft {
	d := draft{version, behaviour{start: time.Second, stop: time.Second}}
	switch rapid.IntRange(0, 5).Draw(t, fmt.Sprintf("%s %d", name, version)) {
	case 0:
		d.broken = true
	case 1:
		d.neverReady = true
	case 2:
		d.stop = 40 * time.Second
	case 3:
		d.start = 30 * time.Second
	}
	return d
}

// chronicle is a simulation with the containers that it is to run.
type chronicle struct {
	*simulation
	t         *rapid.T
	drafts    map[string]draft
	behaviors map[string]behaviour // by bundle
	objects   []object.Object
	digest    string
	down      map[string]bool            // registries that do not answer, by container
	confirmed map[string]map[string]bool // bundles that were confirmed, by unit
}

func newChronicle(t *rapid.T) *chronicle {
	h := &chronicle{simulation: newSimulation(), t: t, drafts: map[string]draft{}, behaviors: map[string]behaviour{}, down: map[string]bool{}, confirmed: map[string]map[string]bool{}}
	h.available = func(reference string) bool {
		name, _, _ := strings.Cut(reference, ".")
		return !h.down[name]
	}
	h.behave = func(_, dir string) behaviour { return h.behaviors[dir] }
	return h
}

// edit writes the manifests of the drafts.
func (h *chronicle) edit() {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(h.drafts)) {
		text += h.drafts[name].text(name)
	}
	set := manifests.Load([]manifests.File{{Path: "/app.yaml", Text: []byte(text)}}, manifests.Options{})
	if err := set.Diagnostics.Err(); err != nil {
		h.t.Fatal(err)
	}
	h.objects, h.digest = set.Objects, text
	for unit, workload := range h.whole().Workloads {
		h.behaviors[workload.BundleDir] = h.drafts[strings.TrimSuffix(unit, ".service")].behaviour
	}
}

// whole is the desired state if all registries answer.
func (h *chronicle) whole() reconcile.Desired {
	return resolve.Resolve(resolve.Input{Objects: h.objects, Images: reconciletest.Resolved(h.objects, reconciletest.Command), Node: reconciletest.TestNode})
}

// advance lets seconds pass, with a pass after each at first, and seldom later.
func (h *chronicle) advance(seconds int) {
	for second := range seconds {
		if second < 5 || second%10 == 0 {
			h.pass(h.objects, h.digest)
			h.noteConfirmed()
		}
		h.tick()
	}
	h.pass(h.objects, h.digest)
	h.noteConfirmed()
}

// TestNoObjectWaitsForAnother edits one container after the other, while registries of others do not answer
// and versions of others never get ready, crash, stop slowly or start slowly. An edit takes as long as the
// container's own stop and start, and nothing else is restarted.
//
// fault: random edits beside registries that do not answer, versions that do not work, slow starts and stops | each edit takes as long as by itself
func TestNoObjectWaitsForAnother(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newChronicle(t)
		names := []string{"a", "b", "c", "d", "e"}
		for version := range rapid.IntRange(3, 8).Draw(t, "edits") {
			name := rapid.SampledFrom(names).Draw(t, "name")
			for _, other := range names {
				h.down[other] = other != name && rapid.IntRange(0, 2).Draw(t, other+" is down") == 0
			}
			stop := h.behave("", h.Actual.Workloads[name+".service"].RunningDir).stop
			if rapid.IntRange(0, 5).Draw(t, "remove") == 0 {
				delete(h.drafts, name)
			} else {
				h.drafts[name] = drawDraft(t, name, version)
			}
			h.edit()
			before, unit := len(h.Calls), name+".service"
			h.advance(int((stop+h.drafts[name].start)/time.Second) + 4)
			h.checkEdited(unit)
			for _, call := range h.Calls[before:] {
				if verb, target, _ := strings.Cut(call, " "); (verb == "restart" || verb == "stop") && target != unit && !h.mayMove(target) {
					t.Fatalf("%s for an edit of %s", call, name)
				}
			}
		}
	})
}

// checkEdited checks that an edit has reached the node.
func (h *chronicle) checkEdited(unit string) {
	h.t.Helper()
	current, exists := h.Actual.Workloads[unit]
	workload, wanted := h.whole().Workloads[unit]
	behaves := h.behaviors[workload.BundleDir]
	switch {
	case !wanted && exists:
		h.t.Fatalf("%s is still there: %s %s", unit, current.Active, current.Job)
	case wanted && !behaves.broken && !behaves.neverReady && !current.IsSettled(workload):
		h.t.Fatalf("%s is %s %s %s, wanted %s", unit, current.Active, current.Job, current.RunningDir, workload.BundleDir)
	}
}

// mayMove reports whether a unit may be restarted though its manifest did not change: its change is under
// way, or is taken back.
func (h *chronicle) mayMove(unit string) bool {
	object := "Container/" + strings.TrimSuffix(unit, ".service")
	workload, wanted := h.whole().Workloads[unit]
	behaves := h.behaviors[workload.BundleDir]
	return !wanted || behaves.broken || behaves.neverReady || h.kept[0].Unconfirmed[object] != "" || len(h.kept[0].Waiting) > 0 ||
		slices.ContainsFunc(h.kept[1:], func(g history.Generation) bool { return slices.Contains(g.Waiting, object) })
}

// TestHistoriesConverge walks through random histories of manifests, of which some versions do not work,
// beside registries that come and go, and lets time pass at the end: what works runs as it is wanted, what
// does not runs in a version that was confirmed where there is one, and nothing is left to do.
//
// fault: random histories of manifests, some of which do not work | every version that ever worked runs; a second pass has nothing to do
func TestHistoriesConverge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newChronicle(t)
		names := []string{"a", "b", "c", "d"}
		for version := range rapid.IntRange(2, 8).Draw(t, "edits") {
			for _, name := range names {
				switch rapid.IntRange(0, 4).Draw(t, "change "+name) {
				case 0:
					delete(h.drafts, name)
				case 1, 2:
					h.drafts[name] = drawDraft(t, name, version)
				}
				h.down[name] = rapid.IntRange(0, 2).Draw(t, name+" is down") == 0
			}
			h.edit()
			h.advance(rapid.SampledFrom([]int{0, 1, 3, 20, 150}).Draw(t, "seconds"))
		}
		clear(h.down)
		h.advance(300)
		for unit, workload := range h.whole().Workloads {
			current, behaves := h.Actual.Workloads[unit], h.behaviors[workload.BundleDir]
			switch works := !behaves.broken && !behaves.neverReady; {
			case works && !current.IsSettled(workload):
				t.Fatalf("%s works and is %s %s: %v", unit, current.Active, current.RunningDir, h.kept[0].Failed)
			case !works && len(h.confirmed[unit]) > 0 && !h.confirmed[unit][current.RunningDir]:
				t.Fatalf("%s worked as %v and is %s %s: %v", unit, h.confirmed[unit], current.Active, current.RunningDir, h.kept[0].Failed)
			}
		}
		if rest := h.pass(h.objects, h.digest); !rest.Empty() {
			t.Fatalf("there is still to do: %v", reconciletest.Verbs(rest))
		}
		if len(h.Actual.Workloads) != len(h.whole().Workloads) {
			t.Fatalf("there are %v", slices.Sorted(maps.Keys(h.Actual.Workloads)))
		}
	})
}

// noteConfirmed records the bundles that were confirmed. Those that were removed since do not count any more.
func (h *chronicle) noteConfirmed() {
	confirmed := h.confirmed
	for unit := range confirmed {
		if _, exists := h.Actual.Workloads[unit]; !exists {
			delete(confirmed, unit)
		}
	}
	for unit, current := range h.Actual.Workloads {
		object := current.Ref.String()
		if len(h.kept) == 0 || !h.kept[0].Works(object) || current.RunningDir == "" || current.RunningDir != h.states[h.kept[0].Number].Workloads[unit].BundleDir {
			continue
		}
		if confirmed[unit] == nil {
			confirmed[unit] = map[string]bool{}
		}
		confirmed[unit][current.RunningDir] = true
	}
}

// application is a set of manifests that works.
func application() string {
	var text strings.Builder
	for i := range 12 {
		text.WriteString(reconciletest.Container(fmt.Sprintf("app-%d", i), fmt.Sprintf("env: [{name: NUMBER, value: '%d'}]", i), "args: [serve]"))
	}
	text.WriteString(reconciletest.Container("web", "ports: [{containerPort: 80, hostPort: 8080}]", "dependsOn: [{name: app-1, condition: Ready}]"))
	text.WriteString(reconciletest.Container("db", "volumeMounts: [{name: data, mountPath: /data}]", "networks: [{name: lab}]"))
	text.WriteString(reconciletest.Header + "Volume\nmetadata: {name: data}\n---\n")
	text.WriteString(reconciletest.Header + "Network\nmetadata: {name: lab}\nspec: {subnets: [{subnet: 10.77.0.0/24}]}\n---\n")
	text.WriteString(reconciletest.Header + "Pod\nmetadata: {name: pod}\nspec:\n  containers:\n  - {name: a, image: example.com/app:1}\n  - {name: b, image: example.com/app:1}\n")
	return text.String()
}

// mutate changes a text as editors, copies, merges and accidents do.
func mutate(text string, random *rand.Rand) string {
	lines := strings.SplitAfter(text, "\n")
	line, other, at := random.IntN(len(lines)), random.IntN(len(lines)), random.IntN(len(text))
	switch random.IntN(8) {
	case 0:
		return text[:at] // half written
	case 1:
		return strings.Join(slices.Delete(slices.Clone(lines), line, line+1), "")
	case 2:
		return strings.Join(slices.Insert(slices.Clone(lines), line, lines[other]), "")
	case 3:
		lines[line], lines[other] = lines[other], lines[line]
		return strings.Join(lines, "")
	case 4:
		return text[:at] + string(rune(32+random.IntN(95))) + text[at+1:]
	case 5:
		return text[:at] + text[min(at+random.IntN(200), len(text)):]
	case 6:
		return text[:at] + "\t" + text[at:]
	default:
		return text[at:] + text[:at]
	}
}

var mutations = flag.Int("mutations", 1_000, "how many mutations of manifests are applied")

// TestMutationsStopNoService applies thousands of mutations of manifests that work, none of which has
// stood for so long that anything may be removed for it, and no new version of which works: whatever
// they say, all that ran runs as it did.
//
// fault: thousands of random changes to manifests that work | no service stops
func TestMutationsStopNoService(t *testing.T) {
	t.Parallel()
	objects := loadWhatCanBe(application())
	s := newSimulation()
	base := s.desire(objects)
	s.available, s.steady = func(reference string) bool { return reference == "example.com/app:1" }, true
	s.behave = func(unit, dir string) behaviour {
		return behaviour{broken: dir != "" && base.Workloads[unit].BundleDir != dir}
	}
	settle := func(objects []object.Object, digest string) {
		for range 4 {
			s.pass(objects, digest)
			s.tick()
		}
	}
	for range 10 {
		settle(objects, "base")
	}
	if stopped := s.stopped(base); len(stopped) > 0 {
		t.Fatalf("to begin with: %v", stopped)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range *mutations {
		text := mutate(application(), random)
		s.hold = "the directory has only just changed"
		settle(loadWhatCanBe(text), text)
		if stopped := s.stopped(base); len(stopped) > 0 {
			t.Fatalf("mutation %d stopped services: %v\n%s", i, stopped, text)
		}
		// After some time the objects that the mutation added are removed.
		s.hold = ""
		settle(objects, "base")
	}
}

// loadWhatCanBe loads the readable documents of a text.
func loadWhatCanBe(text string) []object.Object {
	return manifests.Load([]manifests.File{{Path: "/app.yaml", Text: []byte(text)}}, manifests.Options{}).Objects
}

// stopped lists those units of a state that do not run as it has them, and are not about to.
func (s *simulation) stopped(state reconcile.Desired) []string {
	var stopped []string
	for unit, workload := range state.Workloads {
		current := s.Actual.Workloads[unit]
		if workload.Bundle != nil && (current.Active != "active" || current.RunningDir != workload.BundleDir) {
			stopped = append(stopped, fmt.Sprintf("%s is %s %s", unit, current.Active, current.RunningDir))
		}
	}
	slices.Sort(stopped)
	return stopped
}
