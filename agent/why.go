package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
)

// Explanation is why an object is as it is.
type Explanation struct {
	Object string `json:"object"`
	// Causes are the chain of what keeps it from being as its manifest says, the root first; none
	// when it is as it should be.
	Causes []Cause `json:"causes"`
	// Units are its units as they are.
	Units []ObjectReport `json:"units"`
	// Generation is the one that brought what is wanted now, Revision the commit that it is of.
	Generation int    `json:"generation,omitempty"`
	Revision   string `json:"revision,omitempty"`
	// Next are the actions that davit would take about it now.
	Next []reconcile.Action `json:"next"`
}

// Cause is one link of the chain.
type Cause struct {
	Stage  Stage  `json:"stage"`
	Object string `json:"object"`
	Reason string `json:"reason"`
}

// Stage is the step on the way from a manifest to a running container that a cause lies in.
type Stage string

// The stages, in the order in which they are passed.
const (
	StageValidation Stage = "validation" // the manifest has an error
	StageSelection  Stage = "selection"  // the manifest is not for this node, or disabled
	StageResolve    Stage = "resolve"    // an image, a file or a runtime cannot be found
	StageHeld       Stage = "held"       // a guard or a person holds the change back
	StageUpdate     Stage = "update"     // the change did not work
	StageDependency Stage = "dependency" // what it needs does not run
	StageRun        Stage = "run"        // the container ended, or does not start
	StageProbe      Stage = "probe"      // the container runs and is not ready
)

// ErrNoObject is returned for a name that neither the manifests nor the node have.
var ErrNoObject = errors.New("there is no such object, wanted or there: see davit status")

// Why explains an object, "Container/web".
func (n *Node) Why(ctx context.Context, set *manifests.Set, guard Guard, object string) (Explanation, error) {
	report, v, plan, err := n.report(ctx, set, guard)
	if err != nil {
		return Explanation{}, err
	}
	w := &explainer{set: set, view: v, plan: plan, report: report, blocked: reconcile.Blocked(v.desired, v.actual), seen: map[string]bool{}}
	w.said = func(unit, reason string) string { return n.withLastWords(ctx, unit, errors.New(reason)).Error() }
	explanation := Explanation{Object: object, Causes: w.causes(object), Units: []ObjectReport{}, Next: []reconcile.Action{}}
	for _, unit := range report.Objects {
		if unit.Object == object {
			explanation.Units = append(explanation.Units, unit)
		}
	}
	if generation, ok := reconcile.BroughtBy(object, v.kept); ok {
		explanation.Generation, explanation.Revision = generation.Number, generation.Revision
	}
	for _, action := range plan.Actions {
		if action.Object == object {
			explanation.Next = append(explanation.Next, action)
		}
	}
	if len(explanation.Units) == 0 && len(explanation.Causes) == 0 {
		return explanation, ErrNoObject
	}
	return explanation, nil
}

// explainer walks from an object to what keeps it.
type explainer struct {
	set     *manifests.Set
	view    *view
	plan    reconcile.Plan
	report  Report
	blocked map[string]string
	seen    map[string]bool
	said    func(unit, reason string) string // adds what the unit said last
}

// causes are those of one object, the root first.
func (w *explainer) causes(object string) []Cause {
	if w.seen[object] {
		return nil
	}
	w.seen[object] = true
	causes := []Cause{}
	add := func(stage Stage, reason string) {
		if reason != "" {
			causes = append(causes, Cause{stage, object, reason})
		}
	}
	for _, diagnostic := range w.diagnostics(object) {
		add(StageValidation, diagnostic)
	}
	for _, left := range w.set.LeftOut {
		if left.Ref().String() == object {
			add(StageSelection, left.Reason)
		}
	}
	problem := ""
	for _, p := range w.view.desired.Problems {
		if p.Ref.String() == object {
			problem = p.Err.Error()
		}
	}
	add(StageResolve, problem)
	for _, held := range w.plan.Held {
		if held.Object == object && held.Reason != problem {
			add(StageHeld, held.Reason)
		}
	}
	causes = append(w.dependencies(object), causes...)
	if len(w.view.kept) > 0 {
		add(StageUpdate, w.view.kept[0].Failed[object])
		add(StageUpdate, w.view.kept[0].Unproven[object])
	}
	for _, unit := range w.report.Objects {
		if unit.Object == object {
			add(w.unitCause(unit))
		}
	}
	return causes
}

// diagnostics are the errors of the manifests that keep an object out of the set. What is missing
// may be what another file was to bring: then that one's errors are the root.
func (w *explainer) diagnostics(object string) []string {
	inSet := slices.ContainsFunc(w.set.Objects, func(o manifests.Object) bool { return o.Ref().String() == object })
	leftOut := slices.ContainsFunc(w.set.LeftOut, func(o manifests.LeftOut) bool { return o.Ref().String() == object })
	if inSet || leftOut || len(w.set.Diagnostics) == 0 {
		return nil
	}
	file := ""
	for _, workload := range w.view.actual.Workloads {
		if workload.Ref.String() == object {
			file = workload.SourcePath
		}
	}
	var roots, own []string
	missing := true
	for _, diagnostic := range w.set.Diagnostics {
		if file != "" && diagnostic.File == file {
			own = append(own, diagnostic.String())
			missing = missing && strings.Contains(diagnostic.Message, "there is no ")
		} else {
			roots = append(roots, diagnostic.String())
		}
	}
	if len(own) > 0 && !missing {
		return own
	}
	return append(roots, own...)
}

// dependencies are the causes of what the object waits for.
func (w *explainer) dependencies(object string) []Cause {
	var causes []Cause
	for unit, workload := range w.view.desired.Workloads {
		reason := w.blocked[unit]
		if workload.Ref.String() != object || reason == "" {
			continue
		}
		for _, other := range w.report.Objects {
			if other.Object != object && strings.HasPrefix(reason, "waits for "+reconcile.Subject(other.Object, other.Unit)+",") {
				causes = append(causes, w.causes(other.Object)...)
			}
		}
		causes = append(causes, Cause{StageDependency, object, reason})
	}
	return causes
}

// unitCause is what keeps one unit from running well.
func (w *explainer) unitCause(unit ObjectReport) (Stage, string) {
	subject := strings.TrimSuffix(unit.Unit, ".service")
	switch {
	case unit.LastRun != nil && unit.LastRun.Result != "success" && (!strings.HasPrefix(unit.State, "active") || unit.Restarts > 0):
		return StageRun, w.said(unit.Unit, fmt.Sprintf("%s is %s, last run: %s", subject, unit.State, unit.LastRun))
	case strings.HasPrefix(unit.State, "failed"):
		return StageRun, w.said(unit.Unit, fmt.Sprintf("%s is %s", subject, unit.State))
	case unit.Probed && unit.Ready != nil && !*unit.Ready:
		return StageProbe, fmt.Sprintf("%s is not ready: %s", subject, unit.Status)
	default:
		return "", ""
	}
}
