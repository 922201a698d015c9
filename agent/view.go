package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/davit-project/davit/agent/generations"
	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/units"
)

// view is the manifests, the node and its history, as one pass sees them.
type view struct {
	desired reconcile.Desired
	actual  reconcile.Actual
	kept    []history.Generation
	decided generations.Decisions
	// set is the manifests. stale is set when a rollback was for others, lapsed when versions are no longer in
	// quarantine that were.
	set           *manifests.Set
	stale, lapsed bool
	// pinned is set when desired is that of an earlier generation.
	pinned bool
	held   []reconcile.Held
	// inputs are the inputs that the objects on the disk were rendered from.
	inputs map[string]string
	// verdicts say of the objects that are not confirmed how far their changes have come.
	verdicts map[string]history.Verdict
	// keep is how many generations there may be, with the next one.
	keep int
	// warning is the part of the history that could not be read.
	warning error
}

// look computes the desired state of the node and reads the actual one.
func (n *Node) look(ctx context.Context, set *manifests.Set) (*view, error) {
	v := &view{set: set, keep: n.keep}
	var failures [2]error
	v.kept, failures[0] = n.generations.List()
	v.decided, failures[1] = n.generations.Decisions()
	v.warning = errors.Join(failures[:]...)
	files, err := n.files.List()
	if err != nil {
		return nil, fmt.Errorf("observe the node: %w", err)
	}
	asked := n.ask(ctx, files, false) // after the history, so that the states are never older than it
	if err := n.settle(v); err != nil {
		return nil, err
	}
	v.warning = errors.Join(v.warning, n.adopt(v, files))
	return v, n.observe(ctx, v, files, asked)
}

// observe reads the actual state of the node, and judges the changes that are not confirmed.
func (n *Node) observe(ctx context.Context, v *view, files map[string]units.Own, asked *question) error {
	judged := v.unconfirmed()
	var err error
	if v.actual, err = n.readActual(ctx, files, v.desired, judged, asked); err != nil {
		return err
	}
	for unit, workload := range v.actual.Workloads {
		if brought, ok := history.BroughtBy(workload.Ref.String(), v.kept); ok && workload.Run != nil {
			workload.Run.Since(brought.Began, v.desired.Workload(unit).BundleDir)
		}
	}
	v.verdicts = history.Judge(v.desired, v.actual, judged, time.Now())
	return nil
}

// unconfirmed returns the objects whose desired version the newest generation has and has not confirmed, with the reasons.
func (v *view) unconfirmed() map[string]string {
	if len(v.kept) == 0 || len(v.kept[0].Unconfirmed)+len(v.kept[0].Failed) == 0 {
		return nil
	}
	newest, versions, judged := v.kept[0], history.Versions(v.desired), map[string]string{}
	for _, reasons := range []map[string]string{newest.Unconfirmed, newest.Failed} {
		for object, reason := range reasons {
			if versions[object] == newest.Objects[object] {
				judged[object] = reason
			}
		}
	}
	return judged
}

// failed are the objects whose wanted version has failed, and how.
func (v *view) failed() map[string]string {
	failed := map[string]string{}
	if len(v.kept) == 0 || len(v.kept[0].Failed) == 0 {
		return failed
	}
	versions := history.Versions(v.desired)
	for object, reason := range v.kept[0].Failed {
		if versions[object] == v.kept[0].Objects[object] {
			failed[object] = reason
		}
	}
	return failed
}

// settle computes the desired state: that of the manifests, with earlier generations in its place if that was decided, and for
// objects that are not possible yet.
func (n *Node) settle(v *view) error {
	if err := n.settlePinned(v); err != nil || v.pinned {
		return err
	}
	var err error
	if v.desired, err = n.Resolve(v.set); err != nil {
		return err
	}
	lasting := history.Lasting(v.decided.Quarantine, v.desired, v.set.Complete())
	v.lapsed, v.decided.Quarantine = len(lasting) < len(v.decided.Quarantine), lasting
	var failures []error
	v.desired, v.held, failures = history.Settle(v.desired, v.decided.Quarantine, v.kept, n.earlier)
	v.warning = errors.Join(append(failures, v.warning)...)
	return nil
}

// settlePinned returns the state of an earlier generation if an operator decided so about these manifests. It asks no registries
// about their images.
func (n *Node) settlePinned(v *view) error {
	pin := v.decided.Pin
	if pin == nil {
		return nil
	}
	digest, err := n.digest(v.set)
	if err != nil {
		return err
	}
	if v.stale = pin.Manifests != digest; v.stale {
		return nil
	}
	earlier, err := n.wholeEarlier(pin.Generation)
	if err != nil {
		v.warning = errors.Join(v.warning, err)
		return nil
	}
	n.fetcher.Resolve(nil)
	v.desired, v.pinned = history.Restore(earlier), true
	v.held = append(v.held, reconcile.Held{
		Object:   fmt.Sprintf("generation %d", pin.Generation),
		Reason:   "rolled back to it by hand: until the manifests change, or davit resume",
		By:       reconcile.ByRollback,
		Intended: true,
	})
	return nil
}

// earlier returns the desired state of a generation, with those of its bundles that are unchanged on the disk.
func (n *Node) earlier(number int) (reconcile.Desired, error) {
	desired, err := n.generations.Desired(number)
	if err != nil {
		return desired, err
	}
	for _, workloads := range []map[string]reconcile.Workload{desired.Workloads, desired.Spares} {
		for unit, workload := range workloads {
			if workload.BundleDir != "" {
				workload.Bundle = n.bundles.Read(workload.BundleDir)
				workloads[unit] = workload
			}
		}
	}
	return desired, nil
}

// wholeEarlier returns the desired state of a generation, with all of its bundles.
func (n *Node) wholeEarlier(number int) (reconcile.Desired, error) {
	desired, err := n.earlier(number)
	if err != nil {
		return desired, err
	}
	for _, workloads := range []map[string]reconcile.Workload{desired.Workloads, desired.Spares} {
		for _, workload := range workloads {
			if workload.BundleDir != "" && workload.Bundle == nil {
				return desired, fmt.Errorf("generation %d: bundle %s is not on the disk any more", number, workload.BundleDir)
			}
		}
	}
	return desired, nil
}

// planFor returns the plan for the view.
func (n *Node) planFor(v *view, guard Guard, watched bool) (reconcile.Plan, error) {
	if v.pinned {
		guard = Guard{Confirmed: true} // objects that the generation lacks are removed
	}
	options := diff.Options{
		Now: time.Now(), Kept: v.kept, Held: v.held, Suspended: v.suspended(), Unwatched: !watched, Restored: v.pinned, Volumes: volumesOf(v.set),
	}
	if len(v.kept) > 0 {
		options.Owed, options.OwedAt, options.RunsOn = v.kept[0].Owed, v.kept[0].OwedAt, v.kept[0].RunsOn
	}
	if guard.ReportDrift {
		options.Applied = v.applied()
	}
	plan := guard.diff(v.desired, v.actual, options)
	if len(v.kept) == 0 {
		return plan, nil
	}
	beside := v.kept // of a generation that begins
	if plan.Empty() {
		beside = v.kept[1:] // of the newest, which is the desired one
	} else if newest, err := generations.IsNewest(v.kept, v.desired); err != nil {
		return plan, err
	} else if newest {
		beside = v.kept[1:]
	}
	keep := n.keepBeside(v, beside)
	if keep == len(beside) {
		return plan, nil
	}
	// The oldest ones make room.
	room, spared := len(v.kept)-len(beside)+keep, v.spared()
	v.keep, options.Kept = keep+1, slices.Clone(v.kept[:room])
	for _, generation := range v.kept[room:] {
		if spared[generation.Number] {
			options.Kept = append(options.Kept, generation)
		}
	}
	return guard.diff(v.desired, v.actual, options), nil
}

// spared returns generations that are retained beyond the limit: the targets of rollbacks.
func (v *view) spared() map[int]bool {
	spared := history.LastConfirmed(v.kept, v.actual)
	if pin := v.decided.Pin; pin != nil {
		spared[pin.Generation] = true
	}
	return spared
}

// volumesOf are the names of the Volumes that manifests have.
func volumesOf(set *manifests.Set) map[string]bool {
	volumes := map[string]bool{}
	note := func(ref v1.Ref) {
		if ref.Kind == v1.KindVolume {
			volumes[ref.Name] = true
		}
	}
	for _, object := range set.Objects {
		note(object.Ref())
	}
	for _, left := range set.LeftOut {
		note(left.Ref())
	}
	return volumes
}

// keepBeside is how many of the generations can be kept beside the one that is wanted.
func (n *Node) keepBeside(v *view, kept []history.Generation) int {
	var wanted []string
	for _, image := range v.desired.Images {
		wanted = append(wanted, image.ID)
	}
	sizes := func(imageID string) map[string]int64 {
		layers, _ := n.fetcher.Layers(imageID)
		return layers
	}
	return generations.Within(kept, wanted, n.keep-1, n.keepBytes, sizes)
}

// applied are the versions in which objects were last applied and worked.
func (v *view) applied() map[string]history.Version {
	applied := map[string]history.Version{}
	if len(v.kept) > 0 {
		for object, version := range v.kept[0].Objects {
			if v.kept[0].Works(object) {
				applied[object] = version
			}
		}
	}
	return applied
}

// suspended are the objects that nothing changes, and why.
func (v *view) suspended() map[string]string {
	suspended := map[string]string{}
	_, all := v.decided.Suspended[""]
	note := func(object string) {
		if _, ok := v.decided.Suspended[object]; ok || all {
			suspended[object] = "suspended: davit resume lets changes happen again"
		}
	}
	for _, workload := range v.desired.Workloads {
		note(workload.Ref.String())
	}
	for _, workload := range v.actual.Workloads {
		note(workload.Ref.String())
	}
	return suspended
}

// note explains a generation that does not come from a manifest.
func (v *view) note() string {
	if len(v.held) == 0 {
		return ""
	}
	return v.held[0].Object + ": " + v.held[0].Reason
}
