package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/generations"
	"github.com/davit-project/davit/agent/networks"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/units/bundle"
)

// Pass is one walk from the manifests to the node.
type Pass struct {
	Set   *manifests.Set
	Guard Guard
	// Revision is where the manifests came from; empty where that is not known.
	Revision string
	// Planned is called with each plan before it is carried out: with one, and with a second one
	// when changes that do not work are taken back.
	Planned func(reconcile.Plan)
	// Observe is called for each action when it begins and when it ends, which may be in a later pass.
	Observe func(reconcile.Event)
}

// Result is how far a pass got.
type Result struct {
	// Desired is the desired state in the end, Actual the actual one before.
	Desired reconcile.Desired
	Actual  reconcile.Actual
	// Impossible are the objects whose change cannot be made, Failures those whose version does not work,
	// and why.
	Impossible, Failures []Failure
	// Broken are those of them of which that was found out now.
	Broken []Failure
	// Changing are the objects whose change goes on, and how far it is.
	Changing map[string]history.Verdict
	// Warning is the part of the history that cannot be read, and is treated as missing; nil for none.
	Warning error
	// Housekeeping is the error of tidying up; nil for none.
	Housekeeping error

	view *view
	plan reconcile.Plan
	// acted is set after an action: the actual state that the pass has read is out of date then.
	acted bool
}

// Failure is why the change of an object does not work.
type Failure struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}

// reconciler brings a node to the state of the manifests, pass by pass. No pass waits for slow things: pulls, starts, stops and
// probations continue between the passes, and the next pass sees their results. It is not safe for several goroutines at once.
type reconciler struct {
	node *Node
	// watched is set if later passes follow up on actions that one begins.
	watched bool

	flights map[string]flight // actions that have begun and not ended, by unit or image
	pending map[string]error  // awaited events of objects, of the last pass
	// fetching is set when an image was being pulled or released in the last pass, or will be pulled again.
	fetching bool
	retries  retries
	again    bool           // failed actions are retried
	set      *manifests.Set // of the last pass
	newest   int            // the newest generation after the last pass; 0 before the first
	due      time.Time      // when something changes by itself; zero for never

	mu      sync.Mutex
	passing bool
	heard   map[string]bool // units that changed during the pass
	awaited map[string]bool // units whose change calls for a pass
}

// newReconciler makes one. watched says whether passes follow up on each other until all that was begun
// has ended.
func newReconciler(node *Node, watched bool) *reconciler {
	return &reconciler{node: node, watched: watched, flights: map[string]flight{}, retries: retries{}}
}

// maxRounds bounds a pass: the change, and the rollback of the parts that did not work, which may show further ones.
const maxRounds = 3

// errOutdated is returned by a pass whose manifests are older than those that another davit has applied.
type errOutdated struct{ generation int }

func (e errOutdated) Error() string {
	return fmt.Sprintf("generation %d: applied meanwhile from other manifests, run davit status to see its state", e.generation)
}

var errStopping = errors.New("the node is shutting down: nothing is changed")

// Pass brings the node to the state of the manifests, as far as that is possible now. A change that does not work is rolled back
// to the version that was confirmed before. The error is one that blocks all objects; errors of single objects are among the
// failures. If another davit has applied other manifests since the last pass, the error is an [errOutdated], and the next pass
// applies its manifests all the same.
func (r *reconciler) Pass(ctx context.Context, pass Pass) (Result, error) {
	if r.set != pass.Set {
		r.set, r.retries = pass.Set, retries{}
	}
	r.listen()
	var result Result
	var broken []Failure
	for range maxRounds {
		v, err := r.node.look(ctx, pass.Set)
		if err != nil {
			return result, err
		}
		if err := r.outdated(v); err != nil {
			return result, err
		}
		r.fetching = false
		result, r.pending = Result{Desired: v.desired, Actual: v.actual, Warning: v.warning, view: v}, map[string]error{}
		again, err := r.judge(ctx, v, pass, &broken)
		result.Broken = broken
		if err == nil && !again {
			again, err = r.carryOut(ctx, v, pass, &result)
		}
		if err != nil {
			return result, err
		}
		if !again || ctx.Err() != nil {
			break
		}
	}
	r.conclude(&result)
	return result, nil
}

// outdated returns an error if the newest generation is of other manifests, and was not there after the last pass.
func (r *reconciler) outdated(v *view) error {
	if len(v.kept) == 0 {
		return nil
	}
	before, newest := r.newest, v.kept[0]
	r.newest = newest.Number
	if before == 0 || newest.Number == before { // a lower one follows a loss of all generations
		return nil
	}
	digest, err := r.node.digest(v.set)
	if err != nil || digest == newest.Manifests {
		return err
	}
	return errOutdated{newest.Number}
}

// judge takes down which changes work and which do not. It reports whether one is taken back.
func (r *reconciler) judge(ctx context.Context, v *view, pass Pass, broken *[]Failure) (again bool, err error) {
	r.land(ctx, v, pass)
	if len(v.kept) == 0 {
		return false, nil
	}
	newest := v.kept[0].Clone()
	newest.Arrived(v.desired, v.actual)
	newest.Await(v.desired)
	if r.again {
		r.again = false
		if newest.TryAgain(v.desired, v.actual) {
			_, err := r.write(v, newest)
			return err == nil, err
		}
	}
	for _, object := range slices.Sorted(maps.Keys(v.verdicts)) {
		verdict := v.verdicts[object]
		switch {
		case newest.Excuses(object, verdict):
		case verdict.Progress == history.Confirmed:
			newest.Confirm(object)
		case verdict.Progress == history.Broken && newest.Failed[object] == "":
			reason := r.node.withCause(ctx, v, verdict.Unit, fmt.Errorf("%s: %s", verdict.Unit, verdict.Reason))
			newest.Fail(object, reason.Error())
			r.crash(object, reason, pass)
			*broken = append(*broken, Failure{object, reason.Error()})
		}
	}
	return r.write(v, newest)
}

// write stores the newest generation if it changed, and decides the rollback of its parts before that: the decision follows from
// its content, at whatever time it is made. It reports whether anything is rolled back.
func (r *reconciler) write(v *view, newest history.Generation) (again bool, err error) {
	newest.Settle()
	changed := !newest.Same(v.kept[0])
	v.kept[0] = newest
	if again, err = r.node.takeBack(v); err != nil || !changed {
		return again, err
	}
	if err := r.node.generations.Finish(newest); err != nil {
		return false, err
	}
	for i := range v.kept[1:] {
		if earlier := &v.kept[1+i]; earlier.Learn(newest) {
			if err := r.node.generations.Finish(*earlier); err != nil {
				return false, err
			}
		}
	}
	return again, nil
}

// carryOut makes the node as the view has it, as far as that is possible now. It reports whether
// something did not work that is to be taken back.
func (r *reconciler) carryOut(ctx context.Context, v *view, pass Pass, result *Result) (again bool, err error) {
	n := r.node
	if err := n.lift(v); err != nil {
		return false, err
	}
	plan, err := n.planFor(v, pass.Guard, r.watched)
	if err != nil {
		return false, err
	}
	n.damage.planned()
	pass.Planned(plan)
	r.dropRepairs(plan)
	plan = r.retries.delay(plan, v.desired, time.Now())
	result.plan = plan
	n.fetcher.Want(wantedKeys(v.desired))
	before, err := n.limits(ctx)
	if err != nil {
		return false, err
	}
	result.Housekeeping = errors.Join(n.noteInputs(v), n.tidy(ctx, v))
	if plan.Empty() {
		// Limits may have changed all the same, by systemctl edit.
		result.Housekeeping = errors.Join(result.Housekeeping, n.followLimits(ctx, before, plan))
		return false, nil
	}
	switch stopping, err := n.Systemd.Stopping(ctx); {
	case err != nil:
		return false, err
	case stopping:
		return false, errStopping
	}
	spared := v.spared() // objects that the plan has not removed
	generation, err := n.begin(v, plan, pass)
	if err != nil {
		return false, err
	}
	_ = apply.Apply(ctx, plan, v.desired, n.drivers(v.actual, r.watched), func(event reconcile.Event) {
		failpoint(string(event.Status) + " " + event.Action.ID)
		generation.Record(event)
		r.note(event)
		result.acted = result.acted || event.Status == reconcile.Done
		if event.Status != reconcile.Pending {
			pass.Observe(event)
		}
	})
	generation.Forgo()
	failpoint("ended the plan")
	again, err = r.write(v, generation)
	if err != nil {
		return false, err
	}
	failpoint("finished the generation")
	result.Housekeeping = errors.Join(result.Housekeeping, n.generations.Prune(v.keep, spared))
	failpoint("pruned the generations")
	result.Housekeeping = errors.Join(result.Housekeeping, n.followLimits(ctx, before, plan))
	return again, nil
}

// lift takes back the decisions that were for other manifests.
func (n *Node) lift(v *view) error {
	if v.stale {
		if err := n.generations.SetPin(nil); err != nil {
			return err
		}
	}
	if v.lapsed {
		return n.generations.SetQuarantine(v.decided.Quarantine)
	}
	return nil
}

// wantedKeys are the images that are wanted.
func wantedKeys(desired reconcile.Desired) map[string]bool {
	keys := make(map[string]bool, len(desired.Images))
	for key := range desired.Images {
		keys[key] = true
	}
	return keys
}

// begin records the generation before anything is applied, so that an interrupted pass is known.
func (n *Node) begin(v *view, plan reconcile.Plan, pass Pass) (history.Generation, error) {
	manifests, err := n.digest(v.set)
	if err != nil {
		return history.Generation{}, err
	}
	origin := generations.Origin{Revision: pass.Revision, Manifests: manifests, Note: v.note()}
	prepare := func(generation *history.Generation) {
		generation.Retry(plan)
		generation.Owe(plan, v.desired, v.actual, time.Now())
		generation.Settle()
	}
	generation, err := n.generations.Begin(v.kept, v.desired, origin, time.Now(), prepare)
	if err != nil {
		return generation, err
	}
	failpoint("begun the generation")
	if err := n.supersede(v, generation.Number); err != nil {
		return generation, err
	}
	if len(v.kept) == 0 || v.kept[0].Number != generation.Number {
		v.kept = slices.Insert(v.kept, 0, generation)
	}
	v.kept[0] = generation.Clone()
	return generation, nil
}

// supersede notes that a generation will not be carried out any further.
func (n *Node) supersede(v *view, number int) error {
	if len(v.kept) == 0 || v.kept[0].Number == number || v.kept[0].State != history.Applying {
		return nil
	}
	v.kept[0].State = history.Superseded
	return n.generations.Finish(v.kept[0])
}

// tidy removes leftovers of interrupted passes from places that only passes write to, and releases resources of containers that
// are gone.
func (n *Node) tidy(ctx context.Context, v *view) error {
	inUse := func(unit string) bool {
		_, err := os.Lstat(filepath.Join(bundle.AttachmentsDir, strings.TrimSuffix(unit, ".service")))
		return v.desired.Workload(unit).BundleDir != "" || err == nil
	}
	return errors.Join(n.files.Tidy(inUse), disk.Tidy(bundle.NetworkRecordsDir), n.cleanUpStopped(ctx, v.actual),
		networks.FreeLeases(), n.generations.Prune(n.keep, v.spared()))
}

// progressPause is the minimum time between two passes that only show the progress of pulls.
const progressPause = 5 * time.Second

// conclude says how far each object is, and when to look again.
func (r *reconciler) conclude(result *Result) {
	v := result.view
	if len(v.kept) > 0 {
		r.newest = v.kept[0].Number
	}
	r.due, result.Changing = r.retries.next(result.plan), map[string]history.Verdict{}
	for object, verdict := range v.verdicts {
		if verdict.Progress == history.Starting || verdict.Progress == history.OnProbation {
			result.Changing[object] = verdict
			r.dueAt(verdict.Due)
		}
	}
	result.Impossible, result.Failures = v.impossible(), v.failures()
	if result.plan.PruneLater {
		r.dueAt(time.Now().Add(minRetry))
	}
	if r.fetching && r.node.fetcher.Transferring() {
		r.dueAt(time.Now().Add(progressPause))
	}
	if r.missed(r.awaitedUnits(result)) || result.acted {
		r.dueAt(time.Now())
	}
}

// impossible are the objects whose change cannot be made.
func (v *view) impossible() []Failure {
	var failures []Failure
	for _, problem := range v.desired.Problems {
		if !errors.As(problem.Err, new(reconcile.Waiting)) {
			failures = append(failures, Failure{problem.Ref.String(), problem.Err.Error()})
		}
	}
	if len(v.kept) == 0 {
		return failures
	}
	for _, object := range slices.Sorted(maps.Keys(v.kept[0].Unconfirmed)) {
		if reason := v.kept[0].Hindered(object); reason != "" {
			failures = append(failures, Failure{object, reason})
		}
	}
	return failures
}

// failures are the objects whose version does not work, or was taken back.
func (v *view) failures() []Failure {
	var failures []Failure
	for _, held := range v.held {
		if held.By == reconcile.ByFailedChange {
			failures = append(failures, Failure{held.Object, held.Reason})
		}
	}
	if len(v.kept) == 0 {
		return failures
	}
	for _, object := range slices.Sorted(maps.Keys(v.kept[0].Failed)) {
		failures = append(failures, Failure{object, v.kept[0].Failed[object]})
	}
	return failures
}
