package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/agent/images"
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd, f, func(*agent.Node, source) error { return nil })
		},
	}
	waitFlags(cmd, &f)
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "only show the plan")
	flags.BoolVar(&f.confirmPrune, "confirm-prune", false, "remove units even when many or all manifests are gone")
	return cmd
}

// waitFlags are those of every command that changes what runs.
func waitFlags(cmd *cobra.Command, f *applyFlags) {
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait until what was started is up")
	cmd.Flags().DurationVar(&f.timeout, "timeout", defaultTimeout, "give up after this long")
}

const defaultTimeout = 10 * time.Minute

// open connects to the node and keeps other davits from changing it.
func (s *settings) open(ctx context.Context, cmd *cobra.Command, progress func(images.Progress)) (*agent.Node, func(), error) {
	patience := agent.ForChange
	patience.Progress = progress
	node, err := agent.Open(ctx, patience)
	if err != nil {
		return nil, nil, err
	}
	unlock, err := agent.Lock(ctx, func(holder string) { fmt.Fprintf(cmd.ErrOrStderr(), "waiting for %s to finish\n", holder) })
	if err != nil {
		return nil, nil, errors.Join(err, node.Close())
	}
	return node, unlock, nil
}

// run makes the node what its manifests say, after decide has had its say.
func (s *settings) run(cmd *cobra.Command, f applyFlags, decide func(*agent.Node, source) error) error {
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), f.timeout, fmt.Errorf("not done after %s", f.timeout))
	defer cancel()
	from, err := s.load()
	if err != nil {
		return err
	}
	if f.confirmPrune {
		from.guard.Confirmed = true
		if from.set.Complete() {
			from.guard.Hold = ""
		}
	}
	bars := newPullBars(cmd.ErrOrStderr())
	defer bars.end()
	node, unlock, err := s.open(ctx, cmd, bars.report)
	if err != nil {
		return err
	}
	defer node.Close()
	defer unlock()
	node.Keep(from.config.Generations, from.config.GenerationsSize)
	if err := decide(node, from); err != nil {
		return err
	}
	reportDiagnostics(cmd.ErrOrStderr(), from.set.All())
	outcome := &outcome{Held: []reconcile.Held{}, Actions: []result{}}
	var result agent.Result
	if f.dryRun {
		var plan reconcile.Plan
		if plan, err = node.Plan(ctx, from.set, from.guard); err != nil {
			return err
		}
		outcome.planned(plan)
	} else {
		result, err = node.Apply(ctx, agent.Pass{
			Set: from.set, Guard: from.guard, Wait: f.waits(), Revision: from.revision, Planned: outcome.planned,
			Observe: func(event reconcile.Event) { outcome.note(event, s.eventWriter(cmd)) },
		})
	}
	if result.Warning != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: a part of the history is left out:", result.Warning)
	}
	printErr := s.print(cmd.OutOrStdout(), outcome, func() error { return outcome.print(cmd.OutOrStdout(), f.dryRun) })
	switch {
	case err != nil:
		return errors.Join(err, printErr)
	case len(from.set.Diagnostics) > 0 || outcome.refused:
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

	refused bool // something is held back that nobody asked to be
	mu      sync.Mutex
}

type result struct {
	reconcile.Action
	Status reconcile.Status `json:"status"`
	Error  string           `json:"error,omitempty"`
}

// planned takes a plan down: the change's, or after it that which takes back what did not work.
func (o *outcome) planned(plan reconcile.Plan) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Unchanged, o.refused = plan.Unchanged, plan.Refused()
	o.Held = append([]reconcile.Held{}, plan.Held...)
	for _, action := range plan.Actions {
		o.Actions = append(o.Actions, result{Action: action, Status: "planned"})
	}
}

// note takes an event down and prints a line for each action that ended.
func (o *outcome) note(event reconcile.Event, w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range slices.Backward(o.Actions) {
		if o.Actions[i].ID != event.Action.ID {
			continue
		}
		o.Actions[i].Status = event.Status
		if event.Err != nil {
			o.Actions[i].Error = event.Err.Error()
		}
		break
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
