package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/probe"
)

// leastForSignal is the least time for the stop signal, even if a hook took all of it, as in Kubernetes.
const leastForSignal = 2 * time.Second

// PreStop gives the container id, which systemd is about to stop, its grace period: a replica leaves its name and its
// ports to the others, and still serves clients that have just looked it up for a while; the hook runs, if one is
// declared; and the container is killed at the end of the period. It is the unit's ExecStop=, which systemd also runs
// after the container has ended by itself: then only a replica leaves its name. A hook that fails is reported and
// delays nothing.
func PreStop(ctx context.Context, id string, grace time.Duration) error {
	main, err := openMain()
	if errors.Is(err, errNotRunning) {
		return network.WithdrawEnded(id)
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", id, err)
	}
	defer main.Close()
	began := time.Now()
	if err := preStop(ctx, id, main, grace); err != nil {
		fmt.Fprintf(messages, "davit-run: %v: the stop goes on\n", err)
	}
	left := max(grace-time.Since(began), min(leastForSignal, grace))
	return main.killLater(left)
}

func preStop(ctx context.Context, id string, main *process, grace time.Duration) error {
	b, err := record.ReadRunning(id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(main.whileItRuns(ctx), grace, fmt.Errorf("it did not end within the grace period of %s", grace))
	defer cancel()
	hook := b.Health.PreStop
	if b.Replica {
		drained := time.Now().Add(drainOf(grace, hook))
		others, err := network.Withdraw(b)
		if err != nil { // the hook matters more
			fmt.Fprintf(messages, "davit-run: stop %s: %v: the stop goes on\n", id, err)
		}
		if others && sleepUntil(ctx, drained) != nil {
			return nil // it ends meanwhile
		}
	}
	if hook == nil {
		return nil
	}
	target, err := probe.OpenTarget(b, main.pid, nil)
	if err != nil {
		return err
	}
	defer target.Close()
	err = runHook(ctx, b, target, *hook)
	if err != nil && errors.Is(context.Cause(ctx), errNotRunning) {
		return nil // a hook may well end the container
	}
	if err = ended(ctx, err); err != nil {
		return fmt.Errorf("preStop hook of %s: %w", id, err)
	}
	return nil
}
