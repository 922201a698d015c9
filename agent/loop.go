package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/davit-project/davit/agent/facts"
	"github.com/davit-project/davit/agent/health"
	"github.com/davit-project/davit/agent/watch"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
)

// Options are how the agent runs.
type Options struct {
	// Manifests is the directory to watch.
	Manifests string
	// Config is the node's configuration file.
	Config string
	// Policy is the node's policy file, or the name of a preset.
	Policy string
	// Owner is a user beside root whose manifests count; -1 for none.
	Owner int
	// Resync is how often the node is compared with the manifests though none changed.
	Resync time.Duration
	// Quiet and PruneQuiet are the windows of [watch.Settler].
	Quiet, PruneQuiet time.Duration
}

// promptly is how long a directory rests before it is applied when nobody is writing it and it was quiet
// before: one program that writes several files takes less from one to the next.
const promptly = 50 * time.Millisecond

// restless is how long manifests may change without a rest before that is told.
const restless = 5 * time.Second

// Bounds of the wait after a pass that did not succeed.
const (
	minRetry = 2 * time.Second
	maxRetry = 5 * time.Minute
)

// Agent keeps a node as its manifest directory says.
type Agent struct {
	node    *Node
	options Options
	log     *slog.Logger
	status  *Status
	scanner watch.Scanner
	settler watch.Settler
	monitor *health.Monitor

	// loaded is from the tree with this fingerprint, with these options.
	loaded     *manifests.Set
	loadedFrom string
	loadedWith manifests.Options

	set     *manifests.Set     // of the last pass
	guard   Guard              // likewise
	view    *view              // likewise; nil before the first
	soaking map[string]soaking // changes that have yet to show that they work, by object

	applied  string    // what the last good pass applied: fingerprint and how far
	seen     string    // fingerprint of the last pass
	began    time.Time // the last step
	failures int       // passes in a row that did not succeed
	told     map[string]bool

	changes   changedUnits
	changed   chan struct{} // one of the workloads has changed
	workloads atomic.Pointer[map[string]reconcile.Workload]
	tellAt    time.Time // when to look at what they have come to; zero for not
	toldAt    time.Time
	unwell    bool // one of them was not as it should be then

	upcoming time.Time // the retry that others were told of; zero for none
	worked   bool      // since memory was given back
}

// NewAgent makes an agent for the node.
func NewAgent(node *Node, options Options, log *slog.Logger, status *Status) *Agent {
	return &Agent{
		node: node, options: options, log: log, status: status,
		scanner: watch.Scanner{Roots: watch.RootsOf(options.Manifests), Owner: options.Owner},
		settler: watch.Settler{Quiet: options.Quiet, Prompt: promptly, PruneQuiet: options.PruneQuiet},
		told:    map[string]bool{},
		changed: make(chan struct{}, 1),
	}
}

// Run watches and applies until the context ends. A value on now asks for a pass at once.
func (a *Agent) Run(ctx context.Context, now <-chan os.Signal) error {
	watcher, err := watch.New(watch.RootsOf(a.options.Manifests).All...)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		watcher.Run(ctx)
	}()
	defer func() { <-ended }()
	a.monitor = health.New(a.node.Systemd, a.node.facts.Launcher, a.log)
	a.monitor.OnChange(a.unitChanged)
	probing := make(chan struct{})
	go func() {
		defer close(probing)
		if err := a.monitor.Run(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("containers are not probed", "error", err)
		}
	}()
	defer func() { <-probing }()
	a.status.Ready()
	a.log.Info("watching", "manifests", a.options.Manifests)
	timer := time.NewTimer(0)
	for force, due := true, time.Now(); ; {
		select {
		case <-ctx.Done():
			a.status.Stopping()
			return nil
		case <-timer.C:
		case <-watcher.Changes():
			due = time.Now()
		case err := <-watcher.Errors():
			a.once("watching is impaired, changes are seen at the next resync", "error", err)
		case <-now:
			force = true
		case <-a.node.fetcher.Changes():
			force = true
		case <-a.changed:
			a.tellLater()
		}
		if a.proved(ctx) {
			force = true
		}
		if force || !time.Now().Before(due) {
			wait := a.step(ctx, &force)
			due = time.Now().Add(wait)
			a.noteUpcoming(due)
		}
		a.tellWhenDue(ctx)
		wake := a.wakeUp(due)
		a.rest(time.Until(wake))
		timer.Reset(time.Until(wake))
	}
}

// rest gives memory back before a wait that is worth it.
func (a *Agent) rest(wait time.Duration) {
	if !a.worked || wait < time.Second {
		return
	}
	a.worked = false
	if err := giveBack(); err != nil {
		a.once("the agent keeps more memory than it needs", "error", err)
	}
}

// wakeUp is when there is something to do, if nothing happens: a step, or a look at what runs.
func (a *Agent) wakeUp(due time.Time) time.Time {
	if soak := time.Now().Add(soakCheck); len(a.soaking) > 0 && soak.Before(due) {
		due = soak
	}
	if !a.tellAt.IsZero() && a.tellAt.Before(due) {
		due = a.tellAt
	}
	return due
}

// proved looks whether changes show that they work. It reports whether one does not, and is to be
// taken back.
func (a *Agent) proved(ctx context.Context) bool {
	failed := a.node.proved(ctx, a.soaking, time.Now())
	for object, reason := range failed {
		a.log.Error("a change did not work", "object", object, "reason", reason)
		if err := a.node.distrust(ctx, a.set, object, a.soaking[object].version, reason); err != nil {
			a.log.Error("a change that did not work is not taken back", "object", object, "error", err)
		}
		delete(a.soaking, object)
	}
	return len(failed) > 0
}

// step looks at the directory once and applies it where that is due. It returns how long
// nothing is to be done unless something happens.
func (a *Agent) step(ctx context.Context, force *bool) time.Duration {
	a.status.Beat()
	a.began = time.Now()
	tree, err := a.scanner.Scan()
	if err != nil {
		a.once("manifests cannot be read, nothing changes until they can", "error", err)
		a.status.Say("%v: nothing changes until it can be read", err)
		return a.retry()
	}
	node, config, err := facts.Read(a.options.Config)
	if err != nil {
		a.once("the node's configuration cannot be used, nothing changes until it can", "error", err)
		a.status.Say("%v: nothing changes until that is right", err)
		return a.retry()
	}
	a.node.Keep(config.Generations, config.GenerationsSize)
	nodePolicy, err := facts.NodePolicy(a.options.Policy, tree.Writable)
	if err != nil {
		a.once("the node's policy cannot be used, nothing changes until it can", "error", err)
		a.status.Say("%v: nothing changes until that is right", err)
		return a.retry()
	}
	// Another label, or another policy, may mean other manifests: a node that changed has to
	// settle too.
	tree.Fingerprint = fmt.Sprint(tree.Fingerprint, node, *nodePolicy.Policy)
	verdict := a.settler.See(tree.Fingerprint, tree.Unfinished, time.Now())
	if !verdict.Apply {
		if verdict.Restless > restless {
			a.status.Say("the manifests have been changing for %s: nothing changes until they rest", verdict.Restless.Round(time.Second))
		}
		return verdict.Wait
	}
	state := fmt.Sprint(tree.Fingerprint, verdict.Prune)
	if state == a.applied && !*force && a.failures == 0 && !a.status.ResyncDue(a.options.Resync) {
		return a.status.UntilResync(a.options.Resync)
	}
	*force = false
	err = a.pass(ctx, tree, config, manifests.Options{Node: &node, Policy: nodePolicy}, verdict.Prune)
	if errors.Is(err, errStale) {
		*force = true
		return 0
	}
	if err != nil {
		a.failures++
		return a.retry()
	}
	a.failures, a.applied = 0, state
	if verdict.Wait > 0 {
		return verdict.Wait
	}
	return a.options.Resync
}

// noteView keeps what a pass saw, to tell what its workloads come to.
func (a *Agent) noteView(set *manifests.Set, guard Guard, seen *view) {
	if seen == nil {
		return // it did not come so far
	}
	a.set, a.guard, a.view = set, guard, seen
	a.workloads.Store(&seen.desired.Workloads)
}

// tellAfterPass tells at once, unless a directory that has only just changed may make things look
// otherwise soon.
func (a *Agent) tellAfterPass(settled bool) {
	a.tellAt = time.Now()
	if !settled {
		a.tellAt = a.tellAt.Add(tellPause)
	}
}

// unitChanged hears of services that changed; "" is any. It may be called from anywhere.
func (a *Agent) unitChanged(unit string) {
	a.changes.note(unit)
	a.node.known.forget(unit)
	workloads := a.workloads.Load()
	if workloads == nil {
		return
	}
	if _, own := (*workloads)[unit]; !own && unit != "" {
		return
	}
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// tellLater has the agent look at its units once what changes has settled, but not too often.
func (a *Agent) tellLater() {
	if !a.tellAt.IsZero() {
		return
	}
	a.tellAt = time.Now().Add(time.Second)
	if paused := a.toldAt.Add(tellPause); a.tellAt.Before(paused) {
		a.tellAt = paused
	}
}

// tellWhenDue tells of what changed.
func (a *Agent) tellWhenDue(ctx context.Context) {
	if a.view == nil || a.tellAt.IsZero() || time.Now().Before(a.tellAt) {
		return
	}
	a.tellAt, a.toldAt, a.worked = time.Time{}, time.Now(), true
	report, err := a.node.lookAgain(ctx, a.set, a.guard, a.view)
	a.unwell = slices.ContainsFunc(report.Objects, func(row ObjectReport) bool { return len(row.Causes) > 0 })
	if err == nil {
		err = tellChanges(a.log, report.Objects)
	}
	if err != nil && ctx.Err() == nil {
		a.once("how workloads are is not told", "error", err)
		return
	}
	if err := a.node.cleanUpStopped(ctx, a.view.actual); err != nil && ctx.Err() == nil {
		a.once("what a container left stays", "error", err)
	}
	a.restartHeld(ctx)
}

// restartHeld restarts containers whose program cannot begin any more.
func (a *Agent) restartHeld(ctx context.Context) {
	restarted, fresh, err := a.node.restartHeld(ctx, a.view.actual)
	for _, unit := range restarted {
		a.log.Warn("a container waits for its launcher, which was killed: it is restarted", "unit", unit)
	}
	if err != nil && ctx.Err() == nil {
		a.once("whether containers wait for a launcher that was killed is not known of all", "error", err)
	}
	if fresh {
		a.tellLater()
	}
}

// noteUpcoming tells davit status when something is tried again.
func (a *Agent) noteUpcoming(due time.Time) {
	if a.failures == 0 {
		due = time.Time{}
	}
	if due.IsZero() && a.upcoming.IsZero() {
		return
	}
	a.upcoming = due
	if err := noteUpcoming(due.UTC()); err != nil {
		a.once("when the next pass is cannot be told", "error", err)
	}
}

// retry grows the wait after failures in a row, with some chance in it so that many nodes
// do not ask one registry at the same time.
func (a *Agent) retry() time.Duration {
	wait := min(minRetry<<min(a.failures, 10), maxRetry)
	return wait/2 + rand.N(wait)
}

// errStale says that what was read may be older than what another davit has applied meanwhile.
var errStale = errors.New("the manifests may have changed")

// pass loads, plans and applies a tree. It returns errStale, and does nothing, when it had to wait for another
// davit.
func (a *Agent) pass(ctx context.Context, tree watch.Tree, config manifests.Config, options manifests.Options, prune bool) error {
	a.worked = true
	waited := false
	unlock, err := Lock(ctx, func(holder string) {
		a.log.Info("waiting for " + holder + " to finish")
		a.status.Say("waiting for %s to finish", holder)
		waited = true
	})
	if err != nil {
		a.once("nothing can be changed", "error", err)
		a.status.Say("%v", err)
		return err
	}
	defer unlock()
	if waited {
		return errStale
	}
	set := a.load(tree, options)
	guard := GuardFor(tree, set)
	guard.Limit, guard.ReportDrift = config.PruneLimit, config.ReportDrift
	for _, diagnostic := range set.Diagnostics {
		a.once("manifest has an error, what it describes stays as it is", "error", diagnostic.String())
	}
	if guard.Hold == "" && !prune {
		guard.Hold = "the directory has only just changed"
	}
	var last reconcile.Plan
	actions := 0
	result, err := a.node.Apply(ctx, Pass{
		Set: set, Guard: guard, Wait: WaitServices, Revision: tree.Revision, Observe: a.logEvent,
		Planned: func(plan reconcile.Plan) {
			last, actions = plan, actions+len(plan.Actions)
			for _, held := range plan.Held {
				a.once("held back", "object", held.Object, "reason", held.Reason)
			}
		},
	})
	if result.Warning != nil {
		a.once("a part of the history cannot be read and is left out", "error", result.Warning)
	}
	if result.view != nil { // otherwise nobody has looked, and what was heard to change is for the next pass
		err = errors.Join(err, a.node.forgetRestarts(ctx, &a.changes, result.Actual, time.Now()))
	}
	fresh := tree.Fingerprint != a.seen
	if fresh || actions > 0 {
		a.log.Info("pass ended", "actions", actions, "unchanged", last.Unchanged, "held", len(last.Held))
		a.seen = tree.Fingerprint
	}
	if err != nil {
		a.once("pass did not succeed", "error", err)
	}
	a.monitor.LookAgain()
	a.noteView(set, guard, result.view)
	if fresh || actions > 0 || len(last.Held) > 0 || err != nil || a.unwell {
		a.tellAfterPass(prune)
	}
	a.soaking = a.node.soak(ctx, a.soaking, result, time.Now())
	a.summarize(last, set, err)
	if err == nil && len(result.Desired.Problems) > 0 {
		err = errors.New("some objects could not be resolved")
	}
	if err == nil && set.Complete() {
		clear(a.told)
	}
	return err
}

// load reads the manifests of a tree, unless they are those of the last pass.
func (a *Agent) load(tree watch.Tree, options manifests.Options) *manifests.Set {
	// What a policy says may stay the same while the place where it says so, which errors name, does not.
	if a.loaded == nil || a.loadedFrom != tree.Fingerprint || !reflect.DeepEqual(a.loadedWith, options) {
		a.loaded, a.loadedFrom, a.loadedWith = manifests.Load(tree.Files, options), tree.Fingerprint, options
		a.loaded.Diagnostics = slices.Concat(tree.Problems, a.loaded.Diagnostics)
	}
	return a.loaded
}

func (a *Agent) summarize(plan reconcile.Plan, set *manifests.Set, err error) {
	a.status.Passed()
	switch {
	case err != nil:
		a.status.Say("%d objects, the last pass did not succeed: %v", len(set.Objects), err)
	case len(plan.Held) > 0:
		a.status.Say("%d objects, %s: %s", len(set.Objects), plan.Held[0].Object, plan.Held[0].Reason)
	default:
		a.status.Say("%d objects as they should be, seen at %s in %s", len(set.Objects),
			a.began.Format(time.TimeOnly), time.Since(a.began).Round(time.Millisecond))
	}
}

func (a *Agent) logEvent(event reconcile.Event) {
	a.status.Beat()
	if event.Action.Target != "" {
		a.node.known.forget(event.Action.Target) // sooner than systemd's signal is heard
	}
	attributes := []any{"action", event.Action.Verb, "object", event.Action.Subject(), "reason", event.Action.Reason}
	switch event.Status {
	case reconcile.Done:
		a.log.Info("done", attributes...)
	case reconcile.Failed:
		a.onceAt(slog.LevelError, "failed", append(attributes, "error", event.Err)...)
	case reconcile.Skipped:
		a.onceAt(slog.LevelWarn, "skipped", append(attributes, "error", event.Err)...)
	}
}

// once logs a line that a loop would repeat only the first time, until all is well again.
func (a *Agent) once(message string, attributes ...any) {
	a.onceAt(slog.LevelWarn, message, attributes...)
}

func (a *Agent) onceAt(level slog.Level, message string, attributes ...any) {
	key := fmt.Sprint(message, attributes)
	if !a.told[key] {
		a.told[key] = true
		a.log.Log(context.Background(), level, message, attributes...)
	}
}
