package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/davit-project/davit/units/bundle"
)

// Drivers are what [Apply] acts through.
type Drivers struct {
	Images    Images
	Networks  Networks
	Volumes   Volumes
	Bundles   Bundles
	UnitFiles UnitFiles
	Services  Services
}

// Status is how an action ended.
type Status string

// The ways an action ends. An action is skipped when one it needs did not succeed.
const (
	Begun   Status = "begun"
	Done    Status = "done"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Event tells an observer of [Apply] about one action.
type Event struct {
	Action Action
	Status Status
	// Err is set when the action failed or was skipped.
	Err error
}

// errSkipped is why an action was not tried.
var errSkipped = errors.New("skipped")

// Apply walks the plan, one phase after the other. Within a phase every action starts as soon as
// the actions it waits for have ended, so independent ones run at once; a failure stops only what
// needs it, and pruning. observe is called for each action when it begins and when it ends, one
// call at a time. The error joins those of the failed actions.
func Apply(ctx context.Context, plan Plan, desired Desired, drivers Drivers, observe func(Event)) error {
	a := &applier{desired: desired, drivers: drivers, plan: plan, observe: observe, results: map[string]*result{}}
	for _, action := range plan.Actions {
		a.results[action.ID] = &result{ended: make(chan struct{})}
	}
	for _, phase := range []Phase{Fetching, Switching, Pruning} {
		a.runPhase(ctx, phase)
	}
	var failures []error
	for _, action := range plan.Actions {
		if err := a.results[action.ID].err; err != nil && !errors.Is(err, errSkipped) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// runPhase carries out the actions of one phase.
func (a *applier) runPhase(ctx context.Context, phase Phase) {
	var blocked error
	if phase == Pruning {
		blocked = a.failure()
	}
	var running sync.WaitGroup
	for _, action := range a.plan.Actions {
		if action.Verb.Phase() == phase {
			running.Go(func() { a.run(ctx, action, blocked) })
		}
	}
	running.Wait()
}

// failure says that an action did not succeed, if so.
func (a *applier) failure() error {
	for _, action := range a.plan.Actions {
		if err := a.results[action.ID].err; err != nil {
			return fmt.Errorf("%w: %w", errSkipped, err)
		}
	}
	return nil
}

type applier struct {
	plan    Plan
	desired Desired
	drivers Drivers
	results map[string]*result

	observing sync.Mutex
	observe   func(Event)
}

// result is how one action ended; err may be read once ended is closed.
type result struct {
	ended chan struct{}
	err   error
}

// run carries out one action; blocked is why it cannot be.
func (a *applier) run(ctx context.Context, action Action, blocked error) {
	own := a.results[action.ID]
	defer close(own.ended)
	if own.err = errors.Join(blocked, a.await(action)); own.err != nil {
		a.tell(Event{action, Skipped, own.err})
		return
	}
	a.tell(Event{Action: action, Status: Begun})
	if err := a.try(ctx, action); err != nil {
		if own.err = err; !action.Verb.isPull() { // the error of a pull names the image itself
			own.err = fmt.Errorf("%s %s: %w", action.Verb, action.Subject(), err)
		}
		a.tell(Event{action, Failed, own.err})
		return
	}
	a.tell(Event{Action: action, Status: Done})
}

// isPull reports whether the verb brings an image.
func (v Verb) isPull() bool { return v == PullImage || v == PullLate }

// await waits for what the action waits for, and says why it cannot be done.
func (a *applier) await(action Action) error {
	for _, id := range action.After {
		<-a.results[id].ended
	}
	for _, id := range action.Needs {
		before := a.results[id]
		<-before.ended
		if before.err != nil {
			return fmt.Errorf("%w: %w", errSkipped, before.err)
		}
	}
	return nil
}

func (a *applier) tell(event Event) {
	a.observing.Lock()
	defer a.observing.Unlock()
	a.observe(event)
}

// try carries out one action. A panic in it is a mistake of davit's about one object, which must not
// keep the others from being carried out, this time and each time that the agent is started again.
func (a *applier) try(ctx context.Context, action Action) (err error) {
	defer func() {
		if mistake := recover(); mistake != nil {
			err = fmt.Errorf("panic: %v: this is a mistake in davit\n%s", mistake, debug.Stack())
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
		return a.drivers.Bundles.EnsureBundle(ctx, target, a.desired.Workload(bundle.IDOf(target)+".service").Bundle)
	case ForgetJob:
		return a.drivers.Bundles.ForgetJob(ctx, target)
	case RemoveBundle:
		return a.drivers.Bundles.RemoveBundle(ctx, target)
	case WriteUnit:
		return a.drivers.UnitFiles.EnsureUnit(ctx, target, a.desired.Workload(target).UnitText)
	case RemoveUnit:
		return a.drivers.UnitFiles.RemoveUnit(ctx, target)
	case Reload:
		return a.drivers.UnitFiles.Reload(ctx, a.written())
	case Start:
		return a.drivers.Services.StartUnit(ctx, target)
	case Restart:
		return a.drivers.Services.RestartUnit(ctx, target)
	case ReloadUnit:
		return a.drivers.Services.ReloadUnit(ctx, target)
	case Stop:
		return a.drivers.Services.StopUnit(ctx, target)
	default:
		return fmt.Errorf("unknown verb %q", action.Verb)
	}
}

// written lists the units whose files were written, for the reload to enable.
func (a *applier) written() []string {
	var written []string
	for _, action := range a.plan.Actions {
		if action.Verb == WriteUnit && a.results[action.ID].err == nil {
			written = append(written, action.Target)
		}
	}
	return written
}
