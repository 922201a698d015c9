package agent

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Condition is an aspect of a workload, in the form that Kubernetes' objects have
// (https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties).
type Condition struct {
	Type   ConditionType   `json:"type"`
	Status ConditionStatus `json:"status"`
	// Reason is a word for programs, Message is for people.
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// LastTransitionTime is the time of the last change of the status. For facts of systemd it is systemd's; for others it is not
	// before the node's boot.
	LastTransitionTime time.Time `json:"lastTransitionTime"`
}

// ConditionType says which aspect.
type ConditionType string

// The types. Reconciling and Stalled are those of kstatus
// (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus); all is well when both are
// false.
const (
	// Accepted is true when the manifest is right, is meant for this node, is allowed by its policy, and
	// all that it names can be had.
	Accepted ConditionType = "Accepted"
	// Applied is true when the node has it as the manifest says.
	Applied ConditionType = "Applied"
	// Ready is true when it runs and can serve, or has ended well where it is to end.
	Ready ConditionType = "Ready"
	// Reconciling is true while davit or systemd are about to do something about it.
	Reconciling ConditionType = "Reconciling"
	// Stalled is true if something is wrong that only a person can repair.
	Stalled ConditionType = "Stalled"
)

// ConditionStatus is Kubernetes' word for whether it holds.
type ConditionStatus string

// The statuses.
const (
	ConditionTrue    ConditionStatus = "True"
	ConditionFalse   ConditionStatus = "False"
	ConditionUnknown ConditionStatus = "Unknown"
)

// Words of conditions that have no cause.
const (
	reasonRunning   = "Running"
	reasonIdle      = "Idle" // it runs when its time comes
	reasonPending   = "Pending"
	reasonProgress  = "Progressing"
	reasonWell      = "AsWanted"
	reasonUnwatched = "AgentNotRunning"
)

// conditions computes the conditions of a row from its facts and its earlier conditions.
func (w *explainer) conditions(row *ObjectReport, before memory) []Condition {
	conditions := []Condition{w.accepted(row), w.applied(row), w.readyCondition(row), w.reconciling(row), w.stalled(row)}
	for i := range conditions {
		c := &conditions[i]
		known, ok := before.Conditions[c.Type]
		switch {
		case !c.LastTransitionTime.IsZero():
		case ok && known.Status == c.Status:
			c.LastTransitionTime = known.Since
		case !ok && !row.brought.IsZero() && c.Status == ConditionTrue && c.Type != Reconciling && c.Type != Stalled:
			c.LastTransitionTime = row.brought
		default:
			c.LastTransitionTime = w.now
		}
		c.LastTransitionTime = c.LastTransitionTime.UTC().Truncate(time.Second)
	}
	return conditions
}

func (w *explainer) accepted(row *ObjectReport) Condition {
	for _, cause := range row.Causes {
		if cause.isManifest() || len(w.problems[row.Object]) > 0 {
			return of(Accepted, ConditionFalse, cause)
		}
	}
	return Condition{Type: Accepted, Status: ConditionTrue, Reason: string(Accepted), Message: "the manifest can be applied"}
}

func (w *explainer) applied(row *ObjectReport) Condition {
	for _, held := range w.held[row.Object] {
		return Condition{Type: Applied, Status: ConditionFalse, Reason: string(held.By), Message: held.Reason}
	}
	if action, planned := w.planned(row); planned {
		return Condition{
			Type: Applied, Status: ConditionFalse, Reason: reasonPending, Message: fmt.Sprintf("%s: %s", action.Verb, action.Reason),
		}
	}
	if row.State == absent {
		return Condition{Type: Applied, Status: ConditionFalse, Reason: reasonPending, Message: "it is not on the node"}
	}
	return Condition{Type: Applied, Status: ConditionTrue, Reason: string(Applied), Message: "the node matches the manifest"}
}

func (w *explainer) readyCondition(row *ObjectReport) Condition {
	c := Condition{Type: Ready, Message: row.State, LastTransitionTime: row.readySince}
	c.Status, c.Reason = w.ready(row)
	if c.Status == ConditionFalse && len(row.Causes) > 0 {
		c.Reason, c.Message = row.Causes[0].Reason, row.Causes[0].Message
	}
	switch state := row.state; {
	case !c.LastTransitionTime.IsZero():
	case row.isActive():
		c.LastTransitionTime = time.UnixMicro(int64(state.Entered))
	case state.Left > 0 && c.Status == ConditionFalse:
		c.LastTransitionTime = time.UnixMicro(int64(state.Left))
	case row.State == completed:
		c.LastTransitionTime = *row.Since
	}
	return c
}

// ready reports whether a unit does its work.
func (w *explainer) ready(row *ObjectReport) (status ConditionStatus, reason string) {
	keep := w.view.desired.Workloads[row.Unit].Keep
	switch {
	case row.State == completed:
		return ConditionTrue, reasonEnded
	case row.isActive() && row.Probed && row.Ready == nil:
		return ConditionUnknown, reasonUnwatched
	case row.Ready != nil && !*row.Ready:
		return ConditionFalse, reasonNotReady
	case row.isActive():
		return ConditionTrue, reasonRunning
	case row.state.ActiveState == names.Inactive && (keep == reconcile.KeepIdle || keep == reconcile.KeepApart):
		return ConditionTrue, reasonIdle
	case row.state.ActiveState == names.Inactive && keep == reconcile.KeepStarted && row.LastRun != nil:
		return ConditionTrue, reasonEnded
	default:
		return ConditionFalse, reasonPending
	}
}

func (w *explainer) reconciling(row *ObjectReport) Condition {
	if row.Next != nil && row.Next.By != ByNobody {
		return Condition{Type: Reconciling, Status: ConditionTrue, Reason: reasonProgress, Message: row.Next.String()}
	}
	return Condition{Type: Reconciling, Status: ConditionFalse, Reason: reasonWell, Message: "nothing is under way"}
}

func (w *explainer) stalled(row *ObjectReport) Condition {
	if row.Next != nil && row.Next.By == ByNobody && len(row.Causes) > 0 && !w.intended(row) {
		return of(Stalled, ConditionTrue, row.Causes[0])
	}
	return Condition{Type: Stalled, Status: ConditionFalse, Reason: reasonWell, Message: "no error needs a person"}
}

// intended reports whether an operator or a manifest asks for this state.
func (w *explainer) intended(row *ObjectReport) bool {
	for _, held := range w.held[row.Object] {
		if held.Intended {
			return true
		}
	}
	return row.Causes[0].Stage == StageSelection
}

// of is a condition that a cause makes.
func of(kind ConditionType, status ConditionStatus, cause Cause) Condition {
	message := cause.Message
	return Condition{Type: kind, Status: status, Reason: cause.Reason, Message: message}
}

// memory is the state of a row that survives restarts of davit until the node shuts down.
type memory struct {
	Conditions map[ConditionType]since `json:"conditions"`
	// Told is the last state in the journal.
	Told string `json:"told,omitempty"`
}

type since struct {
	Status ConditionStatus `json:"status"`
	Since  time.Time       `json:"since"`
}

// memoryFile lies on a tmpfs: at steady state nothing is written, and otherwise no disk is worn.
const memoryFile = bundle.RunDir + "/conditions.json"

// key names a row.
func (r *ObjectReport) key() string { return cmp.Or(r.Unit, r.Object) }

// readMemory reads the memory of all rows; it is empty if the file cannot be read.
func readMemory() map[string]memory {
	text, err := os.ReadFile(memoryFile)
	remembered := map[string]memory{}
	if err != nil || json.Unmarshal(text, &remembered) != nil {
		return map[string]memory{}
	}
	return remembered
}

// remember keeps the conditions for the next look, where one changed.
func remember(rows []ObjectReport, before map[string]memory) error {
	fresh := map[string]memory{}
	for i := range rows {
		m := memory{Conditions: map[ConditionType]since{}, Told: before[rows[i].key()].Told}
		for _, c := range rows[i].Conditions {
			m.Conditions[c.Type] = since{c.Status, c.LastTransitionTime}
		}
		fresh[rows[i].key()] = m
	}
	return writeMemory(fresh, before)
}

// writeMemory writes the memory if it changed. A user without permission, such as one who calls davit status, skips the write.
func writeMemory(fresh, before map[string]memory) error {
	if reflect.DeepEqual(fresh, before) {
		return nil
	}
	text, err := json.Marshal(fresh)
	if err == nil {
		err = disk.WriteFile(memoryFile, text, 0o600)
	}
	if err != nil && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("record the times of conditions: %w", err)
	}
	return nil
}
