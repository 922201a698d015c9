package reconcile_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// machine is a simulated node with the simulated systemd, observed as the agent observes a node.
type machine struct {
	*simulation
	manager  *manager
	contents map[string]*bundle.Bundle // of bundles, by their directories
	mu       sync.Mutex
	requests []request
	passes   int // since the node last rested
}

// request is one that a pass has of systemd. It is made once the pass has ended, in the order of the plan: which one
// comes first is else left to chance.
type request struct{ verb, unit string }

func newMachine() *machine {
	m := &machine{simulation: newSimulation(), manager: newManager(), contents: map[string]*bundle.Bundle{}}
	m.systemd, m.steady = m, true
	return m
}

// EnsureUnit implements [UnitFiles].
func (m *machine) EnsureUnit(_ context.Context, name, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Calls = append(m.Calls, "write "+name)
	m.manager.files[name] = text
	workload := m.Desired.Workload(name)
	m.contents[workload.BundleDir] = workload.Bundle
	return nil
}

// RemoveUnit implements [UnitFiles].
func (m *machine) RemoveUnit(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.manager.disable(name)
	delete(m.manager.files, name)
	m.manager.resetFailed(name)
	m.manager.removed(name)
	return nil
}

// Reload implements [UnitFiles].
func (m *machine) Reload(_ context.Context, enable []string) (map[string]error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	refused := map[string]error{}
	for _, name := range enable {
		if m.manager.masks[name] {
			refused[name] = fmt.Errorf("enable %s: it is masked", name)
			continue
		}
		m.manager.enable(name)
	}
	m.manager.reload()
	return refused, nil
}

// StartUnit implements [Services].
func (m *machine) StartUnit(_ context.Context, name string) error { return m.request("start", name) }

// RestartUnit implements [Services].
func (m *machine) RestartUnit(_ context.Context, name string) error {
	return m.request("restart", name)
}

// StopUnit implements [Services].
func (m *machine) StopUnit(_ context.Context, name string) error { return m.request("stop", name) }

func (m *machine) request(verb, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	current := m.Actual.Workloads[name]
	if verb != "stop" && current.Active != "active" && current.Started {
		m.manager.resetFailed(name)
	}
	if dir := m.Desired.Workload(name).BundleDir; verb != "stop" && dir != "" && !slices.Contains(m.Actual.Bundles, dir) {
		return fmt.Errorf("%s %s: %s is not there", verb, name, dir)
	}
	if err := m.manager.check(verb, name); err != nil {
		return err
	}
	m.requests = append(m.requests, request{verb, name})
	return reconcile.Waiting{For: verb + " of " + name}
}

// carryOut makes the requests of a pass.
func (m *machine) carryOut(plan reconcile.Plan) {
	position := map[request]int{}
	for i, action := range plan.Actions {
		position[request{string(action.Verb), action.Target}] = i
	}
	slices.SortFunc(m.requests, func(a, b request) int { return position[a] - position[b] })
	for _, r := range m.requests {
		m.Calls = append(m.Calls, r.verb+" "+r.unit)
		_ = m.manager.ask(byDavit, r.verb, r.unit) // an earlier request may have changed the possible ones
	}
	m.requests = nil
}

// look reads the node as the agent does: of units that are plain nothing but that.
func (m *machine) look(desired reconcile.Desired) {
	m.now = m.manager.now
	files, pending := m.manager.files, false
	for name, text := range files {
		pending = pending || onDisk(m.manager.unit(name).text) != onDisk(text)
	}
	unplain, required := map[string]bool{}, map[string]bool{}
	for name := range files {
		u := m.manager.unit(name)
		plain := u.active == "active" && u.job == nil && !u.masked && !strings.HasSuffix(name, ".slice")
		if plain && !pending {
			continue
		}
		unplain[name] = true
		for _, needed := range desired.Workload(name).Needs() {
			unplain[needed], required[needed] = true, required[needed] || isDown(u.active)
		}
	}
	for name, workload := range desired.Workloads {
		if slices.ContainsFunc(workload.Needs(), func(needed string) bool { return required[needed] }) {
			unplain[name] = true
		}
	}
	judged := map[string]bool{}
	if len(m.kept) > 0 && len(m.kept[0].Unconfirmed)+len(m.kept[0].Failed) > 0 { // to tell versions takes a while
		versions := history.Versions(desired)
		for _, reasons := range []map[string]string{m.kept[0].Unconfirmed, m.kept[0].Failed} {
			for object := range reasons {
				judged[object] = versions[object] == m.kept[0].Objects[object]
			}
		}
	}
	m.Actual.Workloads, m.Actual.Foreign = map[string]reconcile.ActualWorkload{}, map[string]string{}
	for name, text := range files {
		m.Actual.Workloads[name] = m.seen(name, text, unplain[name], desired, judged)
	}
	for name := range desired.Workloads {
		if _, own := files[name]; !own && m.manager.masks[name] {
			m.Actual.Foreign[name] = "/etc/systemd/system/" + name
		}
	}
}

// seen returns the agent's view of a unit.
func (m *machine) seen(name, text string, whole bool, desired reconcile.Desired, judged map[string]bool) reconcile.ActualWorkload {
	u := m.manager.unit(name)
	own := ownOf(text)
	kind, object, _ := strings.Cut(own.Object, "/")
	w := reconcile.ActualWorkload{SourcePath: own.SourcePath, UnitText: text, RunningDir: u.running, NeedReload: onDisk(u.text) != onDisk(text) && !u.masked, Active: names.ActiveState(u.active), Sub: names.SubState(u.sub), Result: u.result}
	w.Ref.Kind, w.Ref.Name = kind, object
	if own.Bundle != "" {
		w.BundleDir = filepath.Base(own.Bundle)
		w.Bundle = m.contents[w.BundleDir]
	}
	if u.running != "" && u.running != w.BundleDir {
		w.Running = m.contents[u.running]
	}
	if u.job != nil {
		w.Job = u.job.verb
	}
	w.Started = !u.begun.IsZero() || u.active == "active"
	if state := m.manager.fileState(name); whole || state == "disabled" {
		w.Enabled = state
	}
	if whole {
		w.Since, w.Begun, w.Left, w.Ended, w.Restarts = u.since, u.begun, u.left, u.ended, u.restarts
	}
	w.Asked = u.active == "failed" && u.asked
	if judged[own.Object] && w.Bundle != nil {
		w.Run = &reconcile.Run{Restarts: u.restarts, Begun: u.begun, Entered: later(u.entered, u.since), Last: u.last}
		if brought, ok := history.BroughtBy(own.Object, m.kept); ok {
			w.Run.Since(brought.Began, desired.Workload(name).BundleDir)
		}
	}
	return w
}

// ownOf returns davit's own settings in a unit file; none of an unmanaged one.
func ownOf(text string) units.Own {
	if known, ok := parsedOwn.Load(text); ok {
		return known.(units.Own)
	}
	own, _ := units.ParseOwn(text)
	parsedOwn.Store(text, own)
	return own
}

// onDisk returns the part of a unit's text that is in its file.
func onDisk(text string) string {
	if known, ok := filesOf.Load(text); ok {
		return known.(string)
	}
	file := units.OnDisk(text)
	filesOf.Store(text, file)
	return file
}

// parsedOwn and parsedSettings are the parsed unit files, filesOf their parts on the disk, by their texts: many histories have
// the same ones.
var parsedOwn, parsedSettings, filesOf sync.Map

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rest has passes follow each other until nothing happens any more. It reports whether that came about.
func (m *machine) rest(objects []object.Object, digest string) bool {
	for quiet := 0; quiet < 4; quiet++ {
		if m.passes++; m.passes > 200 {
			return false
		}
		calls := len(m.Calls)
		m.pass(objects, digest)
		if len(m.Calls) > calls || m.manager.isBusy() {
			quiet = 0
		}
		m.manager.advance(time.Second)
	}
	m.passes = 0
	return true
}

// resetFailed has a unit not be failed, and its restarts not count (systemctl(1), reset-failed).
func (m *manager) resetFailed(name string) {
	u := m.loaded[name]
	if u == nil {
		return
	}
	u.restarts = 0
	if u.active == "failed" {
		u.result, u.asked = "success", false
		m.enter(u, "inactive", "dead")
	}
}

// check is why systemd would refuse a request; nil for none.
func (m *manager) check(verb, name string) error {
	return m.pull(map[string]string{}, map[string]map[string]bool{}, "", verb, name)
}
