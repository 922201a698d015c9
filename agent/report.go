package agent

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/davit-project/davit/agent/health"
	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Report is what davit status shows.
type Report struct {
	Objects     []ObjectReport        `json:"objects"`
	Diagnostics manifests.Diagnostics `json:"diagnostics"`
	// Orphans are the named volumes that no manifest has any more.
	Orphans []string `json:"orphans"`
}

// ObjectReport is one workload, wanted or there.
type ObjectReport struct {
	Object string `json:"object"`
	Unit   string `json:"unit"`
	// State is systemd's: "active (running)", or "absent".
	State string `json:"state"`
	// Result is how the last run ended, in systemd's word, where it did not end well.
	Result string `json:"result,omitempty"`
	// Restarts counts how often systemd restarted it since it was last started by hand or by davit.
	Restarts uint32 `json:"restarts,omitempty"`
	// LastRun is how the run before this one ended, or the last one; nil when none has since boot.
	LastRun *bundle.LastRun `json:"lastRun,omitempty"`
	MainPID uint32          `json:"mainPID,omitempty"`
	Since   *time.Time      `json:"since,omitempty"`
	Image   string          `json:"image,omitempty"`
	Digest  string          `json:"digest,omitempty"`
	Source  string          `json:"source,omitempty"`
	// Ready is what the readiness probe comes to; nil where there is none, and where nobody makes
	// it because the agent does not run.
	Ready *bool `json:"ready,omitempty"`
	// Probed is set where there is a readiness probe.
	Probed bool `json:"probed,omitempty"`
	// Status is what the unit says of itself, or why it is not ready.
	Status string `json:"status,omitempty"`
	// Runs are a job's last runs, the last one first.
	Runs []Run `json:"runs,omitempty"`
	// Generation is the one that brought what is wanted now, Revision the commit that it is of.
	Generation int    `json:"generation,omitempty"`
	Revision   string `json:"revision,omitempty"`
	// Note says what differs from the manifest and what would be done about it.
	Note string `json:"note,omitempty"`
}

// Report compares the manifests with the node, object by object.
func (n *Node) Report(ctx context.Context, set *manifests.Set, guard Guard) (Report, error) {
	report, _, _, err := n.report(ctx, set, guard)
	return report, err
}

// report also returns what it was made from.
func (n *Node) report(ctx context.Context, set *manifests.Set, guard Guard) (Report, *view, reconcile.Plan, error) {
	v, err := n.look(ctx, set)
	if err != nil {
		return Report{}, nil, reconcile.Plan{}, err
	}
	plan, err := n.planFor(v, guard, WaitServices)
	if err != nil {
		return Report{}, nil, reconcile.Plan{}, err
	}
	report, err := n.reportOn(ctx, set, v, plan)
	return report, v, plan, err
}

func (n *Node) reportOn(ctx context.Context, set *manifests.Set, v *view, plan reconcile.Plan) (Report, error) {
	desired, actual := v.desired, v.actual
	notes, blocked := notes(plan), blocked(plan, desired, actual)
	report := Report{Objects: []ObjectReport{}, Diagnostics: set.Diagnostics, Orphans: []string{}}
	for _, name := range slices.Sorted(maps.Keys(actual.Volumes)) {
		if _, wanted := desired.Volumes[name]; !wanted {
			report.Orphans = append(report.Orphans, name)
		}
	}
	for unit, workload := range desired.Workloads {
		if _, exists := actual.Workloads[unit]; !exists && !strings.HasSuffix(unit, ".slice") {
			report.Objects = append(report.Objects, reportAbsent(unit, workload, actual, notes))
		}
	}
	for _, problem := range desired.Problems {
		unit := problem.Ref.Name + ".service"
		if _, exists := actual.Workloads[unit]; !exists && problem.Ref.Kind == v1.KindContainer {
			object := problem.Ref.String()
			report.Objects = append(report.Objects, ObjectReport{Object: object, Unit: unit, State: "absent", Note: notes[object]})
		}
	}
	for unit, workload := range actual.Workloads {
		if strings.HasSuffix(unit, ".slice") {
			continue // it does nothing by itself
		}
		object, err := n.reportUnit(ctx, unit, workload)
		if err != nil {
			return Report{}, err
		}
		object.Note = cmp.Or(blocked[unit], notes[object.Object], ending(object))
		if successful, failed := kept(set, workload.Ref); workload.Bundle != nil && successful+failed > 0 {
			if object.Runs, err = Runs(ctx, unit, successful, failed); err != nil {
				return Report{}, err
			}
		}
		if ended, ok := actual.Completed[workload.BundleDir]; ok && object.State == "inactive (dead)" {
			object.State, object.Since = "completed", &ended
		}
		report.Objects = append(report.Objects, object)
	}
	for i := range report.Objects {
		if generation, ok := reconcile.BroughtBy(report.Objects[i].Object, v.kept); ok {
			report.Objects[i].Generation, report.Objects[i].Revision = generation.Number, generation.Revision
		}
	}
	slices.SortFunc(report.Objects, func(a, b ObjectReport) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Unit, b.Unit))
	})
	return report, nil
}

// reportAbsent reports a workload whose unit is not there: not yet, or a finished job's no more.
func reportAbsent(unit string, workload reconcile.Workload, actual reconcile.Actual, notes map[string]string) ObjectReport {
	object := workload.Ref.String()
	report := ObjectReport{Object: object, Unit: unit, State: "absent", Source: workload.Source, Note: notes[object]}
	if ended, ok := actual.Completed[workload.BundleDir]; ok {
		report.State, report.Since = "completed", &ended
	}
	if workload.Bundle != nil {
		report.Image, report.Digest = workload.Bundle.Image.Reference, workload.Bundle.Image.Digest
	}
	return report
}

func (n *Node) reportUnit(ctx context.Context, unit string, workload reconcile.ActualWorkload) (ObjectReport, error) {
	state, err := n.Systemd.State(ctx, unit)
	if err != nil {
		return ObjectReport{}, err
	}
	report := ObjectReport{
		Object: workload.Ref.String(), Unit: unit, MainPID: state.MainPID, Source: workload.SourcePath,
		State: fmt.Sprintf("%s (%s)", state.ActiveState, state.SubState),
	}
	report.Restarts = state.Restarts
	if report.LastRun, err = lastRun(unit); err != nil {
		return ObjectReport{}, err
	}
	if state.Result != "success" {
		report.Result = state.Result
	}
	if state.ActiveState == "failed" {
		report.State = fmt.Sprintf("failed (%s)", state.Result)
	}
	if state.Since > 0 {
		since := time.UnixMicro(int64(state.Since))
		report.Since = &since
	}
	if workload.Bundle != nil {
		report.Image, report.Digest = workload.Bundle.Image.Reference, workload.Bundle.Image.Digest
		report.Probed = workload.Bundle.Health.Readiness != nil
		report.Ready, report.Status = readiness(workload.Bundle, state)
	}
	return report, nil
}

// readiness is what a container's readiness probe comes to, and why. Until the unit is up the
// launcher makes it, afterwards the agent.
func readiness(b *bundle.Bundle, state units.State) (ready *bool, status string) {
	switch record := health.Read(b.ID); {
	case b.Health.Readiness == nil:
		return nil, state.StatusText
	case state.ActiveState != "active" && state.ActiveState != "reloading":
		return new(false), state.StatusText
	case record == nil || record.Invocation != state.Invocation || !health.Watched():
		return nil, state.StatusText
	default:
		return &record.Ready, cmp.Or(record.Reason, state.StatusText)
	}
}

// blocked says for each unit that is to run what keeps it from running.
func blocked(plan reconcile.Plan, desired reconcile.Desired, actual reconcile.Actual) map[string]string {
	blocked := reconcile.Blocked(desired, actual)
	maps.DeleteFunc(blocked, func(unit, _ string) bool {
		return !slices.ContainsFunc(plan.Actions, func(a reconcile.Action) bool { return a.Verb == reconcile.Start && a.Target == unit })
	})
	return blocked
}

// ending says how the last run ended, where it did not end well.
func ending(object ObjectReport) string {
	if object.LastRun == nil || object.LastRun.Result == "success" {
		return ""
	}
	text := "last run: " + object.LastRun.String()
	if object.Restarts > 0 {
		text += fmt.Sprintf(", restarted %d times", object.Restarts)
	}
	return text
}

// notes says for each object what a plan would do about it.
func notes(plan reconcile.Plan) map[string]string {
	notes := map[string]string{}
	for _, action := range plan.Actions {
		notes[action.Object] = fmt.Sprintf("%s: %s", action.Verb, action.Reason)
	}
	for _, held := range plan.Held {
		notes[held.Object] = held.Reason
	}
	return notes
}
