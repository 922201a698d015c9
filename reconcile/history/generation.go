// Package history keeps the record of generations and of the versions of objects in them, judges versions that are on probation,
// and decides which version an object returns to if one did not work.
package history

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// Generation is one revision of the desired state, kept for comparison and rollback. Objects join it as they become possible, and
// each is confirmed or fails on its own.
type Generation struct {
	// Number counts from 1 and is never given twice.
	Number int `json:"number"`
	// Began is when it was first applied.
	Began time.Time `json:"began"`
	// Revision is where its manifests came from, a commit of git; empty where that is not known.
	Revision string `json:"revision,omitempty"`
	// Note explains its origin if that was not a change of the manifests.
	Note string `json:"note,omitempty"`
	// Manifests identifies its manifests; empty in files of older versions of davit.
	Manifests string `json:"manifests,omitempty"`
	// Digest tells its [Desired] from that of other generations.
	Digest string `json:"digest"`
	// Objects are the versions of its workloads, by object.
	Objects map[string]Version `json:"objects"`
	// Waiting are the objects of its manifests that are not possible yet. Objects has those of them that
	// run, in the version of the generation before.
	Waiting []string `json:"waiting,omitempty"`
	// Bundles and Images are its requirements on the disk: names of directories, and image ids.
	Bundles []string `json:"bundles"`
	Images  []string `json:"images"`
	// State follows from the states of its objects.
	State GenerationState `json:"state"`
	// Failed are the objects whose version did not work, Unconfirmed those that have not shown yet that
	// they work, and why. All others are confirmed.
	Failed      map[string]string `json:"failed,omitempty"`
	Unconfirmed map[string]string `json:"unproven,omitempty"`
	// Pending are the objects of whose version nothing is in place yet: their images are being pulled.
	Pending map[string]bool `json:"pending,omitempty"`
	// Owed are the units that davit has to start still, where they are wanted, because it stopped them or
	// wrote their files, and the images to delete before; "" for none.
	Owed map[string]string `json:"owed,omitempty"`
	// OwedAt is since when, of units that a plan stopped or wrote.
	OwedAt map[string]time.Time `json:"owedAt,omitempty"`
	// RunsOn are the units of Owed that run, and that davit has to restart because it wrote their files, and their
	// objects: davit has stopped none of them.
	RunsOn map[string]string `json:"runsOn,omitempty"`
	// Foreseen are the units of Owed that davit has not touched yet; true if it will owe their start once it has. If the pass is
	// interrupted, it is unknown whether it has.
	Foreseen map[string]bool `json:"-"`
}

// GenerationState says how far a generation has come.
type GenerationState string

// The states of a generation.
const (
	// Applying is one of which objects are not confirmed yet.
	Applying GenerationState = "applying"
	// Superseded is one that another one followed before all of its objects were confirmed.
	Superseded GenerationState = "superseded"
	// Applied is one whose objects are all confirmed.
	Applied GenerationState = "applied"
	// Incomplete is one of which an object failed.
	Incomplete GenerationState = "failed"
)

// Version identifies the rendering of an object on the node. The path of its manifest is no part of it.
type Version string

// Versions are those of the desired workloads, by object.
func Versions(desired reconcile.Desired) map[string]Version {
	hashes := map[string]*strings.Builder{}
	for _, unit := range slices.Sorted(maps.Keys(desired.Workloads)) {
		workload := desired.Workloads[unit]
		object := workload.Ref.String()
		if hashes[object] == nil {
			hashes[object] = &strings.Builder{}
		}
		fmt.Fprintf(hashes[object], "%s\n%s\n%s\n", unit, reconcile.WithoutSource(units.WithoutSignature(workload.UnitText)), workload.BundleDir)
	}
	versions := map[string]Version{}
	for object, text := range hashes {
		sum := sha256.Sum256([]byte(text.String()))
		versions[object] = Version(hex.EncodeToString(sum[:8]))
	}
	return versions
}

// NewGeneration returns the generation that applies a desired state. digest identifies its manifests.
func NewGeneration(number int, desired reconcile.Desired, digest string, began time.Time) Generation {
	g := Generation{Number: number, Began: began, State: Applying}
	g.take(desired, digest)
	return g
}

// take makes the generation one of a desired state. Objects in another version than before are not confirmed.
func (g *Generation) take(desired reconcile.Desired, digest string) {
	before := g.Objects
	g.Objects, g.Digest, g.Waiting = Versions(desired), digest, WaitingOf(desired)
	for object, version := range g.Objects {
		if before[object] != version {
			delete(g.Failed, object)
			set(&g.Unconfirmed, object, notConfirmed)
			set(&g.Pending, object, true)
		}
	}
	bundles, images := map[string]bool{}, map[string]bool{}
	for _, workload := range desired.All() {
		if workload.Bundle == nil {
			continue
		}
		bundles[workload.BundleDir] = true
		for _, image := range workload.Bundle.Images() {
			images[image.ID] = true
		}
	}
	g.Bundles, g.Images = slices.Sorted(maps.Keys(bundles)), slices.Sorted(maps.Keys(images))
}

// WaitingOf are the objects that cannot be resolved, each once.
func WaitingOf(desired reconcile.Desired) []string {
	var waiting []string
	for _, problem := range desired.Problems {
		waiting = append(waiting, problem.Ref.String())
	}
	slices.Sort(waiting)
	return slices.Compact(waiting)
}

// Await forgets the objects waited for that are possible as they are in the generation: the edit that was waited for
// has been taken back. One whose edit is still to come joins.
func (g *Generation) Await(desired reconcile.Desired) {
	if len(g.Waiting) == 0 || !maps.Equal(Versions(desired), g.Objects) {
		return
	}
	waiting := WaitingOf(desired)
	g.Waiting = slices.DeleteFunc(g.Waiting, func(object string) bool { return !slices.Contains(waiting, object) })
}

// Joins reports whether a desired state is this generation with further objects: those that it waited for. manifests identifies
// the manifests.
func (g Generation) Joins(desired reconcile.Desired, manifests string) bool {
	if g.Manifests == "" || g.Manifests != manifests || len(g.Waiting) == 0 {
		return false
	}
	versions := Versions(desired)
	for object, version := range g.Objects {
		if versions[object] != version && !slices.Contains(g.Waiting, object) {
			return false
		}
	}
	for object := range versions {
		if _, has := g.Objects[object]; !has && !slices.Contains(g.Waiting, object) {
			return false
		}
	}
	return true
}

// Join adds the objects that the generation waited for.
func (g Generation) Join(desired reconcile.Desired, digest string) Generation {
	g = g.Clone()
	g.take(desired, digest)
	g.Settle()
	return g
}

// BroughtBy is the generation, out of those kept, the newest one first, that brought the object in
// the version of the newest.
func BroughtBy(object string, kept []Generation) (brought Generation, ok bool) {
	for _, generation := range kept {
		version, has := generation.Objects[object]
		if !has || ok && version != brought.Objects[object] {
			break
		}
		brought, ok = generation, true
	}
	return brought, ok
}

// Works reports whether the generation has the object in a version that was confirmed in it.
func (g Generation) Works(object string) bool {
	_, has := g.Objects[object]
	unfinished := g.Manifests == "" && g.State != Applied && g.State != Incomplete // of an older version of davit
	return has && !unfinished && g.Failed[object] == "" && g.Unconfirmed[object] == ""
}

// Reasons for which an object is not confirmed, though nothing hindered its change.
const (
	notConfirmed = "not confirmed yet"
	notRunning   = "it was not running"    // of older versions of davit
	notAwaited   = "it was not waited for" // as above
)

// Inherit copies the verdicts of earlier generations, the newest one first, on objects that are the same in this one: a version
// that was confirmed stays so. Units that are still to be started stay so.
func (g *Generation) Inherit(before []Generation) {
	if len(before) > 0 {
		newest := before[0].Clone()
		g.Owed, g.OwedAt, g.RunsOn = newest.Owed, newest.OwedAt, newest.RunsOn
	}
	for object, version := range g.Objects {
		i := slices.IndexFunc(before, func(b Generation) bool { return b.Objects[object] != "" })
		if i < 0 || before[i].Objects[object] != version {
			continue
		}
		if !before[i].Pending[object] {
			delete(g.Pending, object)
		}
		switch earlier := before[i]; {
		case earlier.Works(object):
			delete(g.Unconfirmed, object)
		case earlier.Failed[object] != "":
			delete(g.Unconfirmed, object)
			set(&g.Failed, object, earlier.Failed[object])
		}
	}
	g.Settle()
}

// Hindered is why something that was to be done about the object was not, or "".
func (g Generation) Hindered(object string) string {
	switch reason := g.Unconfirmed[object]; reason {
	case notConfirmed, notRunning, notAwaited:
		return ""
	default:
		return reason
	}
}

// Retry clears the obstacles of the objects of a plan, so that they are retried, unless an obstacle still exists.
func (g *Generation) Retry(plan reconcile.Plan) {
	blocked := plan.Blocked()
	for _, action := range plan.Actions {
		if action.Verb != reconcile.Repair && g.Unconfirmed[action.Object] != "" && !blocked[action.Object] {
			g.Unconfirmed[action.Object] = notConfirmed
		}
	}
}

// Record stores the outcome of an event of an action for its object. A repair does not count for or against its version.
func (g *Generation) Record(event reconcile.Event) {
	object := event.Action.Object
	switch {
	case event.Action.Verb == reconcile.Repair:
		return
	case event.Status == reconcile.Begun:
		g.begun(event.Action)
	case event.Action.Verb == reconcile.WriteUnit && event.Ended() && g.Foreseen[event.Action.Target]: // its file may be there
		delete(g.Foreseen, event.Action.Target)
	}
	if _, ok := g.Objects[object]; !ok || event.Status != reconcile.Failed && event.Status != reconcile.Skipped {
		return
	}
	if event.Status == reconcile.Failed && event.Action.Verb == reconcile.Start && event.Action.With == "" {
		g.owe(event.Action.Target) // it does not count as failed any more, and looks as if it had been stopped
	}
	refused := event.Status == reconcile.Failed && event.Action.Verb.Begins() && !errors.Is(event.Err, units.ErrDependency) && !errors.Is(event.Err, units.ErrUnseen)
	switch {
	case refused:
		g.Fail(object, event.Err.Error())
	case event.Action.Verb.Phase() == reconcile.Switching && (g.Unconfirmed[object] == "" || g.Unconfirmed[object] == notConfirmed):
		delete(g.Unconfirmed, object)
		set(&g.Unconfirmed, object, event.Err.Error())
	}
}

// TryAgain starts units again of objects that failed in their desired version, if the units are to run all the time and are down,
// or wait for systemd's next try. It reports whether there are any.
func (g *Generation) TryAgain(desired reconcile.Desired, actual reconcile.Actual) bool {
	failed, before := maps.Clone(g.Failed), len(g.Owed)
	if len(failed) == 0 {
		return false
	}
	versions := Versions(desired)
	for unit, workload := range desired.Workloads {
		current := actual.Workloads[unit]
		object := workload.Ref.String()
		down := current.Active == names.Failed && current.Job == "" || current.Sub.Restarting()
		if failed[object] == "" || versions[object] != g.Objects[object] || workload.Unit == nil || workload.Keep != reconcile.KeepRunning || workload.Unit.MaxRestarts >= 0 || !down {
			continue
		}
		g.doubt(object)
		g.owe(unit)
	}
	return len(g.Owed) > before
}

// Reconsider judges failed objects again after their units that are to run all the time were started again; "" means all objects.
// desired is the desired state of the generation.
func (g *Generation) Reconsider(desired reconcile.Desired, object string) {
	failed := maps.Clone(g.Failed)
	for unit, workload := range desired.Workloads {
		of := workload.Ref.String()
		if failed[of] == "" || object != "" && object != of {
			continue
		}
		g.doubt(of)
		if workload.Unit != nil && workload.Keep == reconcile.KeepRunning {
			g.owe(unit)
		}
	}
	g.Settle()
}

// doubt forgets that an object failed.
func (g *Generation) doubt(object string) {
	delete(g.Failed, object)
	set(&g.Unconfirmed, object, notConfirmed)
}

// Confirm notes that the object's version works.
func (g *Generation) Confirm(object string) {
	delete(g.Failed, object)
	delete(g.Unconfirmed, object)
	delete(g.Pending, object)
}

// Fail notes that the object's version does not work.
func (g *Generation) Fail(object, reason string) {
	g.Confirm(object)
	set(&g.Failed, object, reason)
}

// Learn copies the verdicts of a later generation on versions that are not confirmed in this one. It reports whether there are
// any.
func (g *Generation) Learn(later Generation) bool {
	learnt := false
	for object := range g.Unconfirmed {
		if g.Objects[object] != later.Objects[object] || g.Manifests == "" {
			continue
		}
		switch {
		case later.Works(object):
			g.Confirm(object)
		case later.Failed[object] != "":
			g.Fail(object, later.Failed[object])
		default:
			continue
		}
		learnt = true
	}
	return learnt
}

// set notes the first value for an object.
func set[V comparable](objects *map[string]V, object string, value V) {
	if *objects == nil {
		*objects = map[string]V{}
	}
	if zero := *new(V); (*objects)[object] == zero {
		(*objects)[object] = value
	}
}

// Clone returns a copy that can be changed without changing the original.
func (g Generation) Clone() Generation {
	g.Failed, g.Unconfirmed, g.Pending = maps.Clone(g.Failed), maps.Clone(g.Unconfirmed), maps.Clone(g.Pending)
	g.Owed, g.OwedAt, g.Foreseen, g.RunsOn = maps.Clone(g.Owed), maps.Clone(g.OwedAt), maps.Clone(g.Foreseen), maps.Clone(g.RunsOn)
	g.Waiting = slices.Clone(g.Waiting)
	return g
}

// Same reports whether two records of a generation say the same of its objects.
func (g Generation) Same(other Generation) bool {
	return g.Number == other.Number && g.Digest == other.Digest && g.State == other.State &&
		maps.Equal(g.Failed, other.Failed) && maps.Equal(g.Unconfirmed, other.Unconfirmed) && maps.Equal(g.Owed, other.Owed) &&
		maps.Equal(g.RunsOn, other.RunsOn) && maps.Equal(g.Pending, other.Pending) && slices.Equal(g.Waiting, other.Waiting)
}

// Settle has the generation's state follow from those of its objects.
func (g *Generation) Settle() {
	switch {
	case len(g.Failed) > 0:
		g.State = Incomplete
	case len(g.Unconfirmed)+len(g.Waiting) > 0:
		g.State = Applying
	default:
		g.State = Applied
	}
}

// Summary says how many of its objects are confirmed, for people: "3 of 4 confirmed, 1 waiting".
func (g Generation) Summary() string {
	all := maps.Clone(g.Objects)
	if all == nil {
		all = map[string]Version{}
	}
	waiting := 0
	for _, object := range g.Waiting {
		all[object] = ""
		waiting++
	}
	confirmed := 0
	for object := range g.Objects {
		if g.Works(object) && !slices.Contains(g.Waiting, object) {
			confirmed++
		}
	}
	text := fmt.Sprintf("%d of %d confirmed", confirmed, len(all))
	for _, part := range []struct {
		count int
		name  string
	}{{waiting, "waiting"}, {len(g.Unconfirmed), "not confirmed yet"}, {len(g.Failed), "failed"}} {
		if part.count > 0 {
			text += fmt.Sprintf(", %d %s", part.count, part.name)
		}
	}
	return text
}
