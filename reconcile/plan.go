package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/davit-project/davit/units/names"
)

// Plan is the result of package diff: actions in an order in which they could be carried out one after the other. It is data, to
// be printed, compared and tested; package apply carries it out.
type Plan struct {
	// Actions are the changes.
	Actions []Action `json:"actions"`
	// Held are the changes that are held back, and why.
	Held []Held `json:"held,omitempty"`
	// Notices name the parts of images that davit ignores, for objects that change.
	Notices []Notice `json:"notices,omitempty"`
	// Unchanged counts the desired workloads that no action touches.
	Unchanged int `json:"unchanged"`
	// PruneLater is set while nothing is removed because a unit is being cleaned up after.
	PruneLater bool `json:"-"`
}

// Notice names an ignored part of an object.
type Notice struct {
	Object  string `json:"object"`
	Message string `json:"message"`
}

// Empty reports whether nothing changes.
func (p Plan) Empty() bool { return len(p.Actions) == 0 }

// Blocked are the objects of which an action is not possible, because it is blocked or comes after a blocked one.
func (p Plan) Blocked() map[string]bool {
	ids, objects := map[string]bool{}, map[string]bool{}
	for _, action := range p.Actions { // each comes after those that it needs
		isBlocked := func(id string) bool { return ids[id] }
		if action.Blocked || slices.ContainsFunc(action.Needs, isBlocked) || slices.ContainsFunc(action.After, isBlocked) {
			ids[action.ID], objects[action.Object] = true, true
		}
	}
	return objects
}

// Written are the units whose files it writes.
func (p Plan) Written() map[string]bool {
	written := map[string]bool{}
	for _, action := range p.Actions {
		if action.Verb == WriteUnit {
			written[action.Target] = true
		}
	}
	return written
}

// Begun are the units that it starts, restarts or reloads.
func (p Plan) Begun() map[string]bool {
	begun := map[string]bool{}
	for _, action := range p.Actions {
		if action.Verb.Begins() {
			begun[action.Target] = true
		}
	}
	return begun
}

// Action is one step.
type Action struct {
	// ID is unique in the plan.
	ID string `json:"id"`
	// Verb is the kind of the action, Object the object that it is for, "Container/web".
	Verb   Verb   `json:"verb"`
	Object string `json:"object"`
	// Target is the argument of the driver: an image id, a network, a volume, the name of a unit or of a bundle's directory.
	Target string `json:"target,omitempty"`
	// Reason says why, for people.
	Reason string `json:"reason"`
	// Needs are the actions that must have succeeded first.
	Needs []string `json:"needs,omitempty"`
	// After are the actions that must have ended first, well or not.
	After []string `json:"after,omitempty"`
	// With is the unit whose restart starts this one along.
	With string `json:"with,omitempty"`
	// Waits is why the action cannot begin yet though nothing of the plan keeps it: it waits for a
	// unit that is starting, stopping or failed.
	Waits string `json:"waits,omitempty"`
	// Disabled is set where a unit file is written and the unit is not enabled: an operator has disabled it.
	Disabled bool `json:"disabled,omitempty"`
	// Blocked is set where that does not end by itself, as with a unit that has failed.
	Blocked bool `json:"blocked,omitempty"`
}

// Failed is the error of an action. That of a pull names the image already.
func (a Action) Failed(err error) error {
	if a.Verb == PullImage || a.Verb == PullLate {
		return err
	}
	return fmt.Errorf("%s %s: %w", a.Verb, a.Subject(), err)
}

// Subject is the subject of the action, for people: the object and, if it has others, the unit.
func (a Action) Subject() string {
	switch a.Verb {
	case Stop, WriteUnit, RemoveUnit, Start, Restart, ReloadUnit, Repair:
		return Subject(a.Object, a.Target)
	default:
		return a.Object
	}
}

// Subject is an object and one of its units, for people: "Pod/app (app-web)", or only the object
// where the unit has its name.
func Subject(object, unit string) string {
	_, name, _ := strings.Cut(object, "/")
	if unit == names.Service(name) {
		return object
	}
	return fmt.Sprintf("%s (%s)", object, names.ID(unit))
}

// Verb is the kind of an action.
type Verb string

// The verbs, in the order of a plan's phases.
const (
	PullImage     Verb = "pull"
	MakeNetwork   Verb = "make-network"
	CheckNetwork  Verb = "check-network"
	MakeVolume    Verb = "make-volume"
	WriteBundle   Verb = "write-bundle"
	Stop          Verb = "stop"
	WriteUnit     Verb = "write-unit"
	RemoveUnit    Verb = "remove-unit"
	Reload        Verb = "reload"
	ChangeNetwork Verb = "change-network"
	DeleteImage   Verb = "delete-image"
	PullLate      Verb = "pull-late"
	Start         Verb = "start"
	Restart       Verb = "restart"
	ReloadUnit    Verb = "reload-unit"
	Repair        Verb = "repair"
	RemoveNetwork Verb = "remove-network"
	RemoveVolume  Verb = "remove-volume"
	ReleaseImage  Verb = "release-image"
	RemoveBundle  Verb = "remove-bundle"
	RecallJob     Verb = "recall-job"
	RetireJob     Verb = "retire-job"
	ForgetJob     Verb = "forget-job"
)

// Begins reports whether the verb has a unit run its desired version.
func (v Verb) Begins() bool { return v == Start || v == Restart || v == ReloadUnit }

// RunsOn reports whether the action goes on once it was begun: systemd starts or stops a unit, or a launcher repairs it.
func (a Action) RunsOn() bool { return a.Verb == Stop || a.Verb == Repair || a.Verb.Begins() }

// IsFetch reports whether the action pulls, releases or deletes an image.
func (a Action) IsFetch() bool {
	return a.Verb == PullImage || a.Verb == PullLate || a.Verb == ReleaseImage || a.Verb == DeleteImage
}

// Phase is a part of a plan. The requirements of an object are fetched before it is switched, and unused things are pruned
// afterwards; the objects do not wait for each other.
type Phase int

// The phases.
const (
	// Fetching brings everything that the node lacks; nothing that runs sees it.
	Fetching Phase = iota
	// Switching replaces the actual state by the desired one.
	Switching
	// Pruning removes unused things.
	Pruning
)

// Phase is the part of a plan that the verb belongs to.
func (v Verb) Phase() Phase {
	switch v {
	case PullImage, MakeNetwork, CheckNetwork, MakeVolume, WriteBundle:
		return Fetching
	case RemoveNetwork, RemoveVolume, ReleaseImage, RemoveBundle, RetireJob, ForgetJob:
		return Pruning
	default:
		return Switching
	}
}

// Held is a change that a guard holds back.
type Held struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
	// By is the holder, in a word.
	By Holder `json:"by"`
	// Intended is set if the node's owner wanted it so, as with a masked unit; anything else needs attention.
	Intended bool `json:"intended,omitempty"`
}

// Holder is the reason why a change is held back.
type Holder string

// The holders.
const (
	ByProblem      Holder = "Unresolved"    // a requirement of the object cannot be found
	ByForeignUnit  Holder = "ForeignUnit"   // an unmanaged unit has the name
	ByMask         Holder = "Masked"        // systemctl mask
	ByDisable      Holder = "Disabled"      // systemctl disable
	ByStop         Holder = "Stopped"       // systemctl stop
	ByShadow       Holder = "Shadowed"      // systemd uses a unit file of the operator's, as systemctl edit --full makes
	BySuspension   Holder = "Suspended"     // davit suspend
	ByAnnotation   Holder = "PruneDisabled" // the object itself asks to be kept
	ByPruneGuard   Holder = "PruneHeld"     // it is not sure enough that the object is to go
	ByVolume       Holder = "VolumeHeld"    // the content of a volume would be hidden
	ByTaken        Holder = "Taken"         // another object still has a thing that only one can have
	ByListener     Holder = "PortInUse"     // a program of the node listens on a port that is to be published
	ByDriftPolicy  Holder = "DriftReported" // the node's owner wants drift reported, not repaired
	ByFailedChange Holder = "RolledBack"    // the object's last change did not work
	ByRollback     Holder = "Rollback"      // davit rollback
)

// Refused reports whether a change is held back without an operator's intention.
func (p Plan) Refused() bool {
	return slices.ContainsFunc(p.Held, func(h Held) bool { return !h.Intended })
}

// Add appends an action and returns its id.
func (p *Plan) Add(action Action) string {
	action.ID = string(action.Verb)
	if action.Target != "" {
		action.ID += " " + action.Target
	}
	p.Actions = append(p.Actions, action)
	return action.ID
}

// Hold records a change that is held back, once for an object of several units.
func (p *Plan) Hold(held Held) {
	if !slices.Contains(p.Held, held) {
		p.Held = append(p.Held, held)
	}
}
