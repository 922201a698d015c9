package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// node is a node in memory: it implements all drivers, and its actual state is what they
// were told. It is as strict as the real one: what an action needs must be there.
type node struct {
	mu      sync.Mutex
	desired Desired
	actual  Actual
	fail    map[string]error // by action
	refuse  map[string]error // units that systemd does not enable
	calls   []string
	loaded  map[string]string // unit texts that systemd has read
}

func newNode() *node {
	return &node{
		fail:   map[string]error{},
		loaded: map[string]string{},
		actual: Actual{
			Images: map[string][]string{}, Networks: map[string]ActualNetwork{}, Volumes: map[string]ActualVolume{},
			Workloads: map[string]ActualWorkload{}, Foreign: map[string]string{},
			Completed: map[string]time.Time{}, PutAside: map[string]time.Time{},
		},
	}
}

// do notes a call and makes its change unless it is to fail.
func (n *node) do(verb, target string, change func()) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	call := verb + " " + target
	n.calls = append(n.calls, call)
	if err := n.fail[call]; err != nil {
		return err
	}
	change()
	return nil
}

func (n *node) EnsureImage(_ context.Context, image Image) error {
	return n.do("pull", image.Reference, func() {
		n.actual.Images[image.ID] = append(n.actual.Images[image.ID], image.Key())
	})
}

func (n *node) DeleteImage(_ context.Context, id string) error {
	return n.do("delete-image", id, func() { delete(n.actual.Images, id) })
}

func (n *node) ReleaseImage(_ context.Context, id string) error {
	return n.do("release", id, func() { delete(n.actual.Images, id) })
}

func (n *node) CheckNetwork(_ context.Context, name string, _ Network) error {
	return n.do("check-network", name, func() {})
}

func (n *node) EnsureNetwork(_ context.Context, name string, network Network) error {
	return n.do("network", name, func() { n.actual.Networks[name] = ActualNetwork{network.Conflist, network.Bridge} })
}

func (n *node) RemoveNetwork(_ context.Context, name string) error {
	return n.do("remove-network", name, func() { delete(n.actual.Networks, name) })
}

func (n *node) RemoveVolume(_ context.Context, name string) error {
	return n.do("remove-volume", name, func() { delete(n.actual.Volumes, name) })
}

func (n *node) EnsureVolume(_ context.Context, name string, volume Volume) error {
	return n.do("volume", name, func() { n.actual.Volumes[name] = ActualVolume{volume.UID, volume.GID, volume.Mode, volume.Delete} })
}

func (n *node) EnsureBundle(_ context.Context, dir string, _ *bundle.Bundle) error {
	return n.do("bundle", dir, func() { n.actual.Bundles = append(n.actual.Bundles, dir) })
}

func (n *node) RetireJob(_ context.Context, dir string) error {
	return n.do("retire-job", dir, func() { move(dir, n.actual.Completed, n.actual.PutAside) })
}

func (n *node) RecallJob(_ context.Context, dir string) error {
	return n.do("recall-job", dir, func() { move(dir, n.actual.PutAside, n.actual.Completed) })
}

func (n *node) ForgetJob(_ context.Context, dir string) error {
	return n.do("forget-job", dir, func() {
		delete(n.actual.Completed, dir)
		delete(n.actual.PutAside, dir)
	})
}

func move(dir string, from, to map[string]time.Time) {
	if ended, ok := from[dir]; ok {
		to[dir] = ended
		delete(from, dir)
	}
}

func (n *node) RemoveBundle(_ context.Context, dir string) error {
	return n.do("remove-bundle", dir, func() {
		n.actual.Bundles = slices.DeleteFunc(n.actual.Bundles, func(d string) bool { return d == dir })
	})
}

func (n *node) EnsureUnit(_ context.Context, name, text string) error {
	return n.do("unit", name, func() {
		workload := n.desired.Workload(name)
		current := n.actual.Workloads[name]
		if current.RunningDir == current.BundleDir && current.RunningDir != workload.BundleDir {
			current.Running = current.Bundle // what runs goes on as it was started
		}
		current.NeedReload = current.NeedReload || units.OnDisk(current.UnitText) != units.OnDisk(text)
		current.Ref, current.UnitText = workload.Ref, text
		current.BundleDir, current.Bundle = workload.BundleDir, workload.Bundle
		n.actual.Workloads[name] = current
	})
}

func (n *node) RemoveUnit(_ context.Context, name string) error {
	return n.do("remove-unit", name, func() { delete(n.actual.Workloads, name) })
}

func (n *node) Reload(context.Context, []string) (map[string]error, error) {
	return n.refuse, n.do("reload", "", func() {
		for name, workload := range n.actual.Workloads {
			workload.NeedReload = false
			n.actual.Workloads[name] = workload
		}
	})
}

func (n *node) StartUnit(_ context.Context, name string) error {
	return n.run("start", name)
}

func (n *node) RestartUnit(_ context.Context, name string) error {
	return n.run("restart", name)
}

// run starts a unit as systemd and the launcher would: from what was loaded.
func (n *node) run(verb, name string) error {
	var missing error
	err := n.do(verb, name, func() {
		current := n.actual.Workloads[name]
		switch {
		case current.NeedReload:
			missing = fmt.Errorf("%s was not reloaded", name)
		case current.Bundle == nil:
		case !slices.Contains(n.actual.Bundles, current.BundleDir):
			missing = fmt.Errorf("%s has no bundle", name)
		case current.Bundle.Image.ID != "" && n.actual.Images[current.Bundle.Image.ID] == nil:
			missing = fmt.Errorf("%s has no image", name)
		}
		current.Active, current.Result, current.Started = "active", "success", true
		current.RunningDir, current.Running = current.BundleDir, nil
		n.actual.Workloads[name] = current
	})
	return errors.Join(err, missing)
}

func (n *node) ReloadUnit(ctx context.Context, name string) error { return n.run("reload-unit", name) }

func (n *node) Repair(_ context.Context, unit string) error {
	return n.do("repair", unit, func() {
		current := n.actual.Workloads[unit]
		current.Missing = ""
		n.actual.Workloads[unit] = current
	})
}

func (n *node) StopUnit(_ context.Context, name string) error {
	return n.do("stop", name, func() {
		current, exists := n.actual.Workloads[name]
		if !exists {
			return
		}
		current.Active, current.RunningDir, current.Running = "inactive", "", nil
		n.actual.Workloads[name] = current
	})
}

func (n *node) drivers() Drivers { return Drivers{n, n, n, n, n, n, n} }

// apply plans and applies, and returns what the drivers were called for.
func (n *node) apply(t *testing.T, desired Desired, options Options) (Plan, []string, error) {
	t.Helper()
	n.desired, n.calls = desired, nil
	plan := Diff(desired, n.actual, options)
	err := Apply(context.Background(), plan, desired, n.drivers(), func(Event) {})
	return plan, n.calls, err
}

func (n *node) mustApply(t *testing.T, desired Desired) Plan {
	t.Helper()
	plan, _, err := n.apply(t, desired, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// verbs are a plan's actions as text.
func verbs(plan Plan) []string {
	var verbs []string
	for _, action := range plan.Actions {
		verbs = append(verbs, string(action.Verb)+" "+action.Object)
	}
	return verbs
}
