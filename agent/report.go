package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// Report is what davit status shows.
type Report struct {
	Objects     []ObjectReport        `json:"objects"`
	Diagnostics manifests.Diagnostics `json:"diagnostics"`
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
	// Note says what differs from the manifest and what would be done about it.
	Note string `json:"note,omitempty"`
}

// Report compares the manifests with the node, object by object.
func (n *Node) Report(ctx context.Context, set *manifests.Set, guard Guard) (Report, error) {
	desired, err := n.Resolve(ctx, set.Objects)
	if err != nil {
		return Report{}, err
	}
	actual, err := n.Observe(ctx, desired)
	if err != nil {
		return Report{}, err
	}
	notes := notes(guard.diff(desired, actual))
	report := Report{Objects: []ObjectReport{}, Diagnostics: set.Diagnostics}
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
		object.Note = cmp.Or(notes[object.Object], ending(object))
		if ended, ok := actual.Completed[workload.BundleDir]; ok && object.State == "inactive (dead)" {
			object.State, object.Since = "completed", &ended
		}
		report.Objects = append(report.Objects, object)
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
	}
	return report, nil
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
