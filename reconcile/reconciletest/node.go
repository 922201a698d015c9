package reconciletest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Node is a node in memory: it implements all drivers, and its actual state follows from their calls. It is as strict as a real
// one: the requirements of an action must be met.
type Node struct {
	Mu      sync.Mutex
	Desired reconcile.Desired
	Actual  reconcile.Actual
	Fail    map[string]error // by action
	Refuse  map[string]error // units that systemd does not enable
	Calls   []string
	loaded  map[string]string // unit texts that systemd has read
}

// NewNode makes a node on which nothing is.
func NewNode() *Node {
	return &Node{
		Fail:   map[string]error{},
		loaded: map[string]string{},
		Actual: reconcile.Actual{
			Images: map[string][]string{}, Networks: map[string]reconcile.ActualNetwork{}, Volumes: map[string]reconcile.ActualVolume{},
			Workloads: map[string]reconcile.ActualWorkload{}, Foreign: map[string]string{},
			Completed: map[string]time.Time{}, PutAside: map[string]time.Time{},
		},
	}
}

// do notes a call and makes its change unless it is to fail.
func (n *Node) do(verb, target string, change func()) error {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	call := verb + " " + target
	n.Calls = append(n.Calls, call)
	if err := n.Fail[call]; err != nil {
		return err
	}
	change()
	return nil
}

func (n *Node) EnsureImage(_ context.Context, image reconcile.Image) error {
	return n.do("pull", image.Reference, func() {
		n.Actual.Images[image.ID] = append(n.Actual.Images[image.ID], image.Key())
	})
}

func (n *Node) DeleteImage(_ context.Context, id string) error {
	return n.do("delete-image", id, func() { delete(n.Actual.Images, id) })
}

func (n *Node) ReleaseImage(_ context.Context, id string) error {
	return n.do("release", id, func() { delete(n.Actual.Images, id) })
}

func (n *Node) CheckNetwork(_ context.Context, name string, _ reconcile.Network) error {
	return n.do("check-network", name, func() {})
}

func (n *Node) EnsureNetwork(_ context.Context, name string, network reconcile.Network) error {
	return n.do("network", name, func() {
		n.Actual.Networks[name] = reconcile.ActualNetwork{Conflist: network.Conflist, Bridge: network.Bridge}
	})
}

func (n *Node) RemoveNetwork(_ context.Context, name string) error {
	return n.do("remove-network", name, func() { delete(n.Actual.Networks, name) })
}

func (n *Node) RemoveVolume(_ context.Context, name string) error {
	return n.do("remove-volume", name, func() { delete(n.Actual.Volumes, name) })
}

func (n *Node) EnsureVolume(_ context.Context, name string, volume reconcile.Volume) error {
	return n.do("volume", name, func() {
		n.Actual.Volumes[name] = reconcile.ActualVolume{UID: volume.UID, GID: volume.GID, Mode: volume.Mode, Delete: volume.Delete}
	})
}

func (n *Node) EnsureBundle(_ context.Context, dir string, _ *bundle.Bundle) error {
	return n.do("bundle", dir, func() { n.Actual.Bundles = append(n.Actual.Bundles, dir) })
}

func (n *Node) RetireJob(_ context.Context, dir string) error {
	return n.do("retire-job", dir, func() { move(dir, n.Actual.Completed, n.Actual.PutAside) })
}

func (n *Node) RecallJob(_ context.Context, dir string) error {
	return n.do("recall-job", dir, func() { move(dir, n.Actual.PutAside, n.Actual.Completed) })
}

func (n *Node) ForgetJob(_ context.Context, dir string) error {
	return n.do("forget-job", dir, func() {
		delete(n.Actual.Completed, dir)
		delete(n.Actual.PutAside, dir)
	})
}

func move(dir string, from, to map[string]time.Time) {
	if ended, ok := from[dir]; ok {
		to[dir] = ended
		delete(from, dir)
	}
}

func (n *Node) RemoveBundle(_ context.Context, dir string) error {
	return n.do("remove-bundle", dir, func() {
		n.Actual.Bundles = slices.DeleteFunc(n.Actual.Bundles, func(d string) bool { return d == dir })
	})
}

func (n *Node) EnsureUnit(_ context.Context, name, text string) error {
	return n.do("unit", name, func() {
		workload := n.Desired.Workload(name)
		current := n.Actual.Workloads[name]
		if current.RunningDir == current.BundleDir && current.RunningDir != workload.BundleDir {
			current.Running = current.Bundle // a running process continues as it was started
		}
		current.NeedReload = current.NeedReload || units.OnDisk(current.UnitText) != units.OnDisk(text)
		current.Ref, current.UnitText = workload.Ref, text
		current.BundleDir, current.Bundle = workload.BundleDir, workload.Bundle
		n.Actual.Workloads[name] = current
	})
}

func (n *Node) RemoveUnit(_ context.Context, name string) error {
	return n.do("remove-unit", name, func() { delete(n.Actual.Workloads, name) })
}

func (n *Node) Reload(context.Context, []string) (map[string]error, error) {
	return n.Refuse, n.do("reload", "", func() {
		for name, workload := range n.Actual.Workloads {
			workload.NeedReload = false
			n.Actual.Workloads[name] = workload
		}
	})
}

func (n *Node) StartUnit(_ context.Context, name string) error {
	return n.run("start", name)
}

func (n *Node) RestartUnit(_ context.Context, name string) error {
	return n.run("restart", name)
}

// run starts a unit as systemd and the launcher would: from the loaded unit file.
func (n *Node) run(verb, name string) error {
	var missing error
	err := n.do(verb, name, func() {
		current := n.Actual.Workloads[name]
		switch {
		case current.NeedReload:
			missing = fmt.Errorf("%s was not reloaded", name)
		case current.Bundle == nil:
		case !slices.Contains(n.Actual.Bundles, current.BundleDir):
			missing = fmt.Errorf("%s has no bundle", name)
		case current.Bundle.Image.ID != "" && n.Actual.Images[current.Bundle.Image.ID] == nil:
			missing = fmt.Errorf("%s has no image", name)
		}
		current.Active, current.Result, current.Started = "active", "success", true
		current.RunningDir, current.Running = current.BundleDir, nil
		n.Actual.Workloads[name] = current
	})
	return errors.Join(err, missing)
}

func (n *Node) ReloadUnit(ctx context.Context, name string) error { return n.run("reload-unit", name) }

func (n *Node) Repair(_ context.Context, unit string) error {
	return n.do("repair", unit, func() {
		current := n.Actual.Workloads[unit]
		current.Missing = ""
		n.Actual.Workloads[unit] = current
	})
}

func (n *Node) StopUnit(_ context.Context, name string) error {
	return n.do("stop", name, func() {
		current, exists := n.Actual.Workloads[name]
		if !exists {
			return
		}
		current.Active, current.RunningDir, current.Running = "inactive", "", nil
		n.Actual.Workloads[name] = current
	})
}

func (n *Node) Drivers() apply.Drivers {
	return apply.Drivers{Images: n, Networks: n, Volumes: n, Bundles: n, UnitFiles: n, Services: n, Repairs: n}
}

// Apply plans and applies, and returns the calls of the drivers.
func (n *Node) Apply(t *testing.T, desired reconcile.Desired, options diff.Options) (reconcile.Plan, []string, error) {
	t.Helper()
	n.Desired, n.Calls = desired, nil
	plan := diff.Diff(desired, n.Actual, options)
	err := apply.Apply(context.Background(), plan, desired, n.Drivers(), func(reconcile.Event) {})
	return plan, n.Calls, err
}

func (n *Node) MustApply(t *testing.T, desired reconcile.Desired) reconcile.Plan {
	t.Helper()
	plan, _, err := n.Apply(t, desired, diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// Verbs are a plan's actions as text.
func Verbs(plan reconcile.Plan) []string {
	var verbs []string
	for _, action := range plan.Actions {
		verbs = append(verbs, string(action.Verb)+" "+action.Object)
	}
	return verbs
}
