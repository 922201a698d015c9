package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Drivers are what [Apply] acts through.
type Drivers struct {
	Images    Images
	Networks  Networks
	Volumes   Volumes
	Bundles   Bundles
	UnitFiles UnitFiles
	Services  Services
	Repairs   Repairs
}

// actionsAtOnce bounds the memory of a plan with thousands of actions.
const actionsAtOnce = 64

// errSkipped is why an action was not tried.
var errSkipped = errors.New("skipped")

// Apply carries out what can be carried out of a plan now. It waits for nothing that takes time: a
// driver that has only begun something returns [Waiting], and the actions that need it are left to
// the plan of a later pass. Independent actions run at once, and a failure stops only what needs it.
// observe is called for each action when it begins and when it ends, one call at a time. The error
// joins those of the failed actions.
func Apply(ctx context.Context, plan Plan, desired Desired, drivers Drivers, observe func(Event)) error {
	a := &applier{desired: desired, drivers: drivers, plan: plan, observe: observe, results: map[string]*result{}}
	for _, action := range plan.Actions {
		a.results[action.ID] = &result{ended: make(chan struct{})}
	}
	// Each comes after those that it waits for, so one that waits never keeps another from beginning that it waits for.
	var running errgroup.Group
	running.SetLimit(actionsAtOnce)
	for _, action := range plan.Actions {
		running.Go(func() error {
			a.run(ctx, action)
			return nil
		})
	}
	_ = running.Wait() // each has a result of its own
	var failures []error
	for _, action := range plan.Actions {
		if err := a.results[action.ID].get(); err != nil && !errors.Is(err, errSkipped) && !isWaiting(err) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

type applier struct {
	plan    Plan
	desired Desired
	drivers Drivers
	results map[string]*result

	observing sync.Mutex
	observe   func(Event)
}

// result is how one action ended. Its error is known once ended is closed.
type result struct {
	ended chan struct{}
	mu    sync.Mutex
	err   error
}

func (r *result) get() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *result) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// run carries out one action.
func (a *applier) run(ctx context.Context, action Action) {
	own := a.results[action.ID]
	defer close(own.ended)
	if err := a.await(action); err != nil {
		own.set(err)
		a.report(action, err)
		return
	}
	a.report(action, nil, Begun)
	err := a.try(ctx, action)
	if err != nil && !isWaiting(err) {
		err = action.failed(err)
	}
	own.set(err)
	a.report(action, err)
}

// await waits until it is known how the actions before this one have come along, and says why it
// cannot be carried out now.
func (a *applier) await(action Action) error {
	if action.Waits != "" {
		return Waiting{For: action.Waits, Blocked: action.Blocked}
	}
	for _, id := range slices.Concat(action.After, action.Needs) {
		<-a.results[id].ended
	}
	if action.Verb == Reload {
		return a.awaitFiles(action)
	}
	for _, id := range action.After {
		if err := a.results[id].get(); isWaiting(err) {
			return err
		}
	}
	for _, id := range action.Needs {
		switch err := a.results[id].get(); {
		case isWaiting(err), errors.Is(err, errSkipped):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", errSkipped, err)
		}
	}
	return nil
}

// awaitFiles says why systemd need not be reloaded: no file has changed yet.
func (a *applier) awaitFiles(reload Action) error {
	var waiting error
	for _, id := range reload.After {
		err := a.results[id].get()
		if err == nil {
			return nil
		}
		if isWaiting(err) || waiting == nil {
			waiting = err
		}
	}
	if isWaiting(waiting) || errors.Is(waiting, errSkipped) {
		return waiting
	}
	return fmt.Errorf("%w: %w", errSkipped, waiting)
}

// isWaiting reports whether an action neither succeeded nor failed, and was not skipped either.
func isWaiting(err error) bool {
	_, waiting := errors.AsType[Waiting](err)
	return waiting && !errors.Is(err, errSkipped)
}

// report reports an action's status: the one given, or the one that its error says.
func (a *applier) report(action Action, err error, status ...Status) {
	event := Event{Action: action, Err: err, Status: Done}
	switch {
	case len(status) > 0:
		event.Status = status[0]
	case isWaiting(err):
		event.Status = Pending
	case errors.Is(err, errSkipped):
		event.Status = Skipped
	case err != nil:
		event.Status = Failed
	}
	a.observing.Lock()
	defer a.observing.Unlock()
	a.observe(event)
}

// try carries out one action. A panic in it is a mistake of davit's about one object, which must not
// keep the others from being carried out, this time and each time that the agent is started again.
func (a *applier) try(ctx context.Context, action Action) (err error) {
	defer func() {
		if mistake := recover(); mistake != nil {
			err = fmt.Errorf("panic: %v: this is a bug in davit\n%s", mistake, debug.Stack())
		}
	}()
	return a.do(ctx, action)
}

// do carries out one action.
func (a *applier) do(ctx context.Context, action Action) error {
	target := action.Target
	switch action.Verb {
	case DeleteImage:
		return a.drivers.Images.DeleteImage(ctx, target)
	case PullImage, PullLate:
		return a.drivers.Images.EnsureImage(ctx, a.desired.Images[target])
	case ReleaseImage:
		return a.drivers.Images.ReleaseImage(ctx, target)
	case CheckNetwork:
		return a.drivers.Networks.CheckNetwork(ctx, target, a.desired.Networks[target])
	case MakeNetwork, ChangeNetwork:
		return a.drivers.Networks.EnsureNetwork(ctx, target, a.desired.Networks[target])
	case RemoveNetwork:
		return a.drivers.Networks.RemoveNetwork(ctx, target)
	case RemoveVolume:
		return a.drivers.Volumes.RemoveVolume(ctx, target)
	case MakeVolume:
		return a.drivers.Volumes.EnsureVolume(ctx, target, a.desired.Volumes[target])
	case WriteBundle:
		return a.drivers.Bundles.EnsureBundle(ctx, target, a.desired.Workload(names.Service(bundle.IDOf(target))).Bundle)
	case RecallJob:
		return a.drivers.Bundles.RecallJob(ctx, target)
	case RetireJob:
		return a.drivers.Bundles.RetireJob(ctx, target)
	case ForgetJob:
		return a.drivers.Bundles.ForgetJob(ctx, target)
	case RemoveBundle:
		return a.drivers.Bundles.RemoveBundle(ctx, target)
	case WriteUnit:
		return a.drivers.UnitFiles.EnsureUnit(ctx, target, a.desired.Workload(target).UnitText)
	case RemoveUnit:
		return a.drivers.UnitFiles.RemoveUnit(ctx, target)
	case Reload:
		return a.reload(ctx)
	case Start:
		return a.drivers.Services.StartUnit(ctx, target)
	case Restart:
		return a.drivers.Services.RestartUnit(ctx, target)
	case ReloadUnit:
		return a.drivers.Services.ReloadUnit(ctx, target)
	case Stop:
		return a.drivers.Services.StopUnit(ctx, target)
	case Repair:
		return a.drivers.Repairs.Repair(ctx, target)
	default:
		return fmt.Errorf("unknown verb %q", action.Verb)
	}
}

// reload has systemd enable the units whose files were written, but for those that an operator disabled, and read all files. A unit that
// systemd does not enable fails alone.
func (a *applier) reload(ctx context.Context) error {
	var written []string
	for _, action := range a.plan.Actions {
		if action.Verb == WriteUnit && !action.Disabled && a.results[action.ID].get() == nil {
			written = append(written, action.Target)
		}
	}
	refused, err := a.drivers.UnitFiles.Reload(ctx, written)
	for _, action := range a.plan.Actions {
		if failure := refused[action.Target]; action.Verb == WriteUnit && failure != nil {
			failure = action.failed(failure)
			a.results[action.ID].set(failure)
			a.report(action, failure)
		}
	}
	return err
}
