//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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
	refresh      bool
}

func applyCommand(s *settings) *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Apply the manifests to the node",
		Long: `Apply the manifests to the node, once, with or without the agent. Objects that already
match their manifests are not touched.

Without --wait the command returns when the images are pulled and the starts are queued with
systemd. With --wait it returns when each object has a verdict: its version is confirmed, that is,
it has been ready for minReadySeconds, or it has failed and the last confirmed version runs again.

The last line of the output counts the changes, for scripts. The exit status is 1 when an
action or a version failed, a manifest has an error, or a change is held back; then the first line
on stderr names the cause.`,
		Example: `  davit apply
  davit apply --wait --timeout 5m
  davit apply --dry-run -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd, f, nil)
		},
	}
	waitFlags(cmd, &f)
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "only show the plan")
	flags.BoolVar(&f.refresh, "refresh", false, "also render units again that an older davit has rendered and that still work")
	flags.BoolVar(&f.confirmPrune, "confirm-prune", false, "also remove many units at once, or all, and apply changes that hide the data of a volume")
	return cmd
}

// waitFlags are the flags of every command that changes workloads.
func waitFlags(cmd *cobra.Command, f *applyFlags) {
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait until each change is confirmed, or does not work")
	cmd.Flags().DurationVar(&f.timeout, "timeout", defaultTimeout, "give up after this long")
}

const defaultTimeout = 10 * time.Minute

// open connects to the node, for a command that changes it.
func (s *settings) open(ctx context.Context, progress func(images.Progress)) (*agent.Node, error) {
	patience := agent.ForChange
	patience.Progress = progress
	return agent.Open(ctx, patience)
}

// waiting prints which davit is waited for.
func waiting(w io.Writer) func(holder string) {
	return func(holder string) { printLine(w, "waiting for %s to finish", holder) }
}

// decide lets a command decide about the node while no other davit changes it.
func decide(ctx context.Context, progress io.Writer, decide func() error) error {
	unlock, _, err := agent.Lock(ctx, waiting(progress))
	if err != nil {
		return err
	}
	defer unlock()
	return decide()
}

// run brings the node into the state of its manifests, after decision has been taken; nil for none.
func (s *settings) run(cmd *cobra.Command, f applyFlags, decision func(*agent.Node, source) error) error {
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
	bars := newPullBars(s.eventWriter(cmd), cmd.ErrOrStderr())
	defer bars.end()
	node, err := s.open(ctx, bars.report)
	if err != nil {
		return err
	}
	defer node.Close()
	node.Configure(from.config)
	node.Refresh = f.refresh
	if decision != nil {
		if err := decide(ctx, s.eventWriter(cmd), func() error { return decision(node, from) }); err != nil {
			return err
		}
	}
	outcome := &outcome{Held: []reconcile.Held{}, Actions: []result{}, Failures: []agent.Failure{}}
	if f.dryRun {
		err = s.dryRun(ctx, node, from, outcome)
	} else {
		err = s.apply(ctx, cmd, f, node, from, outcome)
	}
	bars.end()
	printErr := s.print(cmd.OutOrStdout(), outcome, func() error { return outcome.print(cmd.OutOrStdout(), f.dryRun) })
	for _, diagnostic := range from.set.All() {
		outcome.warnings = append(outcome.warnings, errors.New(diagnostic.String()))
	}
	err = outcome.withWarnings(errors.Join(outcome.failure(), err, printErr), cmd.ErrOrStderr())
	if err == nil && (len(from.set.Diagnostics) > 0 || outcome.refused) {
		return exitError(1)
	}
	return err
}

// dryRun only plans.
func (s *settings) dryRun(ctx context.Context, node *agent.Node, from source, outcome *outcome) error {
	plan, err := node.Plan(ctx, from.set, from.guard)
	if err == nil {
		outcome.planned(plan)
	}
	return err
}

// apply makes passes until all is done, or under way.
func (s *settings) apply(ctx context.Context, cmd *cobra.Command, f applyFlags, node *agent.Node, from source, outcome *outcome) error {
	result, err := node.Apply(ctx, agent.Pass{
		Set: from.set, Guard: from.guard, Revision: from.revision, Planned: outcome.planned,
		Observe: func(event reconcile.Event) { outcome.note(event, s.eventWriter(cmd)) },
	}, f.wait, waiting(s.eventWriter(cmd)))
	if outcome.Failures = append(outcome.Failures, result.Impossible...); f.wait {
		outcome.Failures = append(outcome.Failures, result.Failures...)
	}
	if f.wait && err == nil {
		outcome.Failures = append(outcome.Failures, result.Unsettled()...)
	}
	if result.Warning != nil {
		outcome.warnings = append(outcome.warnings, fmt.Errorf("warning: a part of the history is left out: %w", result.Warning))
	}
	if result.Housekeeping != nil {
		outcome.warnings = append(outcome.warnings, fmt.Errorf("warning: the node cannot be tidied up: %w", result.Housekeeping))
	}
	return err
}

// eventWriter returns the writer for lines that people read; in structured output they would break the data.
func (s *settings) eventWriter(cmd *cobra.Command) io.Writer {
	if s.output == "text" {
		return cmd.OutOrStdout()
	}
	return io.Discard
}

// outcome is the output of apply as data.
type outcome struct {
	Changed   int              `json:"changed"`
	Unchanged int              `json:"unchanged"`
	Failed    int              `json:"failed"`
	Held      []reconcile.Held `json:"held"`
	Actions   []result         `json:"actions"`
	// Failures are the objects whose change does not work, and why.
	Failures []agent.Failure `json:"failures"`

	warnings []error // also of the manifests
	refused  bool    // something is held back that was not asked to be
	begun    bool    // there was a plan before
	errs     map[string]error
	said     map[string]bool // causes that have a line already
	mu       sync.Mutex
}

type result struct {
	reconcile.Action
	Status reconcile.Status `json:"status"`
	Error  string           `json:"error,omitempty"`
}

// planned records a plan: the change's, or a later one of it, with the rest of its actions, or with those that
// roll it back.
func (o *outcome) planned(plan reconcile.Plan) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refused = plan.Refused(); !o.begun || plan.Unchanged < o.Unchanged {
		o.Unchanged = plan.Unchanged
	}
	o.begun = true
	o.Held = append([]reconcile.Held{}, plan.Held...)
	for _, action := range plan.Actions {
		if i := o.find(action.ID); i >= 0 && o.Actions[i].Status != reconcile.Done {
			o.Actions[i].Action = action
			continue
		}
		o.Actions = append(o.Actions, result{Action: action, Status: "planned"})
	}
}

// find is the last action with the id; -1 for none.
func (o *outcome) find(id string) int {
	for i, known := range slices.Backward(o.Actions) {
		if known.ID == id {
			return i
		}
	}
	return -1
}

// note takes an event down and prints a line for each action that ended.
func (o *outcome) note(event reconcile.Event, w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id := event.Action.ID
	if i := o.find(id); i >= 0 {
		o.Actions[i].Status, o.Actions[i].Error = event.Status, ""
		if event.Err != nil {
			o.Actions[i].Error = event.Err.Error()
		}
	}
	if o.errs == nil {
		o.errs = map[string]error{}
	}
	before := o.errs[id]
	delete(o.errs, id)
	repeated := before != nil && event.Err != nil && before.Error() == event.Err.Error()
	switch event.Status {
	case reconcile.Done:
		o.Changed++
		printLine(w, "%-15s %s: %s", event.Action.Verb, event.Action.Subject(), event.Action.Reason)
	case reconcile.Failed:
		if o.errs[id] = event.Err; repeated {
			return
		}
		o.Failed++
		printLine(w, "%-15s %s", "failed", event.Err)
		o.isNew(event.Err.Error())
	case reconcile.Skipped:
		why := causeOf(event.Err.Error())
		if object, _, _ := strings.Cut(why, ": "); !o.isNew(why) {
			why = "because of " + object
		}
		printLine(w, "%-15s %s %s: %s", "skipped", event.Action.Verb, event.Action.Subject(), why)
	}
}

// causeOf returns the reason why an action was skipped.
func causeOf(skipped string) string {
	return strings.TrimPrefix(skipped, string(reconcile.Skipped)+": ")
}

// isNew notes that a cause has its line, and reports whether it had none before.
func (o *outcome) isNew(cause string) bool {
	if o.said == nil {
		o.said = map[string]bool{}
	}
	known := o.said[cause]
	o.said[cause] = true
	return !known
}

// withWarnings adds the warnings to an error, after its causes; without an error it prints them.
func (o *outcome) withWarnings(err error, w io.Writer) error {
	if err != nil {
		return errors.Join(append([]error{err}, o.warnings...)...)
	}
	for _, warning := range o.warnings {
		printLine(w, "%s", warning)
	}
	return nil
}

// failure is the error of failed objects and actions, each in a line, the objects that were changed first; nil for
// none.
func (o *outcome) failure() error {
	var failures []error
	unchanged := func(f agent.Failure) int {
		if slices.ContainsFunc(o.Actions, func(action result) bool { return action.Object == f.Object }) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(o.Failures, func(a, b agent.Failure) int { return cmp.Compare(unchanged(a), unchanged(b)) })
	for _, failure := range o.Failures {
		failures = append(failures, fmt.Errorf("%s: %s", failure.Object, causeOf(failure.Reason)))
	}
	for _, action := range o.Actions {
		err := o.errs[action.ID]
		said := func(f agent.Failure) bool { return f.Object == action.Object || causeOf(f.Reason) == err.Error() }
		if err != nil && !slices.ContainsFunc(o.Failures, said) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

func (o *outcome) print(w io.Writer, planned bool) error {
	if planned {
		for _, action := range o.Actions {
			printLine(w, "%-15s %s: %s", action.Verb, action.Subject(), action.Reason)
		}
	}
	for _, held := range o.Held {
		printLine(w, "%-15s %s: %s", "held", held.Object, held.Reason)
	}
	return printLine(w, "changed=%d unchanged=%d failed=%d held=%d", o.Changed, o.Unchanged, o.Failed, len(o.Held))
}
