package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
)

// Explanation is why an object is as it is.
type Explanation struct {
	Object string `json:"object"`
	// Causes are the chain of causes that keep it from its manifest's state, the root first; none if it is in that state.
	Causes []Cause `json:"causes"`
	// Units are its units as they are.
	Units []ObjectReport `json:"units"`
	// Generation is the number of the generation with the desired version, Revision its commit.
	Generation int    `json:"generation,omitempty"`
	Revision   string `json:"revision,omitempty"`
	// Update is how the change to that went.
	Update UpdateResult `json:"update,omitempty"`
	// Plan are the actions that davit would take about it now.
	Plan []reconcile.Action `json:"plan"`
}

// Cause is one link of the chain.
type Cause struct {
	Stage Stage `json:"stage"`
	// Object is the one that it is about, Unit one of its units where that matters.
	Object string `json:"object"`
	Unit   string `json:"unit,omitempty"`
	// Reason is a word for programs, Message is for people.
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// String says it in a line.
func (c Cause) String() string {
	return c.Object + ": " + string(c.Stage) + ": " + strings.ReplaceAll(c.Message, "\n", " / ")
}

// Stage is the step on the way from a manifest to a running container that a cause lies in.
type Stage string

// The stages, in the order in which they are passed.
const (
	StageValidation Stage = "validation" // the manifest has an error
	StagePolicy     Stage = "policy"     // the node's policy refuses it
	StageSelection  Stage = "selection"  // it is not for this node, or disabled
	StageImage      Stage = "image"      // an image cannot be had, or mounted
	StageNetwork    Stage = "network"    // a network is not there or cannot be joined, or a port is in use
	StageVolume     Stage = "volume"     // a volume or device to be mounted is missing
	StageHeld       Stage = "held"       // a guard or a person holds the change back
	StageDrift      Stage = "drift"      // others have removed parts that davit made for it
	StageDependency Stage = "dependency" // a unit that it requires does not run
	StageStart      Stage = "start"      // the container cannot be started
	StageRun        Stage = "run"        // it was started, and ended
	StageProbe      Stage = "probe"      // it runs and is not ready, or was not alive
	StageUpdate     Stage = "update"     // the change did not work
)

// Words of the causes that systemd or the launcher tell, as Kubernetes has them where it has.
const (
	reasonInvalid    = "InvalidManifest"
	reasonDenied     = "PolicyDenied"
	reasonExcluded   = "NotSelected"
	reasonImage      = "ErrImagePull"
	reasonMount      = "FailedMount"
	reasonNetwork    = "NetworkNotReady"
	reasonStart      = "StartError"
	reasonDependency = "DependencyNotReady"
	reasonUnhealthy  = "Unhealthy"
	reasonNotReady   = "NotReady"
	reasonUpdate     = "UpdateFailed"
	reasonOOM        = "OOMKilled"
	reasonDisk       = "DiskLimit"
	reasonDeadline   = "DeadlineExceeded"
	reasonCrashLoop  = "CrashLoopBackOff"
	reasonError      = "Error"
	reasonEnded      = "Completed"
	reasonMissing    = "Missing"
)

// ErrNoObject is returned for a name that neither the manifests nor the node have.
var ErrNoObject = errors.New("there is no such object in the manifests or on the node: see davit status")

// Misfit is the object of a name, "web" or "Container/web", that is in no set because its manifest has
// an error, is not for the node, or needs one that has. Where documents cannot be read at all, any name
// may be in one of them.
func Misfit(set *manifests.Set, name string) (string, error) {
	var objects []string
	for _, d := range set.Diagnostics {
		objects = append(objects, d.Object)
	}
	for _, left := range set.LeftOut {
		objects = append(objects, left.Ref().String())
	}
	for _, waiting := range set.Waiting {
		objects = append(objects, waiting.Ref().String())
	}
	for _, object := range objects {
		if _, short, _ := strings.Cut(object, "/"); object == name || short == name {
			return object, nil
		}
	}
	if slices.Contains(objects, "") {
		return name, nil
	}
	return "", fmt.Errorf("%s: %w", name, ErrNoObject)
}

// Why explains an object, "Container/web".
func (n *Node) Why(ctx context.Context, set *manifests.Set, guard Guard, object string) (Explanation, error) {
	n.AskRegistries(ctx, set)
	v, err := n.look(ctx, set)
	if err != nil {
		return Explanation{}, err
	}
	plan, err := n.planFor(v, guard, true)
	if err != nil {
		return Explanation{}, err
	}
	report, w, err := n.reportOn(ctx, set, v, plan)
	if err != nil {
		return Explanation{}, err
	}
	shown := shownRuns(set, v.actual.Workloads)
	maps.DeleteFunc(shown, func(unit string, _ runLimits) bool { return v.actual.Workloads[unit].Ref.String() != object })
	if err := report.addRuns(ctx, shown); err != nil {
		return Explanation{}, err
	}
	w.said = func(unit string) string { return n.lastOutputOf(ctx, unit) }
	explanation := Explanation{Object: object, Causes: w.causes(object), Units: []ObjectReport{}, Plan: []reconcile.Action{}}
	for _, unit := range report.Objects {
		if unit.Object == object {
			explanation.Units = append(explanation.Units, unit)
		}
	}
	if generation, ok := history.BroughtBy(object, v.kept); ok {
		explanation.Generation, explanation.Revision = generation.Number, generation.Revision
		explanation.Update = v.updated(object)
	}
	for _, action := range plan.Actions {
		if action.Object == object {
			explanation.Plan = append(explanation.Plan, action)
		}
	}
	known := false
	for _, each := range set.Objects {
		known = known || each.Ref().String() == object
	}
	if !known && len(explanation.Units) == 0 && len(explanation.Causes) == 0 {
		return explanation, ErrNoObject
	}
	return explanation, nil
}
