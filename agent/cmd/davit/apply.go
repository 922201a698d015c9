package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/reconcile"
)

// applyFlags are apply's own.
type applyFlags struct {
	wait         bool
	timeout      time.Duration
	dryRun       bool
	confirmPrune bool
}

func applyCommand(s *settings) *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make the node what its manifests say",
		Long: `Make the node what its manifests say, once, with or without the agent. What is right
already is not touched. The last line counts what was changed, for scripts; the exit
status is 1 when an action failed or a manifest has an error.`,
		Example: `  davit apply
  davit apply --wait --timeout 5m
  davit apply --dry-run -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.apply(cmd, f) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.wait, "wait", false, "wait until what was started is up")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Minute, "give up after this long")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only show the plan")
	flags.BoolVar(&f.confirmPrune, "confirm-prune", false, "remove units even when many or all manifests are gone")
	return cmd
}

func (s *settings) apply(cmd *cobra.Command, f applyFlags) error {
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), f.timeout, fmt.Errorf("not done after %s", f.timeout))
	defer cancel()
	set, guard, err := s.load()
	if err != nil {
		return err
	}
	if f.confirmPrune {
		guard.Confirmed = true
		if set.Complete() {
			guard.Hold = ""
		}
	}
	bars := newPullBars(cmd.ErrOrStderr())
	defer bars.end()
	node, err := agent.Open(ctx, bars.report)
	if err != nil {
		return err
	}
	defer node.Close()
	unlock, err := agent.Lock(func() { fmt.Fprintln(cmd.ErrOrStderr(), "waiting for another davit to finish") })
	if err != nil {
		return err
	}
	defer unlock()
	desired, plan, err := node.Plan(ctx, set, guard)
	if err != nil {
		return err
	}
	reportDiagnostics(cmd.ErrOrStderr(), set.All())
	outcome := newOutcome(plan)
	if !f.dryRun {
		observe := func(event reconcile.Event) { outcome.note(event, s.eventWriter(cmd)) }
		err = node.Apply(ctx, desired, plan, f.waits(), observe)
	}
	printErr := s.print(cmd.OutOrStdout(), outcome, func() error { return outcome.print(cmd.OutOrStdout(), f.dryRun) })
	switch {
	case err != nil:
		return errors.Join(err, printErr)
	case len(set.Diagnostics) > 0 || plan.Refused():
		return exitError(1)
	}
	return printErr
}

func (f applyFlags) waits() agent.Wait {
	if f.wait {
		return agent.WaitAll
	}
	return agent.WaitNone
}

// eventWriter is where lines for people go; with other output they would break the data.
func (s *settings) eventWriter(cmd *cobra.Command) io.Writer {
	if s.output == "text" {
		return cmd.OutOrStdout()
	}
	return io.Discard
}

// outcome is what apply prints as data.
type outcome struct {
	Changed   int              `json:"changed"`
	Unchanged int              `json:"unchanged"`
	Failed    int              `json:"failed"`
	Held      []reconcile.Held `json:"held"`
	Actions   []result         `json:"actions"`

	mu sync.Mutex
}

type result struct {
	reconcile.Action
	Status reconcile.Status `json:"status"`
	Error  string           `json:"error,omitempty"`
}

func newOutcome(plan reconcile.Plan) *outcome {
	o := &outcome{Unchanged: plan.Unchanged, Held: plan.Held, Actions: []result{}}
	if o.Held == nil {
		o.Held = []reconcile.Held{}
	}
	for _, action := range plan.Actions {
		o.Actions = append(o.Actions, result{Action: action, Status: "planned"})
	}
	return o
}

// note takes an event down and prints a line for each action that ended.
func (o *outcome) note(event reconcile.Event, w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.Actions {
		if o.Actions[i].ID != event.Action.ID {
			continue
		}
		o.Actions[i].Status = event.Status
		if event.Err != nil {
			o.Actions[i].Error = event.Err.Error()
		}
	}
	switch event.Status {
	case reconcile.Done:
		o.Changed++
		fmt.Fprintf(w, "%-15s %s: %s\n", event.Action.Verb, event.Action.Subject(), event.Action.Reason)
	case reconcile.Failed:
		o.Failed++
		fmt.Fprintf(w, "%-15s %s\n", "failed", event.Err)
	case reconcile.Skipped:
		fmt.Fprintf(w, "%-15s %s %s: %v\n", "skipped", event.Action.Verb, event.Action.Subject(), event.Err)
	}
}

func (o *outcome) print(w io.Writer, planned bool) error {
	if planned {
		for _, action := range o.Actions {
			fmt.Fprintf(w, "%-15s %s: %s\n", action.Verb, action.Subject(), action.Reason)
		}
	}
	for _, held := range o.Held {
		fmt.Fprintf(w, "%-15s %s: %s\n", "held", held.Object, held.Reason)
	}
	_, err := fmt.Fprintf(w, "changed=%d unchanged=%d failed=%d held=%d\n", o.Changed, o.Unchanged, o.Failed, len(o.Held))
	return err
}
