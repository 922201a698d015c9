package reconcile

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/davit-project/davit/manifests"
)

// machine is a simulated node with a history. It walks through passes as the agent does.
type machine struct {
	*node
	kept       []Generation
	states     map[int]Desired
	quarantine map[string]Quarantined
	// broken says which versions of a unit do not start.
	broken func(unit string, workload Workload) bool
}

func newMachine(broken func(string, Workload) bool) *machine {
	return &machine{node: newNode(), states: map[int]Desired{}, quarantine: map[string]Quarantined{}, broken: broken}
}

// settle puts what worked before in the place of what did not.
func (m *machine) settle(desired Desired) Desired {
	for _, fallback := range Fallbacks(desired, m.quarantine, m.kept) {
		desired = FallBack(desired, map[string]bool{fallback.Object: true}, m.states[fallback.Generation])
	}
	return desired
}

// pass makes the node what is desired, and takes back what does not work.
func (m *machine) pass(desired Desired, options Options) {
	m.calls = nil
	for range 3 {
		settled := m.settle(desired)
		options.Kept = m.kept
		plan := Diff(settled, m.actual, options)
		if plan.Empty() {
			return
		}
		generation := NewGeneration(len(m.states)+1, settled, "", time.Unix(0, 0))
		generation.Inherit(m.kept)
		generation.Retry(plan)
		m.desired, m.fail = settled, map[string]error{}
		broken := map[string]bool{}
		for unit, workload := range settled.Workloads {
			if m.broken(unit, workload) {
				m.fail["start "+unit], m.fail["restart "+unit] = errors.New("broken"), errors.New("broken")
				broken[workload.Ref.String()] = true
			}
		}
		for unit, spare := range settled.Spares {
			if broken[spare.Ref.String()] {
				m.fail["start "+unit], m.fail["restart "+unit] = errors.New("broken"), errors.New("broken")
			}
		}
		_ = Apply(context.Background(), plan, settled, m.drivers(), func(event Event) {
			generation.Record(event)
			m.restarting(event)
		})
		for object, verdict := range Judge(settled, m.actual, generation.Unconfirmed, time.Unix(0, 0)) {
			if verdict.Progress == Confirmed {
				generation.Confirm(object)
			}
		}
		generation.Settle()
		bad := NewlyFailed(generation, m.kept, time.Unix(0, 0))
		m.states[generation.Number] = settled
		m.kept = append([]Generation{generation}, m.kept...)
		for object, quarantined := range bad {
			m.quarantine[object] = quarantined
		}
		if len(bad) == 0 {
			return
		}
	}
}

// restarting is what systemd makes of a container that does not start.
func (m *machine) restarting(event Event) {
	if event.Status != Failed || event.Action.Verb != Start && event.Action.Verb != Restart {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	current := m.actual.Workloads[event.Action.Target]
	current.Active, current.Sub, current.RunningDir = "activating", "auto-restart", ""
	m.actual.Workloads[event.Action.Target] = current
}

// stopped lists those units of a state that do not run as it has them.
func (m *machine) stopped(state Desired) []string {
	var stopped []string
	for unit, workload := range state.Workloads {
		current := m.actual.Workloads[unit]
		if workload.Bundle != nil && (current.Active != "active" || current.RunningDir != workload.BundleDir) {
			stopped = append(stopped, fmt.Sprintf("%s is %s %s", unit, current.Active, current.RunningDir))
		}
	}
	slices.Sort(stopped)
	return stopped
}

// TestHistoriesConverge walks through random manifests, of which some versions do not start, and checks
// that whatever has a version that works runs in one: in the wanted one, or in one that it had before;
// that soon nothing is left to do; and that what did not change was not restarted.
//
// fault: random histories of manifests, some of which do not work | what ever worked runs; a second pass has nothing to do
func TestHistoriesConverge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bad := map[string]bool{}
		m := newMachine(func(_ string, workload Workload) bool { return bad[workload.BundleDir] })
		worked := map[string]bool{}
		for range rapid.IntRange(2, 8).Draw(t, "steps") {
			desired := wanted(t)
			for _, unit := range sortedKeys(desired.Workloads) {
				dir := desired.Workloads[unit].BundleDir
				if _, known := bad[dir]; !known {
					bad[dir] = rapid.IntRange(0, 2).Draw(t, "broken "+dir) == 0
				}
			}
			before := map[string]ActualWorkload{}
			for unit, workload := range m.actual.Workloads {
				before[unit] = workload
			}
			m.pass(desired, Options{})
			for unit, workload := range desired.Workloads {
				current := m.actual.Workloads[unit]
				switch {
				case !bad[workload.BundleDir] && current.RunningDir != workload.BundleDir:
					t.Fatalf("%s works and does not run: it is %s %s", unit, current.Active, current.RunningDir)
				case bad[workload.BundleDir] && worked[unit] && before[unit].Active == "active" && current.Active != "active":
					t.Fatalf("%s worked before and is %s: %v", unit, current.Active, m.quarantine)
				case before[unit].RunningDir == workload.BundleDir && slices.Contains(m.calls, "restart "+unit) &&
					before[unit].UnitText == workload.UnitText:
					t.Fatalf("%s did not change and was restarted", unit)
				}
				if current.Active == "active" {
					worked[unit] = true
				}
			}
			for unit := range worked {
				if _, wanted := desired.Workloads[unit]; !wanted {
					delete(worked, unit)
				}
			}
			// After a failure nothing was pruned.
			m.pass(desired, Options{})
			if rest := Diff(m.settle(desired), m.actual, Options{Kept: m.kept}); !rest.Empty() {
				t.Fatalf("a second pass would still do %v", verbs(rest))
			}
		}
	})
}

// application is a set of manifests that works.
func application() string {
	var text strings.Builder
	for i := range 12 {
		text.WriteString(container(fmt.Sprintf("app-%d", i), fmt.Sprintf("env: [{name: NUMBER, value: '%d'}]", i), "args: [serve]"))
	}
	text.WriteString(container("web", "ports: [{containerPort: 80, hostPort: 8080}]", "dependsOn: [{name: app-1, condition: Ready}]"))
	text.WriteString(container("db", "volumeMounts: [{name: data, mountPath: /data}]", "networks: [{name: lab}]"))
	text.WriteString(header + "Volume\nmetadata: {name: data}\n---\n")
	text.WriteString(header + "Network\nmetadata: {name: lab}\nspec: {subnets: [{subnet: 10.77.0.0/24}]}\n---\n")
	text.WriteString(header + "Pod\nmetadata: {name: pod}\nspec:\n  containers:\n  - {name: a, image: example.com/app:1}\n  - {name: b, image: example.com/app:1}\n")
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
	base := resolveText(application())
	m := newMachine(func(unit string, workload Workload) bool {
		return workload.Bundle != nil && base.Workloads[unit].BundleDir != workload.BundleDir
	})
	m.pass(base, Options{})
	if stopped := m.stopped(base); len(stopped) > 0 {
		t.Fatalf("to begin with: %v", stopped)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range *mutations {
		text := mutate(application(), random)
		m.pass(resolveText(text), Options{HoldPrune: "the directory has only just changed"})
		if stopped := m.stopped(base); len(stopped) > 0 {
			t.Fatalf("mutation %d stopped services: %v\n%s", i, stopped, text)
		}
		// Once it has stood, what the mutation brought goes.
		m.pass(base, Options{})
	}
}

// resolveText resolves what of a text can be read. Images that the base does not have cannot be had.
func resolveText(text string) Desired {
	set := manifests.Load([]manifests.File{{Path: "/app.yaml", Text: []byte(text)}}, manifests.Options{})
	images := resolved(set.Objects, command)
	for request := range images {
		if request.Reference != "example.com/app:1" {
			images[request] = ImageResult{Err: errors.New("not found")}
		}
	}
	return Resolve(Input{Objects: set.Objects, Images: images, Node: testNode})
}
