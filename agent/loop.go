package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/davit-project/davit/agent/facts"
	"github.com/davit-project/davit/agent/health"
	"github.com/davit-project/davit/agent/resolver/follow"
	"github.com/davit-project/davit/agent/watch"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/fleet"
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

// promptly is how long a directory must be quiet before it is applied if no process is writing it and it was quiet before: one
// program that writes several files needs less from one to the next.
const promptly = 50 * time.Millisecond

// restless is how long manifests may keep changing before davit status says so.
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
	reader  *watch.Reader
	settler watch.Settler
	monitor *health.Monitor
	names   *follow.Follower
	mounts  mountView

	// loaded is from the tree with this fingerprint, with these options.
	loaded     *manifests.Set
	loadedFrom string
	loadedWith manifests.Options

	reconciler *reconciler
	set        *manifests.Set // of the last pass
	guard      Guard          // of the last pass
	view       *view          // of the last pass; nil before the first
	last       *tried         // nil before the first

	applied  string          // fingerprint and progress of the last successful pass
	seen     string          // fingerprint of the last pass
	began    time.Time       // the last step
	failures int             // passes in a row that did not succeed
	logged   map[string]bool // messages that [Agent.once] has logged, until a pass succeeds

	again     atomic.Bool   // something that is awaited has changed
	wake      chan struct{} // there is something to look at
	passed    time.Time     // end of the last pass
	pause     time.Duration // between it and one that units and pulls call for
	changes   changedUnits
	workloads atomic.Pointer[map[string]reconcile.Workload]
	tellAt    time.Time // time of the next look at units; zero for none
	toldAt    time.Time
	unwell    bool        // one of them was not as it should be then
	units     atomic.Bool // one of the workloads has changed

	unrecorded map[string]bool    // units that were warned of
	repaired   []reconcile.Action // that are not logged yet

	hearing   *hearing
	deaf      string // why nothing was heard, as it was last logged
	suspicion suspicion

	upcoming upcoming // the retries that were last published
	worked   bool     // since memory was given back
	growth   growth
}

// tried is the subject of a pass.
type tried struct {
	verdict watch.Verdict
	now     watch.Tree // with files that keep changing as they are
	config  fleet.Config
	options manifests.Options
}

// NewAgent makes an agent for the node.
func NewAgent(node *Node, options Options, log *slog.Logger, status *Status) *Agent {
	a := &Agent{
		node: node, options: options, log: log, status: status,
		reader:     watch.NewReader(watch.RootsOf(options.Manifests), options.Owner),
		settler:    watch.Settler{Quiet: options.Quiet, Prompt: promptly, PruneQuiet: options.PruneQuiet, Patience: 4 * options.PruneQuiet},
		reconciler: newReconciler(node, true),
		logged:     map[string]bool{},
		wake:       make(chan struct{}, 1),
		suspicion:  suspicion{looked: time.Now()}, // as the first pass does
	}
	node.cleanUps.changed, node.repairs.changed = a.lookAgain, a.lookAgain
	return a
}

// Run watches and applies until the context ends, or the agent has to start again: [ErrRenew] where its program is to be
// executed again. A value on now asks for a pass at once.
func (a *Agent) Run(ctx context.Context, now <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watcher, err := watch.New(watch.RootsOf(a.options.Manifests).All...)
	if err != nil {
		return err
	}
	if a.names, err = follow.New(a.log); err != nil {
		return err
	}
	watching := inBackground(func() { watcher.Run(ctx) })
	following := inBackground(func() { a.names.Run(ctx) })
	a.listen(ctx)
	a.monitor = health.New(a.node.Systemd, a.node.facts.Launcher, a.log)
	a.monitor.OnChange(a.unitChanged)
	probing := inBackground(func() {
		if err := a.monitor.Run(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("containers are not probed", "error", err)
		}
	})
	defer func() {
		<-probing
		<-following
		<-a.hearing.ended
		select {
		case <-watching:
		case <-time.After(time.Second): // a file system that does not answer keeps it in the kernel
		}
	}()
	a.mounts = newMountView(lookAtMounts, a.node.writtenPaths()...)
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
			a.node.fetcher.Refresh()
			force = true
		case <-a.node.fetcher.Changes():
			a.again.Store(true)
		case <-a.wake:
		}
		if a.units.Swap(false) {
			a.tellLater()
		}
		a.lookIntoSuspicion()
		if at := a.reconciler.Due(); !at.IsZero() && !time.Now().Before(at) {
			a.again.Store(true)
		}
		if a.again.Load() && time.Until(a.mayPass()) <= 0 {
			a.again.Store(false)
			force = true
		}
		if force || !time.Now().Before(due) {
			if err := a.mounts.check(); err != nil {
				a.status.Stopping()
				cancel()
				return err
			}
			wait := a.step(ctx, &force)
			due = time.Now().Add(wait)
		}
		a.tellWhenDue(ctx)
		wake := a.wakeUp(due)
		if a.rest(time.Until(wake)) && a.growth.outgrown() && a.isQuiet() {
			a.log.Info(ErrRenew.Error(), "units", a.growth.now, "before", a.growth.most)
			cancel()
			return ErrRenew
		}
		timer.Reset(time.Until(wake))
	}
}

// inBackground runs f, and closes the channel at its end.
func inBackground(f func()) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f()
	}()
	return ended
}

// lookAgain asks for a pass: something that is awaited has changed. It may be called from anywhere.
func (a *Agent) lookAgain() {
	a.again.Store(true)
	a.wakeLoop()
}

func (a *Agent) wakeLoop() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// passPause is the minimum time between two passes for events of units and pulls, so that one pass covers events that come
// together.
const passPause = 20 * time.Millisecond

// mayPass is when the next pass may be that units and pulls call for: on a node where passes take long
// the agent is not busy with nothing else.
func (a *Agent) mayPass() time.Time { return a.passed.Add(a.pause) }

// rest gives memory back before a wait that is worth it, and reports whether it did.
func (a *Agent) rest(wait time.Duration) bool {
	if !a.worked || wait < time.Second {
		return false
	}
	a.worked = false
	if err := freeMemory(); err != nil {
		a.once("the agent keeps more memory than it needs", "error", err)
	}
	return true
}

// wakeUp returns the time of the next step, or of the next check of running containers, if no event comes.
func (a *Agent) wakeUp(due time.Time) time.Time {
	pass := a.reconciler.Due()
	if a.again.Load() {
		pass = a.mayPass()
	}
	return nextWake(due, pass, a.mayPass(), a.tellAt, a.suspicion.dueState(), a.suspicion.dueRunning())
}

// nextWake returns the first of a step, a pass, which cannot begin before mayPass, and checks of running containers. Zero times
// do not count.
func nextWake(step, pass, mayPass time.Time, looks ...time.Time) time.Time {
	if !pass.IsZero() && pass.Before(mayPass) {
		pass = mayPass
	}
	wake := step
	for _, at := range append(looks, pass) {
		if !at.IsZero() && at.Before(wake) {
			wake = at
		}
	}
	return wake
}

// step looks at the directory once and applies it where that is due. It returns how long
// nothing is to be done unless something happens.
func (a *Agent) step(ctx context.Context, force *bool) time.Duration {
	a.status.Beat()
	a.began = time.Now()
	tree, err := a.reader.Read()
	if err != nil {
		a.once("manifests cannot be read, nothing changes until they can", "error", err)
		a.goOn(ctx, force)
		a.status.say("%v: nothing changes until it can be read", err)
		return a.retry(err)
	}
	node, config, err := facts.Read(a.options.Config)
	if err != nil {
		a.once("the node's configuration cannot be used, nothing changes until it can", "error", err)
		a.status.say("%v: nothing changes until that is right", err)
		return a.retry(err)
	}
	a.node.Configure(config)
	nodePolicy, err := facts.NodePolicy(a.options.Policy, tree.Writable)
	if err != nil {
		a.once("the node's policy cannot be used, nothing changes until it can", "error", err)
		a.status.say("%v: nothing changes until that is right", err)
		return a.retry(err)
	}
	// Another label, or another policy, may mean other manifests: a node that changed has to
	// settle too.
	basis := fmt.Sprint(node, *nodePolicy.Policy, config.RefuseUnsupported, config.ExtendedResources)
	verdict := a.settler.See(tree, basis, time.Now())
	if !verdict.Apply {
		a.goOn(ctx, force)
		if verdict.Restless > restless {
			a.status.say("the manifests have been changing for %s: nothing changes until they are quiet", verdict.Restless.Round(time.Second))
		}
		return verdict.Wait
	}
	for _, path := range verdict.Changing {
		a.once("a manifest keeps changing, its objects stay as they are until it is quiet", "path", path)
	}
	verdict.Tree.Fingerprint += basis
	state := fmt.Sprint(verdict.Tree.Fingerprint, verdict.Prune, verdict.Unsettled, verdict.Firm.Fingerprint)
	resync := a.status.resyncDue(a.options.Resync)
	if state == a.applied && !*force && a.failures == 0 && !resync {
		return a.nextStep(verdict)
	}
	if resync { // signals of systemd, and answers of registries, may have changed unheard
		a.node.fetcher.Refresh()
		a.monitor.LookAgain()
		a.names.LookAgain()
		a.lookForDamage()
		a.listenAgain(ctx)
	}
	*force = false
	about := tried{verdict, tree, config, manifests.Options{
		Node: &node, Policy: nodePolicy, RefuseUnsupported: config.RefuseUnsupported,
		ExtendedResources: config.ExtendedResources, Parser: facts.SystemdParser,
	}}
	err = a.pass(ctx, about)
	if errors.Is(err, errStale) {
		*force = true
		return 0
	}
	about.verdict.Prune = false // for a pass about it while the manifests change
	a.last = &about
	if err != nil {
		a.failures++
		return a.retry(err)
	}
	a.failures, a.applied = 0, state
	return a.nextStep(verdict)
}

// nextStep is how long nothing is to be done after a tree was applied as far as it may be.
func (a *Agent) nextStep(verdict watch.Verdict) time.Duration {
	wait := a.status.untilResync(a.options.Resync)
	if verdict.Wait > 0 {
		wait = min(wait, verdict.Wait)
	}
	return wait
}

// goOn makes a pass that is due about the manifests of the last one, while those in the directory change or cannot be
// read.
func (a *Agent) goOn(ctx context.Context, force *bool) {
	if !*force || a.last == nil {
		return
	}
	*force = false
	err := a.pass(ctx, *a.last)
	if err == nil {
		return
	}
	a.again.Store(true)
	if !errors.Is(err, errStale) {
		a.failures++
		a.pause = a.retry(err)
	}
}

// errStale means that the manifests may be older than those that another davit has applied in the meantime.
var errStale = errors.New("the manifests may have changed")

// pass loads, plans and applies a tree. It returns errStale, and does nothing, if it had to wait for another
// davit, or if that has applied other manifests.
func (a *Agent) pass(ctx context.Context, about tried) error {
	a.worked = true
	unlock, waited, err := Lock(ctx, func(holder string) {
		a.log.Info("waiting for " + holder + " to finish")
		a.status.say("waiting for %s to finish", holder)
	})
	began := time.Now() // the wait for another davit does not count
	defer func() {
		a.passed = time.Now()
		a.pause = max(passPause, 2*a.passed.Sub(began))
	}()
	if err != nil {
		a.once("nothing can be changed", "error", err)
		a.status.say("%v", err)
		return err
	}
	defer unlock()
	a.arm()
	a.suspicion.state.Store(0) // this pass looks
	if waited {
		a.last = nil // so may the earlier reading
		return errStale
	}
	tree := about.verdict.Tree
	set := a.load(tree, about.options)
	guard := a.guardFor(about)
	for _, diagnostic := range set.Diagnostics {
		a.once("manifest has an error, its objects stay as they are", "error", diagnostic.String())
	}
	done := 0
	result, err := a.reconciler.Pass(ctx, Pass{
		Set: set, Guard: guard, Revision: tree.Revision,
		Planned: a.notePlan,
		Observe: func(event reconcile.Event) {
			a.logEvent(event)
			done++
		},
	})
	if errors.As(err, new(errOutdated)) {
		a.last = nil
		return errStale
	}
	a.suspicion.passed(done > 0)
	a.notePass(ctx, tree, set, guard, result, err, done > 0, about.verdict.Prune)
	impaired := errors.Join(err, result.Warning, result.Housekeeping) != nil
	if !impaired && len(result.Impossible)+len(result.Failures) == 0 && set.Complete() {
		clear(a.logged)
	}
	return err
}

// guardFor returns the guard of a pass.
func (a *Agent) guardFor(about tried) Guard {
	verdict := about.verdict
	guard := GuardFor(verdict.Tree, a.loaded)
	guard.Limit, guard.ReportDrift = about.config.PruneLimit, about.config.ReportDrift
	switch {
	case guard.Hold != "":
	case !verdict.Prune:
		guard.Hold = "the directory has only just changed"
	case len(verdict.Unsettled) > 0:
		guard.keepUnsettled(verdict, about.now, about.options)
	}
	return guard
}

// load reads the manifests of a tree, unless they are those of the last pass.
func (a *Agent) load(tree watch.Tree, options manifests.Options) *manifests.Set {
	// A policy may stay the same while its path, which errors name, changes.
	if a.loaded == nil || a.loadedFrom != tree.Fingerprint || !reflect.DeepEqual(a.loadedWith, options) {
		a.loaded, a.loadedFrom, a.loadedWith = manifests.Load(tree.Files, options), tree.Fingerprint, options
		a.loaded.Diagnostics = slices.Concat(tree.Problems, a.loaded.Diagnostics)
	}
	return a.loaded
}
