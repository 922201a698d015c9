package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/generations"
	"github.com/davit-project/davit/agent/networks"
	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Pass is one walk from the manifests to the node.
type Pass struct {
	Set   *manifests.Set
	Guard Guard
	Wait  Wait
	// Revision is where the manifests came from; empty where nobody knows.
	Revision string
	// Planned is called with each plan before it is carried out: with one, and with a second one
	// when changes that do not work are taken back.
	Planned func(reconcile.Plan)
	// Observe is called for each action when it begins and when it ends.
	Observe func(reconcile.Event)
}

// view is what one look at the manifests, the node and its history came to.
type view struct {
	desired reconcile.Desired
	actual  reconcile.Actual
	kept    []reconcile.Generation
	decided generations.Decisions
	// set is the manifests, stale is set when a rollback was for others.
	set   *manifests.Set
	stale bool
	// pinned is set when desired is that of an earlier generation.
	pinned bool
	held   []reconcile.Held
	// keep is how many generations there may be, with the next one.
	keep int
	// warning is what of the history could not be read.
	warning error
}

// look works out what the node should be, and reads what it is.
func (n *Node) look(ctx context.Context, set *manifests.Set) (*view, error) {
	v := &view{set: set, keep: n.keep}
	var failures [2]error
	v.kept, failures[0] = n.generations.List()
	v.decided, failures[1] = n.generations.Decisions()
	v.warning = errors.Join(failures[:]...)
	var err error
	if v.desired, err = n.Resolve(ctx, set); err != nil {
		return nil, err
	}
	if err := n.settle(v); err != nil {
		return nil, err
	}
	v.actual, err = n.Observe(ctx, v.desired)
	return v, err
}

// digestOf tells a set of objects from others, wherever their files lie.
func digestOf(set *manifests.Set) (string, error) {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	for _, object := range set.Objects {
		if err := encoder.Encode(object.Object); err != nil {
			return "", fmt.Errorf("compare the manifests: %w", err)
		}
		if secret, ok := object.Object.(*v1.Secret); ok {
			hashSecret(hash, secret)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// hashSecret adds what a secret holds, which its JSON does not show.
func hashSecret(to hash.Hash, secret *v1.Secret) {
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		fmt.Fprintf(to, "%q: %q\n", key, []byte(secret.Data[key]))
	}
	for _, key := range slices.Sorted(maps.Keys(secret.StringData)) {
		fmt.Fprintf(to, "%q: %q\n", key, string(secret.StringData[key]))
	}
}

// settle puts earlier generations in the place of what the manifests say, where that was decided.
func (n *Node) settle(v *view) error {
	if pin := v.decided.Pin; pin != nil {
		digest, err := digestOf(v.set)
		if err != nil {
			return err
		}
		if pin.Manifests == digest {
			n.settlePinned(v, *pin)
			return nil
		}
		v.stale = true
	}
	for _, fallback := range reconcile.Fallbacks(v.desired, v.decided.Quarantine, v.kept) {
		earlier, err := n.earlier(fallback.Generation)
		if err != nil {
			v.warning = errors.Join(v.warning, err)
			continue
		}
		v.desired = reconcile.FallBack(v.desired, fallback.Object, earlier)
		v.held = append(v.held, reconcile.Held{Object: fallback.Object, Reason: fallback.String(), By: reconcile.ByFailedChange})
	}
	return nil
}

// settlePinned replaces everything.
func (n *Node) settlePinned(v *view, pin generations.Pin) {
	earlier, err := n.earlier(pin.Generation)
	if err != nil {
		v.warning = errors.Join(v.warning, err)
		return
	}
	v.desired, v.pinned = earlier, true
	held := reconcile.Held{
		Object:   fmt.Sprintf("generation %d", pin.Generation),
		Reason:   "rolled back to it by hand: until the manifests change, or davit resume",
		By:       reconcile.ByRollback,
		Intended: true,
	}
	if pin.Reason != "" {
		held.By, held.Reason, held.Intended = reconcile.ByFailedChange, "the last set of changes did not work and was taken back: "+pin.Reason, false
	}
	v.held = append(v.held, held)
}

// earlier is what a generation applied, with its bundles as they are on the disk.
func (n *Node) earlier(number int) (reconcile.Desired, error) {
	desired, err := n.generations.Desired(number)
	if err != nil {
		return desired, err
	}
	for _, workloads := range []map[string]reconcile.Workload{desired.Workloads, desired.Spares} {
		for unit, workload := range workloads {
			if workload.BundleDir == "" {
				continue
			}
			if workload.Bundle = n.bundles.Read(workload.BundleDir); workload.Bundle == nil {
				return desired, fmt.Errorf("generation %d: bundle %s is not on the disk any more", number, workload.BundleDir)
			}
			workloads[unit] = workload
		}
	}
	return desired, nil
}

// planFor is what would change.
func (n *Node) planFor(v *view, guard Guard, wait Wait) (reconcile.Plan, error) {
	if v.pinned {
		guard = Guard{Confirmed: true} // what the generation lacks is to go
	}
	options := reconcile.Options{
		Now: time.Now(), Kept: v.kept, Held: v.held, Suspended: v.suspended(), Unwatched: wait == WaitNone,
	}
	if len(v.kept) > 0 {
		options.Resuming = v.kept[0].Unfinished()
	}
	if guard.ReportDrift {
		options.Applied = v.applied()
	}
	plan := guard.diff(v.desired, v.actual, options)
	if plan.Empty() {
		return plan, nil
	}
	keep := n.keepBeside(v)
	if keep == len(v.kept) {
		return plan, nil
	}
	newest, err := generations.IsNewest(v.kept, v.desired)
	if newest || err != nil {
		return plan, err
	}
	// The oldest ones will make room for this change's.
	v.keep, options.Kept = keep+1, v.kept[:keep]
	return guard.diff(v.desired, v.actual, options), nil
}

// keepBeside is how many generations can be kept beside one more.
func (n *Node) keepBeside(v *view) int {
	var wanted []string
	for _, image := range v.desired.Images {
		wanted = append(wanted, image.ID)
	}
	return generations.Within(v.kept, wanted, n.keep-1, n.keepBytes, n.images.Layers)
}

// applied are the versions in which objects were last applied and worked.
func (v *view) applied() map[string]reconcile.Version {
	applied := map[string]reconcile.Version{}
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

// maxRounds bounds a pass: the change, and what takes back the parts that did not work, which may
// show others that do not.
const maxRounds = 3

// Result is what a pass came to: what was desired in the end, how the node was before, and the runs
// that it began and waited for: systemd's invocation, by unit.
type Result struct {
	Desired reconcile.Desired
	Actual  reconcile.Actual
	Started map[string]string
	// Warning is what of the history cannot be read, and is as if it were not there; nil for nothing.
	Warning error

	view *view
}

// Apply makes the node what the manifests say, in one generation. A change that does not work is
// taken back to what worked before; the error then tells what happened.
func (n *Node) Apply(ctx context.Context, pass Pass) (Result, error) {
	var result Result
	var failures []error
	for range maxRounds {
		v, err := n.look(ctx, pass.Set)
		if err != nil {
			return result, errors.Join(append(failures, err)...)
		}
		services := &services{node: n, desired: v.desired, wait: pass.Wait, started: map[string]string{}}
		result = Result{v.desired, v.actual, services.started, v.warning, v}
		again, err := n.carryOut(ctx, v, pass, services)
		failures = append(failures, err)
		if !again || ctx.Err() != nil {
			break
		}
	}
	return result, errors.Join(failures...)
}

var errStopping = errors.New("the node is shutting down: nothing is changed")

// carryOut makes the node as the view has it. It says whether something did not work that has to be
// taken back.
func (n *Node) carryOut(ctx context.Context, v *view, pass Pass, services *services) (again bool, err error) {
	if v.stale {
		if err := n.generations.SetPin(nil); err != nil {
			return false, err
		}
	}
	plan, err := n.planFor(v, pass.Guard, pass.Wait)
	if err != nil {
		return false, err
	}
	pass.Planned(plan)
	before, err := n.limits(ctx)
	if err != nil {
		return false, err
	}
	if plan.Empty() {
		// Limits may have changed all the same, by systemctl edit.
		return false, errors.Join(n.recover(ctx, v), n.followLimits(ctx, before, plan))
	}
	switch stopping, err := n.Systemd.Stopping(ctx); {
	case err != nil:
		return false, err
	case stopping:
		return false, errStopping
	}
	generation, err := n.begin(ctx, v, plan, pass)
	if err != nil {
		return false, err
	}
	applyErr := reconcile.Apply(ctx, plan, v.desired, n.drivers(services), func(event reconcile.Event) {
		failpoint(string(event.Status) + " " + event.Action.ID)
		generation.Record(event, services.waitsFor)
		pass.Observe(event)
	})
	generation.End(applyErr)
	if err := n.finish(generation, v.keep); err != nil {
		return false, errors.Join(applyErr, err)
	}
	again, err = n.takeBack(v, generation)
	return again, errors.Join(applyErr, err, n.followLimits(ctx, before, plan))
}

// begin writes down what is about to be applied, so that a pass which is interrupted is known to have
// been.
func (n *Node) begin(ctx context.Context, v *view, plan reconcile.Plan, pass Pass) (reconcile.Generation, error) {
	if err := n.tidy(ctx, v.actual); err != nil {
		return reconcile.Generation{}, err
	}
	generation, err := n.generations.Begin(v.kept, v.desired, pass.Revision, v.note(), time.Now())
	if err != nil {
		return generation, err
	}
	failpoint("begun the generation")
	if err := n.leave(v, generation.Number); err != nil {
		return generation, err
	}
	again := len(v.kept) > 0 && v.kept[0].Number == generation.Number
	if len(v.kept) > 0 && !again {
		generation.Inherit(v.kept[0])
	}
	generation.Begin(plan, v.desired, v.actual)
	if again {
		err = n.generations.Finish(generation) // it is being applied once more
	}
	return generation, err
}

// finish writes down how it went.
func (n *Node) finish(generation reconcile.Generation, keep int) error {
	failpoint("ended the plan")
	if err := n.generations.Finish(generation); err != nil {
		return err
	}
	failpoint("finished the generation")
	if err := n.generations.Prune(keep); err != nil {
		return err
	}
	failpoint("pruned the generations")
	return nil
}

// note says what made a generation that no manifest made.
func (v *view) note() string {
	if len(v.held) == 0 {
		return ""
	}
	return v.held[0].Object + ": " + v.held[0].Reason
}

// interrupted reports whether the newest generation was begun and not carried out whole.
func (v *view) interrupted() bool { return len(v.kept) > 0 && v.kept[0].State == reconcile.Applying }

// tidy removes what interrupted passes left where only passes write, and frees what containers that
// are gone have not given back.
func (n *Node) tidy(ctx context.Context, actual reconcile.Actual) error {
	return errors.Join(units.Tidy(), disk.Tidy(bundle.RootfsDir, networks.RecordsDir), n.cleanUpStopped(ctx, actual),
		networks.FreeLeases(), n.generations.Prune(n.keep))
}

// leave notes that a generation which was interrupted will not be carried out any more.
func (n *Node) leave(v *view, number int) error {
	if !v.interrupted() || v.kept[0].Number == number {
		return nil
	}
	v.kept[0].State = reconcile.Interrupted
	return n.generations.Finish(v.kept[0])
}

// recover takes note that what did not work, or had not shown that it does, works by now, that there
// was nothing left to do of a generation that was interrupted, and tidies up after it.
func (n *Node) recover(ctx context.Context, v *view) error {
	if err := n.tidy(ctx, v.actual); err != nil || len(v.kept) == 0 {
		return err
	}
	newest := v.kept[0]
	if v.interrupted() {
		same, err := generations.IsNewest(v.kept, v.desired)
		if err != nil {
			return err
		}
		if !same {
			return n.leave(v, 0)
		}
	} else if len(newest.Failed)+len(newest.Unproven) == 0 {
		return nil
	}
	if !newest.Recover(v.desired, v.actual) && !v.interrupted() {
		return nil
	}
	newest.End(nil)
	return n.generations.Finish(newest)
}

// takeBack decides what of a generation is to be as it was before. It reports whether that is
// anything.
func (n *Node) takeBack(v *view, generation reconcile.Generation) (bool, error) {
	bad := reconcile.NewlyFailed(generation, v.kept, time.Now())
	if len(bad) == 0 {
		return false, nil
	}
	if object, before := v.whole(bad, generation); before > 0 {
		digest, err := digestOf(v.set)
		if err != nil {
			return false, err
		}
		pin := generations.Pin{Generation: before, Since: time.Now(), Manifests: digest, Reason: object + ": " + bad[object].Reason}
		return true, n.generations.SetPin(&pin)
	}
	quarantine := maps.Clone(v.decided.Quarantine)
	maps.Copy(quarantine, bad)
	return true, n.generations.SetQuarantine(quarantine)
}

// whole is the object among those that failed with which all changes are taken back, and the
// generation before them; 0 when there is none.
func (v *view) whole(bad map[string]reconcile.Quarantined, generation reconcile.Generation) (object string, before int) {
	for _, workload := range v.desired.Workloads {
		if _, failed := bad[workload.Ref.String()]; failed && workload.Update.Whole {
			object = workload.Ref.String()
		}
	}
	if object == "" {
		return "", 0
	}
	for _, earlier := range v.kept {
		if earlier.Number < generation.Number && earlier.State == reconcile.Applied {
			return object, earlier.Number
		}
	}
	return "", 0
}
