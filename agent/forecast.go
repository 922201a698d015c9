package agent

import (
	"fmt"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/names"
)

// Next is the next event for a workload that is not in its desired state.
type Next struct {
	// By is the actor: davit, systemd, or nobody if the state stays until a person changes something.
	By Actor `json:"by"`
	// Action is the action, for people: "pulls its image again".
	Action string `json:"action"`
	// At is when, at the latest where a time runs out; nil where no time is set.
	At *time.Time `json:"at,omitempty"`
}

// Actor is who acts next.
type Actor string

// The actors.
const (
	ByDavit   Actor = "davit"
	BySystemd Actor = "systemd"
	ByNobody  Actor = "nobody"
)

// String says it in a few words, with how long it is until then.
func (n Next) String() string {
	text := n.Action
	if n.By != ByNobody {
		text = string(n.By) + " " + text
	}
	if n.At == nil {
		return text
	}
	return fmt.Sprintf("%s in %s", text, max(time.Until(*n.At), 0).Round(time.Second))
}

// until returns the change that is needed if nothing happens by itself, by the reason that holds the change back.
var until = map[reconcile.Holder]string{
	reconcile.ByForeignUnit:  "nothing until the object is renamed or the other unit is gone",
	reconcile.ByMask:         "nothing until the unit is unmasked",
	reconcile.ByDisable:      "nothing until the unit is enabled",
	reconcile.ByStop:         "nothing until the unit is started",
	reconcile.ByShadow:       "nothing until the other unit file is gone",
	reconcile.BySuspension:   "nothing until davit resume",
	reconcile.ByAnnotation:   "nothing until the annotation is gone",
	reconcile.ByVolume:       "nothing until the Volume is a named one again, or davit apply --confirm-prune",
	reconcile.ByTaken:        "nothing until the other object releases it",
	reconcile.ByListener:     "nothing until that program releases the port, which the next resync detects",
	reconcile.ByPruneGuard:   "nothing until the manifests are complete again, or davit apply --confirm-prune",
	reconcile.ByDriftPolicy:  "nothing until the manifest changes",
	reconcile.ByFailedChange: "nothing until the manifest changes, or davit resume",
	reconcile.ByRollback:     "nothing until the manifests change, or davit resume",
}

// next returns the next event for a row; nil if the row is in its desired state.
func (w *explainer) next(row *ObjectReport) *Next {
	action, planned := w.planned(row)
	switch state := row.state; {
	case state.SubState.Restarting():
		return &Next{BySystemd, "restarts it", later(state.Since, state.RestartDelay)}
	case state.ActiveState == names.Activating:
		if limit := later(state.Since, state.StartTimeout); limit != nil {
			return &Next{BySystemd, "gives up on this start", limit}
		}
		return &Next{BySystemd, "waits for its start", nil}
	case state.ActiveState == names.Deactivating:
		return &Next{BySystemd, "kills its remaining processes", later(state.Since, state.StopTimeout)}
	case len(row.Causes) == 0 && !planned:
		return nil
	}
	_, waits := w.waiting[row.Object]
	if waits || w.leftOut[row.Object] != "" || len(row.Causes) > 0 && row.Causes[0].isManifest() {
		return &Next{By: ByNobody, Action: "nothing until a manifest changes"}
	}
	for _, held := range w.held[row.Object] {
		if onlyAtBoot := held.By == reconcile.ByDisable && row.isActive(); held.By != reconcile.ByProblem && !onlyAtBoot {
			return &Next{By: ByNobody, Action: until[held.By]}
		}
	}
	blocker, blocked := w.blocked[row.Unit]
	over := row.state.ActiveState == names.Failed && !planned && len(w.problems[row.Object]) == 0 // the agent has written the awaited events since
	switch waits := w.upcoming.Objects[row.Object]; {
	case waits.For != "" && !over:
		if waits.Failed {
			return w.byDavit("retries", waits.At)
		}
		return w.byDavit("waits: "+waits.For, waits.At)
	case len(w.problems[row.Object]) > 0:
		return w.byDavit("retries", nil)
	case blocked && planned:
		return w.byDavit("starts it once "+reconcile.Subject(blocker.Object, blocker.Unit)+" runs", nil)
	case planned:
		return w.byDavit(fmt.Sprintf("will %s it: %s", action.Verb, action.Reason), nil)
	case row.isActive() && row.Probed && row.Ready != nil && !*row.Ready:
		return w.byDavit("repeats its readiness probe", nil)
	case row.isActive() && w.view.actual.Workloads[row.Unit].Contested != "":
		return &Next{By: ByNobody, Action: until[reconcile.ByListener]}
	case row.isActive():
		return nil
	default:
		return &Next{By: ByNobody, Action: fmt.Sprintf("nothing until its manifest changes, or systemctl restart %s", row.Unit)}
	}
}

// planned returns davit's planned action for the row: its last one, which the others prepare.
func (w *explainer) planned(row *ObjectReport) (last reconcile.Action, ok bool) {
	for _, action := range w.actions[row.Object] {
		if action.Target == row.Unit || action.Verb.Phase() == reconcile.Fetching {
			last, ok = action, true
		}
	}
	return last, ok
}

// byDavit returns an action of the agent, or of davit apply if no agent runs.
func (w *explainer) byDavit(action string, at *time.Time) *Next {
	if !w.watched {
		return &Next{By: ByNobody, Action: "nothing while the agent does not run: davit apply " + action}
	}
	return &Next{ByDavit, action, at}
}

// isManifest reports whether only another manifest, or another policy, can help.
func (c Cause) isManifest() bool {
	return c.Stage == StageValidation || c.Stage == StagePolicy || c.Stage == StageSelection
}

// later is a time after one of systemd's; nil where nothing bounds it.
func later(micros uint64, after time.Duration) *time.Time {
	if micros == 0 || after == 0 {
		return nil
	}
	at := time.UnixMicro(int64(micros)).Add(after)
	return &at
}
