package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/davit-project/davit/units"
)

// Generation is what was applied at once, kept to compare with and to go back to. What it
// consists of never changes; how it went is added as one gets to know it.
type Generation struct {
	// Number counts from 1 and is never given twice.
	Number int `json:"number"`
	// Began is when it was first applied.
	Began time.Time `json:"began"`
	// Revision is where its manifests came from, a commit of git; empty where nobody knows.
	Revision string `json:"revision,omitempty"`
	// Note says what made it, where that was not a change of the manifests.
	Note string `json:"note,omitempty"`
	// Digest tells its [Desired] from that of other generations.
	Digest string `json:"digest"`
	// Objects are the versions of its workloads, by object.
	Objects map[string]Version `json:"objects"`
	// Bundles and Images are what going back to it needs on the disk: directories' names, and
	// image ids.
	Bundles []string `json:"bundles"`
	Images  []string `json:"images"`
	// State says how far it got.
	State GenerationState `json:"state"`
	// Failed are the objects whose version did not work, Unproven those that did not get so far as
	// to show it, and why.
	Failed   map[string]string `json:"failed,omitempty"`
	Unproven map[string]string `json:"unproven,omitempty"`
}

// GenerationState says how far a generation got.
type GenerationState string

// The states of a generation.
const (
	// Applying is one that was begun; where the machine stopped half-way, the next pass goes on.
	Applying GenerationState = "applying"
	// Interrupted is one that was begun, and that another one came after.
	Interrupted GenerationState = "interrupted"
	// Applied is one that was carried out whole.
	Applied GenerationState = "applied"
	// Incomplete is one in which actions failed.
	Incomplete GenerationState = "failed"
)

// Version tells what an object comes to on the node from what it came to before. Where its manifest
// lies is no part of it.
type Version string

// Versions are those of the desired workloads, by object.
func Versions(desired Desired) map[string]Version {
	hashes := map[string]*strings.Builder{}
	for _, unit := range sortedKeys(desired.Workloads) {
		workload := desired.Workloads[unit]
		object := workload.Ref.String()
		if hashes[object] == nil {
			hashes[object] = &strings.Builder{}
		}
		fmt.Fprintf(hashes[object], "%s\n%s\n%s\n", unit, withoutSource(workload.UnitText), workload.BundleDir)
	}
	versions := map[string]Version{}
	for object, text := range hashes {
		sum := sha256.Sum256([]byte(text.String()))
		versions[object] = Version(hex.EncodeToString(sum[:8]))
	}
	return versions
}

// withoutSource is a unit file's text without the path of the manifest it came from.
func withoutSource(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "SourcePath=") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// NewGeneration is the generation that applies what is desired. digest tells it from others.
func NewGeneration(number int, desired Desired, digest string, began time.Time) Generation {
	bundles, images := map[string]bool{}, map[string]bool{}
	for _, workload := range desired.all() {
		if workload.Bundle == nil {
			continue
		}
		bundles[workload.BundleDir] = true
		for _, image := range workload.Bundle.Images() {
			images[image.ID] = true
		}
	}
	return Generation{
		Number: number, Began: began, Digest: digest, Objects: Versions(desired), State: Applying,
		Bundles: slices.Sorted(maps.Keys(bundles)), Images: slices.Sorted(maps.Keys(images)),
	}
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

// Works reports whether the generation has the object in a version that worked in it.
func (g Generation) Works(object string) bool {
	_, has := g.Objects[object]
	return has && g.State != Applying && g.State != Interrupted && g.Failed[object] == "" && g.Unproven[object] == ""
}

// Begin readies the generation for a plan, which may be its first, or go on with it, or repair what
// has drifted: what was said of the objects that the plan is about does not count any more. What does
// not run, and is not started by the plan, has not shown that it works.
func (g *Generation) Begin(plan Plan, desired Desired, actual Actual) {
	g.State = Applying
	g.Failed, g.Unproven = maps.Clone(g.Failed), maps.Clone(g.Unproven)
	starts := map[string]bool{}
	for _, action := range plan.Actions {
		delete(g.Failed, action.Object)
		delete(g.Unproven, action.Object)
		starts[action.Object] = starts[action.Object] || action.Verb.begins()
	}
	for object, well := range wellness(desired, actual) {
		if !well && !starts[object] && g.Failed[object] == "" {
			set(&g.Unproven, object, notRunning)
		}
	}
}

// Reasons for which an object has not shown that it works, though everything was done about it.
const (
	notRunning = "it was not running"
	notAwaited = "it was not waited for"
)

// Unfinished are the objects about which not everything was done.
func (g Generation) Unfinished() map[string]bool {
	unfinished := map[string]bool{}
	for object := range g.Objects {
		unfinished[object] = g.State == Applying || g.Hindered(object) != ""
	}
	return unfinished
}

// Hindered is why something that was to be done about the object was not, or "".
func (g Generation) Hindered(object string) string {
	reason := g.Unproven[object]
	if reason == notRunning || reason == notAwaited {
		return ""
	}
	return reason
}

// wellness says of each desired object whether all of its units run, or have run, as they are to.
func wellness(desired Desired, actual Actual) map[string]bool {
	well := map[string]bool{}
	for unit, workload := range desired.Workloads {
		object := workload.Ref.String()
		if _, seen := well[object]; !seen {
			well[object] = true
		}
		current := actual.Workloads[unit]
		idle := workload.Keep == KeepIdle || workload.Keep == KeepApart
		_, completed := actual.Completed[workload.BundleDir]
		well[object] = well[object] && (idle || completed || current.Active == "active")
	}
	return well
}

// Inherit takes over what the generation before says of objects that are the same in this one: they do
// not work any better for it.
func (g *Generation) Inherit(before Generation) {
	for object, version := range g.Objects {
		if before.Objects[object] != version {
			continue
		}
		if reason := before.Failed[object]; reason != "" {
			set(&g.Failed, object, reason)
		}
		if reason := before.Unproven[object]; reason != "" {
			set(&g.Unproven, object, reason)
		}
	}
}

// Record takes down what an event of [Apply] says of the object it is about. waited says whether
// what was started was waited for.
func (g *Generation) Record(event Event, waited func(unit string) bool) {
	object := event.Action.Object
	if _, ok := g.Objects[object]; !ok || event.Action.Verb.Phase() != Switching {
		return
	}
	starts := event.Action.Verb.begins()
	switch {
	case event.Status == Failed && starts && !errors.Is(event.Err, units.ErrDependency) && !errors.Is(event.Err, units.ErrUnseen):
		set(&g.Failed, object, event.Err.Error())
	case event.Status == Failed || event.Status == Skipped:
		set(&g.Unproven, object, event.Err.Error())
	case event.Status == Done && starts && !waited(event.Action.Target):
		set(&g.Unproven, object, notAwaited)
	}
}

// Fail notes that the object's version does not work though it seemed to.
func (g *Generation) Fail(object, reason string) {
	set(&g.Failed, object, reason)
	g.State = Incomplete
}

// set notes the first reason for an object.
func set(reasons *map[string]string, object, reason string) {
	if *reasons == nil {
		*reasons = map[string]string{}
	}
	if (*reasons)[object] == "" {
		(*reasons)[object] = reason
	}
}

// End says how far the generation got, once [Apply] has returned err.
func (g *Generation) End(err error) {
	g.State = Applied
	if err != nil || len(g.Failed) > 0 {
		g.State = Incomplete
	}
}

// Recover forgets what was said of objects that run by now as they are desired. It reports whether
// there was any.
func (g *Generation) Recover(desired Desired, actual Actual) bool {
	before := len(g.Failed) + len(g.Unproven)
	well := wellness(desired, actual)
	gone := func(object, _ string) bool { return well[object] }
	maps.DeleteFunc(g.Failed, gone)
	maps.DeleteFunc(g.Unproven, gone)
	return len(g.Failed)+len(g.Unproven) < before
}
