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
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Report is the output of davit status.
type Report struct {
	Objects     []ObjectReport     `json:"objects"`
	Diagnostics object.Diagnostics `json:"diagnostics"`
	// Orphans are the named volumes that no manifest has any more.
	Orphans []string `json:"orphans"`
	// Held is the reason why the whole node is held back, such as a rollback.
	Held []reconcile.Held `json:"held,omitempty"`
	// Warning is the part of the history that cannot be read; empty for none.
	Warning string `json:"warning,omitempty"`
	// Unchecked is why running containers cannot be checked for drift; empty if they can.
	Unchecked string `json:"unchecked,omitempty"`
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
	// Ports are those that it publishes on the node.
	Ports  []bundle.Port `json:"ports,omitempty"`
	Source string        `json:"source,omitempty"`
	// Ready is the result of the readiness probe; nil if the container has none, or if the agent that would run it does not run.
	Ready *bool `json:"ready,omitempty"`
	// Probed is set where there is a readiness probe.
	Probed bool `json:"probed,omitempty"`
	// Status is the unit's own status text, or the reason why it is not ready.
	Status string `json:"status,omitempty"`
	// Runs are a job's last runs, the last one first.
	Runs []Run `json:"runs,omitempty"`
	// Generation is the number of the generation with the desired version, Revision its commit.
	Generation int    `json:"generation,omitempty"`
	Revision   string `json:"revision,omitempty"`
	// Update is how the change to that went.
	Update UpdateResult `json:"update,omitempty"`
	// Causes are why it is not as it should be, the root first; none where it is.
	Causes []Cause `json:"causes,omitempty"`
	// Next is the next event for it without action by a person; nil if none is needed.
	Next *Next `json:"next,omitempty"`
	// Conditions say the same in Kubernetes' form.
	Conditions []Condition `json:"conditions"`

	state units.State
	// fullQuota is the limit of the disk that it has used up; empty for none.
	fullQuota string
	// brought is when its generation was, readySince when its readiness last changed.
	brought, readySince time.Time
}

// Report compares the manifests with the node, object by object.
func (n *Node) Report(ctx context.Context, set *manifests.Set, guard Guard) (Report, error) {
	n.AskRegistries(ctx, set)
	v, err := n.look(ctx, set)
	if err != nil {
		return Report{}, err
	}
	plan, err := n.planFor(v, guard, true)
	if err != nil {
		return Report{}, err
	}
	report, _, err := n.reportOn(ctx, set, v, plan)
	if err == nil {
		err = report.addRuns(ctx, shownRuns(set, v.actual.Workloads))
	}
	return report, err
}

// addRuns adds the last runs of units to their rows.
func (r *Report) addRuns(ctx context.Context, shown map[string]runLimits) error {
	runs, err := runsOf(ctx, shown)
	for i := range r.Objects {
		row := &r.Objects[i]
		row.Runs = runs[row.Unit]
		if row.state.SubState.Restarting() { // to systemd a launcher that waits has begun a run
			row.Runs = slices.DeleteFunc(row.Runs, func(run Run) bool { return run.Ended == nil })
		}
	}
	return err
}

// reportOn also returns the facts for further explanations.
func (n *Node) reportOn(ctx context.Context, set *manifests.Set, v *view, plan reconcile.Plan) (Report, *explainer, error) {
	report := Report{Diagnostics: set.Diagnostics, Orphans: []string{}}
	for _, name := range slices.Sorted(maps.Keys(v.actual.Volumes)) {
		if _, wanted := v.desired.Volumes[name]; !wanted {
			report.Orphans = append(report.Orphans, name)
		}
	}
	rows, err := n.rows(ctx, v)
	if err != nil {
		return Report{}, nil, err
	}
	report.Objects = rows
	now := time.Now()
	w := newExplainer(set, v, plan, now)
	w.addUnmade(&report)
	slices.SortFunc(report.Objects, func(a, b ObjectReport) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Unit, b.Unit))
	})
	for i := range report.Objects {
		w.add(&report.Objects[i])
	}
	if v.warning != nil {
		report.Warning = v.warning.Error()
	}
	if n.unchecked != nil {
		report.Unchecked = n.unchecked.Error()
	}
	if v.pinned {
		report.Held = v.held
	}
	remembered := readMemory()
	for i := range report.Objects {
		row := &report.Objects[i]
		if generation, ok := history.BroughtBy(row.Object, v.kept); ok {
			row.Generation, row.Revision, row.brought = generation.Number, generation.Revision, generation.Began
		}
		row.Update = v.updated(row.Object)
		row.Causes = w.ofRow(row)
		row.Next = w.next(row)
		row.Conditions = w.conditions(row, remembered[row.key()])
	}
	return report, w, remember(report.Objects, remembered)
}

// UpdateResult is how the last change of an object went.
type UpdateResult string

// The results.
const (
	Updated      UpdateResult = "updated"
	UpdateFailed UpdateResult = "failed"
	RolledBack   UpdateResult = "rolled back"
	Unconfirmed  UpdateResult = "not confirmed yet" // it has not been ready for long enough
)

// updated is how the last change of an object went; "" where there was none.
func (v *view) updated(object string) UpdateResult {
	back := func(held reconcile.Held) bool { return held.Object == object && held.By == reconcile.ByFailedChange }
	switch {
	case len(v.kept) == 0 || v.kept[0].Objects[object] == "":
		return ""
	case slices.ContainsFunc(v.held, back):
		return RolledBack
	case v.kept[0].Failed[object] != "":
		return UpdateFailed
	case v.kept[0].Works(object):
		return Updated
	default:
		return Unconfirmed
	}
}

// rows are the workloads that are wanted or there.
func (n *Node) rows(ctx context.Context, v *view) ([]ObjectReport, error) {
	rows := []ObjectReport{}
	for unit, workload := range v.desired.Workloads {
		if _, exists := v.actual.Workloads[unit]; !exists && !names.IsSlice(unit) {
			rows = append(rows, reportAbsent(unit, workload, v.actual))
		}
	}
	states, err := n.statesOf(ctx, v.actual.Workloads)
	if err != nil {
		return nil, err
	}
	for unit, state := range states {
		workload := v.actual.Workloads[unit]
		row, err := reportUnit(unit, workload, state)
		if err != nil {
			return nil, err
		}
		if ended, ok := v.actual.Completed[workload.BundleDir]; ok && row.State == "inactive (dead)" {
			row.State, row.Since = completed, &ended
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// States that are not systemd's.
const (
	absent    = "absent"
	completed = "completed"
)

// addUnmade adds the workloads that never came so far as to have a unit, because their manifests have
// an error or something they need cannot be had.
func (w *explainer) addUnmade(report *Report) {
	known := map[string]bool{}
	for _, row := range report.Objects {
		known[row.Object] = true
	}
	add := func(object string) {
		kind, _, _ := strings.Cut(object, "/")
		if !known[object] && !data[kind] {
			known[object] = true
			report.Objects = append(report.Objects, ObjectReport{Object: object, State: absent})
		}
	}
	for object := range w.diagnostics {
		add(object)
	}
	for object := range w.waiting {
		add(object)
	}
	for object := range w.problems {
		add(object)
	}
}

// data are the kinds whose objects run nothing. Objects of unknown kinds may run something.
var data = map[string]bool{
	v1.KindNetwork: true, v1.KindVolume: true, v1.KindImage: true, v1.KindConfig: true, v1.KindSecret: true,
}

// reportAbsent reports a workload whose unit is not there: not yet, or a finished job's no more.
func reportAbsent(unit string, workload reconcile.Workload, actual reconcile.Actual) ObjectReport {
	report := ObjectReport{Object: workload.Ref.String(), Unit: unit, State: absent, Source: workload.Source}
	if ended, ok := actual.Completed[workload.BundleDir]; ok {
		report.State, report.Since = completed, &ended
	}
	if workload.Bundle != nil {
		report.Image, report.Digest = workload.Bundle.Image.Reference, workload.Bundle.Image.Digest
	}
	return report
}

func reportUnit(unit string, workload reconcile.ActualWorkload, state units.State) (ObjectReport, error) {
	report := ObjectReport{
		Object: workload.Ref.String(), Unit: unit, MainPID: state.MainPID, Source: workload.SourcePath,
		State: fmt.Sprintf("%s (%s)", state.ActiveState, state.SubState), state: state,
	}
	report.Restarts = state.Restarts
	report.LastRun = lastRun(unit)
	if state.Result != "success" {
		report.Result = state.Result
	}
	if state.ActiveState == names.Failed {
		report.State = fmt.Sprintf("failed (%s)", state.Result)
	}
	if state.Since > 0 {
		since := time.UnixMicro(int64(state.Since))
		report.Since = &since
	}
	if workload.Bundle != nil {
		report.Image, report.Digest = workload.Bundle.Image.Reference, workload.Bundle.Image.Digest
		report.Ports = workload.Bundle.Network.Ports
		report.Probed = workload.Bundle.Health.Readiness != nil
		report.readiness(workload.Bundle)
		if full, ok := health.FullQuota(workload.Bundle); ok && state.MainPID != 0 {
			report.fullQuota = full.String()
		}
	}
	return report, nil
}

// readiness records the result of a container's readiness probe, its reason, and the time of its last change. The launcher runs
// the probe until the unit is up, and the agent afterwards.
func (r *ObjectReport) readiness(b *bundle.Bundle) {
	r.Status = r.state.StatusText
	if b.Health.Readiness == nil {
		return
	}
	record := health.Read(b.ID)
	switch {
	case !r.isActive():
		r.Ready = new(false)
	case record == nil || record.Invocation != r.state.Invocation || !health.Watched():
	default:
		r.Ready, r.readySince, r.Status = &record.Ready, record.Since, cmp.Or(record.Reason, r.Status)
	}
}
