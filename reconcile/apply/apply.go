// Package apply carries out plans: it hands each action to the driver that can do it, in the order that the plan asks for, as many
// at a time as do not depend on each other.
package apply

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Drivers are the interfaces by which [Apply] acts.
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

// Apply carries out the actions of a plan that are possible now. It does not wait for slow actions: a driver that has only begun
// one returns [reconcile.Waiting], and the actions that need it are left to the plan of a later pass. Independent actions run at
// once, and a failure stops only the actions that need the failed one. observe is called for each action when it begins and when
// it ends, one call at a time. The error joins those of the failed actions.
func Apply(ctx context.Context, plan reconcile.Plan, desired reconcile.Desired, drivers Drivers, observe func(reconcile.Event)) error {
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
	plan    reconcile.Plan
	desired reconcile.Desired
	drivers Drivers
	results map[string]*result

	observing sync.Mutex
	observe   func(reconcile.Event)
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
func (a *applier) run(ctx context.Context, action reconcile.Action) {
	own := a.results[action.ID]
	defer close(own.ended)
	if err := a.await(action); err != nil {
		own.set(err)
		a.report(action, err)
		return
	}
	a.report(action, nil, reconcile.Begun)
	err := a.try(ctx, action)
	if err != nil && !isWaiting(err) {
		err = action.Failed(err)
	}
	own.set(err)
	a.report(action, err)
}

// await waits until it is known how the actions before this one have come along, and says why it
// cannot be carried out now.
func (a *applier) await(action reconcile.Action) error {
	if action.Waits != "" {
		return reconcile.Waiting{For: action.Waits, Blocked: action.Blocked}
	}
	for _, id := range slices.Concat(action.After, action.Needs) {
		<-a.results[id].ended
	}
	if action.Verb == reconcile.Reload {
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
func (a *applier) awaitFiles(reload reconcile.Action) error {
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
	_, waiting := errors.AsType[reconcile.Waiting](err)
	return waiting && !errors.Is(err, errSkipped)
}

// report reports an action's status: the one given, or the one that its error says.
func (a *applier) report(action reconcile.Action, err error, status ...reconcile.Status) {
	event := reconcile.Event{Action: action, Err: err, Status: reconcile.Done}
	switch {
	case len(status) > 0:
		event.Status = status[0]
	case isWaiting(err):
		event.Status = reconcile.Pending
	case errors.Is(err, errSkipped):
		event.Status = reconcile.Skipped
	case err != nil:
		event.Status = reconcile.Failed
	}
	a.observing.Lock()
	defer a.observing.Unlock()
	a.observe(event)
}

// try carries out one action. A panic in it is a bug in davit for one object, which must not keep the others from being carried
// out, this time and each time that the agent is started again.
func (a *applier) try(ctx context.Context, action reconcile.Action) (err error) {
	defer func() {
		if mistake := recover(); mistake != nil {
			err = fmt.Errorf("panic: %v: this is a bug in davit\n%s", mistake, debug.Stack())
		}
	}()
	return a.do(ctx, action)
}

// do carries out one action.
func (a *applier) do(ctx context.Context, action reconcile.Action) error {
	target := action.Target
	switch action.Verb {
	case reconcile.DeleteImage:
		return a.drivers.Images.DeleteImage(ctx, target)
	case reconcile.PullImage, reconcile.PullLate:
		return a.drivers.Images.EnsureImage(ctx, a.desired.Images[target])
	case reconcile.ReleaseImage:
		return a.drivers.Images.ReleaseImage(ctx, target)
	case reconcile.CheckNetwork:
		return a.drivers.Networks.CheckNetwork(ctx, target, a.desired.Networks[target])
	case reconcile.MakeNetwork, reconcile.ChangeNetwork:
		return a.drivers.Networks.EnsureNetwork(ctx, target, a.desired.Networks[target])
	case reconcile.RemoveNetwork:
		return a.drivers.Networks.RemoveNetwork(ctx, target)
	case reconcile.RemoveVolume:
		return a.drivers.Volumes.RemoveVolume(ctx, target)
	case reconcile.MakeVolume:
		return a.drivers.Volumes.EnsureVolume(ctx, target, a.desired.Volumes[target])
	case reconcile.WriteBundle:
		return a.drivers.Bundles.EnsureBundle(ctx, target, a.desired.Workload(names.Service(bundle.IDOf(target))).Bundle)
	case reconcile.RecallJob:
		return a.drivers.Bundles.RecallJob(ctx, target)
	case reconcile.RetireJob:
		return a.drivers.Bundles.RetireJob(ctx, target)
	case reconcile.ForgetJob:
		return a.drivers.Bundles.ForgetJob(ctx, target)
	case reconcile.RemoveBundle:
		return a.drivers.Bundles.RemoveBundle(ctx, target)
	case reconcile.WriteUnit:
		return a.drivers.UnitFiles.EnsureUnit(ctx, target, a.desired.Workload(target).UnitText)
	case reconcile.RemoveUnit:
		return a.drivers.UnitFiles.RemoveUnit(ctx, target)
	case reconcile.Reload:
		return a.reload(ctx)
	case reconcile.Start:
		return a.drivers.Services.StartUnit(ctx, target)
	case reconcile.Restart:
		return a.drivers.Services.RestartUnit(ctx, target)
	case reconcile.ReloadUnit:
		return a.drivers.Services.ReloadUnit(ctx, target)
	case reconcile.Stop:
		return a.drivers.Services.StopUnit(ctx, target)
	case reconcile.Repair:
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
		if action.Verb == reconcile.WriteUnit && !action.Disabled && a.results[action.ID].get() == nil {
			written = append(written, action.Target)
		}
	}
	refused, err := a.drivers.UnitFiles.Reload(ctx, written)
	for _, action := range a.plan.Actions {
		if failure := refused[action.Target]; action.Verb == reconcile.WriteUnit && failure != nil {
			failure = action.Failed(failure)
			a.results[action.ID].set(failure)
			a.report(action, failure)
		}
	}
	return err
}
