// Package diff compares the desired state of a node with its actual state and plans the actions that lead from one to the other.
package diff

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/compare"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Options are the guards of a [Diff].
type Options struct {
	// Now is the time, for jobs that are kept for a while and replicas on probation.
	Now time.Time
	// HoldPrune says why nothing may be removed now; empty lets removals happen.
	HoldPrune string
	// Volumes are the Volumes in the manifests, by name, also those of a kind without a directory and those not for this node:
	// the content of their directories is not deleted.
	Volumes map[string]bool
	// Confirmed is set if a person confirms changes that would otherwise be held back.
	Confirmed bool
	// Unsettled are the objects that may not be removed now, though others may.
	Unsettled Unsettled
	// Kept are the generations that a rollback may return to: their files stay on the disk.
	Kept []history.Generation
	// Owed are the units that davit has to start still, because it stopped them or wrote their files,
	// and the images to delete before; "" for none.
	Owed map[string]string
	// OwedAt is since when, RunsOn are those of them that run, and that davit has to restart.
	OwedAt map[string]time.Time
	RunsOn map[string]string
	// Applied are the versions in which objects were last applied and worked, if differences from them are only reported, not
	// repaired.
	Applied map[string]history.Version
	// Unwatched is set if no later pass follows up: nothing waits for started units, and no surge instances run in their place.
	Unwatched bool
	// Suspended are the objects that nothing changes for now, and why.
	Suspended map[string]string
	// Restored is set while the desired state is that of an earlier generation, not that of the manifests.
	Restored bool
	// Held are the changes that were left out of the desired state before.
	Held []reconcile.Held
}

// Unsettled are the objects that manifests which keep changing define, or may define: their removal waits until the manifests are
// quiet.
type Unsettled struct {
	// Sources are the paths of such manifests, Objects are further objects.
	Sources, Objects map[string]bool
}

// keeps reports whether the removal of a unit waits.
func (u Unsettled) keeps(current reconcile.ActualWorkload) bool {
	return u.Sources[current.SourcePath] || u.Objects[current.Ref.String()]
}

// Diff compares the desired state with the actual one. The same arguments give the same plan, and after a plan has been applied
// nothing is left to do.
func Diff(desired reconcile.Desired, actual reconcile.Actual, options Options) reconcile.Plan {
	d := &differ{
		desired: desired, actual: actual, options: options,
		kept: map[string]reconcile.ActualWorkload{}, bundles: make(map[string]bool, len(actual.Bundles)), operator: make(map[string]reconcile.Held, len(desired.Workloads)),
	}
	for _, dir := range actual.Bundles {
		d.bundles[dir] = true
	}
	d.plan.Actions = []reconcile.Action{} // JSON has a list, never null
	d.plan.Held = slices.Clone(options.Held)
	d.decide()
	d.fetch()
	d.stage()
	d.switchOver()
	d.repair()
	d.retire()
	d.prune()
	d.plan.Notices = d.notices()
	return d.plan
}

// notices are those of objects that change.
func (d *differ) notices() []reconcile.Notice {
	changed := map[string]bool{}
	for _, action := range d.plan.Actions {
		changed[action.Object] = true
	}
	var notices []reconcile.Notice
	for _, ref := range slices.SortedFunc(maps.Keys(d.desired.Notices), func(a, b v1.Ref) int { return cmp.Compare(a.String(), b.String()) }) {
		if changed[ref.String()] {
			notices = append(notices, reconcile.Notice{Object: ref.String(), Message: d.desired.Notices[ref]})
		}
	}
	return notices
}

// differ carries one [Diff]. Its methods are the phases of the plan.
type differ struct {
	desired reconcile.Desired
	actual  reconcile.Actual
	options Options
	plan    reconcile.Plan

	bundles  map[string]bool            // those on the disk
	versions map[string]history.Version // of the desired objects, if drift is only reported

	changes  []change                  // desired workloads that differ, by unit name
	removals []string                  // units to remove
	operator map[string]reconcile.Held // an operator's changes of units, as far as they were computed
	// dependents are the units that cannot be without one, by that; nil before it is asked.
	dependents map[string][]string
	kept       map[string]reconcile.ActualWorkload // units that stay though they are not desired
	fetched    map[string]string                   // network, volume, image key → the action that makes it
	renewals   []string                            // networks that changed
	late       []string                            // images that are pulled after their users have stopped
	together   sets                                // the objects that are changed together
	required   map[string][]string                 // by set of objects, the actions that provide their requirements
	wanted     map[v1.Ref]bool                     // the objects of the desired workloads
	newcomer   map[string][]v1.Ref                 // by name, the objects of which nothing is on the node yet
	switching
}

// change is the difference of one desired workload.
type change struct {
	unit      string
	workload  reconcile.Workload
	write     string         // why the unit file is written, or ""
	stageOnly bool           // the bundle is missing, the unit file is as it should be
	verb      reconcile.Verb // Start, Restart or ""
	why       string         // why it is started or restarted
	with      string         // the unit whose restart stops this one
	halt      bool           // it stops first, and starts when others have done so
	yields    bool           // it is another object's, which stops before the file is written
	spare     bool           // it stands in for others, for a while
	called    bool           // it is a spare that stands in now
}

// begin is the id of the action that starts or restarts it.
func (c change) begin() string { return string(c.verb) + " " + c.unit }

// restarts reports whether a running process is replaced.
func (c change) restarts() bool { return c.verb == reconcile.Restart || c.halt }

// decide sorts every unit into changed, removed or kept.
func (d *differ) decide() {
	blocked := map[string]reconcile.Problem{}
	for _, problem := range d.desired.Problems {
		blocked[problem.Ref.String()] = problem
		d.plan.Hold(reconcile.Held{Object: problem.Ref.String(), Reason: problem.Err.Error(), By: reconcile.ByProblem})
	}
	for _, unit := range slices.Sorted(maps.Keys(d.desired.Workloads)) {
		workload := d.desired.Workloads[unit]
		if d.expired(workload) {
			continue
		}
		if d.suspended(workload.Ref, unit) {
			continue
		}
		if reason := d.foreign(unit, workload); reason != "" {
			d.plan.Hold(reconcile.Held{Object: workload.Ref.String(), Reason: reason, By: reconcile.ByForeignUnit})
			if current, ok := d.actual.Workloads[unit]; ok {
				d.kept[unit] = current
			}
			continue
		}
		if d.shadowed(unit, workload) {
			continue
		}
		switch c := d.compare(unit, workload); {
		case c.write == "" && c.verb == "" && !c.stageOnly:
			d.plan.Unchanged++
		case d.drifted(c):
			d.keepDrifted(c)
		default:
			d.changes = append(d.changes, c)
		}
	}
	d.holdVolumes()
	d.leave(blocked)
	d.holdTaken()
	d.restartDependents()
	d.halt()
	d.callSpares()
	d.leaveSpares()
	d.findTogether()
}

// leave sorts the units that are not wanted into those that go and those that stay.
func (d *differ) leave(blocked map[string]reconcile.Problem) {
	for _, unit := range slices.Sorted(maps.Keys(d.actual.Workloads)) {
		if workload, ok := d.desired.Workloads[unit]; ok && !d.expired(workload) || reconcile.IsSurge(unit) {
			continue
		}
		current := d.actual.Workloads[unit]
		object := current.Ref.String()
		_, hasProblem := blocked[object]
		next, awaited := d.awaited(current.Ref)
		switch {
		case d.suspended(current.Ref, unit):
		case hasProblem:
			d.kept[unit] = current
		case current.Keep:
			d.kept[unit] = current
			reason := "not removed, as its annotation " + v1.PruneAnnotation + " says: apply its manifest without that first"
			d.plan.Hold(reconcile.Held{Object: object, Reason: reason, By: reconcile.ByAnnotation, Intended: true})
		case d.options.HoldPrune != "":
			d.kept[unit] = current
			d.plan.Hold(reconcile.Held{Object: object, Reason: "not removed: " + d.options.HoldPrune, By: reconcile.ByPruneGuard})
		case awaited:
			d.kept[unit] = current
			reason := fmt.Sprintf("not removed before %s, which takes its place, can be put in place", next)
			d.plan.Hold(reconcile.Held{Object: object, Reason: reason, By: reconcile.ByProblem})
		case d.options.Unsettled.keeps(current):
			d.kept[unit] = current
			d.plan.Hold(reconcile.Held{Object: object, Reason: "not removed: its manifest, or one that it may have moved to, keeps changing", By: reconcile.ByPruneGuard})
		default:
			d.removals = append(d.removals, unit)
		}
	}
}

// compare decides the change of one desired workload.
func (d *differ) compare(unit string, workload reconcile.Workload) change {
	c := change{unit: unit, workload: workload}
	current, exists := d.actual.Workloads[unit]
	held := d.heldByOperator(unit)
	isHeld := held.By != ""
	if isHeld {
		d.plan.Hold(held)
	} else if d.isDisabled(unit, workload) {
		d.holdDisabled(unit, workload)
	}
	if !exists {
		c.write = "not on the node yet"
		if !isHeld && d.starts(workload) {
			c.verb, c.why = reconcile.Start, "new"
		}
		return c
	}
	c.stageOnly = workload.BundleDir != "" && !d.staged(unit, workload)
	if current.UnitText != workload.UnitText {
		c.write = compare.InWords(workload, current)
	} else if current.NeedReload {
		c.write = "systemd has not read the unit file yet"
	} else if d.halfWritten(unit, workload, current) {
		c.write = "the unit is not enabled yet"
	}
	switch {
	case isHeld && current.IsOfAnother(workload):
		c.write = "" // it is masked, and its process continues
	case isHeld:
	case current.IsOfAnother(workload):
		return d.takeOver(c, current)
	default:
		c.verb, c.why = d.activity(unit, workload, current, c.write)
	}
	return c
}

// starts reports whether davit starts a unit that is new on the node.
func (d *differ) starts(workload reconcile.Workload) bool {
	return (workload.Keep == reconcile.KeepRunning || workload.Keep == reconcile.KeepStarted) && !d.completed(workload)
}

// activity decides whether a workload must be started or restarted, and why.
func (d *differ) activity(unit string, workload reconcile.Workload, current reconcile.ActualWorkload, write string) (reconcile.Verb, string) {
	running := current.IsRunning()
	// The process may be of the desired version while the unit file is of another one that was never started: then the file is
	// not compared.
	unstarted := current.RunningDir == workload.BundleDir && current.BundleDir != workload.BundleDir
	replaced := units.NeedsRestart(current.UnitText, workload.UnitText) && !(running && unstarted)
	// The process may be older than its unit file.
	runsOn := running && current.UnitText == workload.UnitText && d.options.RunsOn[unit] != ""
	switch {
	case workload.Keep == reconcile.KeepApart:
		return "", ""
	case workload.Keep == reconcile.KeepRunning && d.isStopping(unit, workload):
		return "", "" // davit did not ask for the stop: the decision comes after the unit has ended
	case current.IsArriving(workload, d.isOwed(unit, workload)) && !(runsOn && current.Job == "start"):
		return "", "" // systemd is about to start it as it is wanted
	case d.isOwed(unit, workload) && running && current.Active != names.Active:
		return reconcile.Restart, cmp.Or(write, "its file is written, and it was not started since")
	case d.isOwed(unit, workload) && !running:
		return reconcile.Start, cmp.Or(write, "its file is written, and it was not started since")
	case compare.Reloads(workload, current):
		return reconcile.ReloadUnit, cmp.Or(write, "its files changed")
	case workload.Restored && current.Active == names.Active && current.Run != nil && current.Run.ReloadFailed:
		return reconcile.Restart, cmp.Or(write, "its last reload failed, so it may have files of the version that was rolled back")
	case running && current.RunningDir != "" && current.RunningDir != workload.BundleDir:
		return reconcile.Restart, cmp.Or(write, outdated(workload, current))
	case running && replaced:
		return reconcile.Restart, write
	case runsOn:
		return reconcile.Restart, cmp.Or(write, "its file is written, and it was not restarted since")
	case running:
		return "", ""
	case current.Active == names.Deactivating && !replaced:
		return "", "" // systemd decides whether it starts the unit again; the next look shows the result
	case workload.Keep == reconcile.KeepIdle:
		return "", ""
	case replaced && !d.completed(workload) && (workload.Keep != reconcile.KeepStarted || d.renews(workload, current)):
		return reconcile.Start, write
	case d.completed(workload):
		return "", "" // a job runs once
	case current.Result == "start-limit-hit" || workload.Unit != nil && workload.Unit.MaxRestarts >= 0 && current.Active == names.Failed:
		return "", "" // systemd gave up, as the manifest asked: status tells
	case current.LacksParts():
		return reconcile.Start, "its image, a volume or a network was not available"
	case workload.Keep == reconcile.KeepRunning:
		return reconcile.Start, fmt.Sprintf("not running: %s (%s)", current.Active, current.Result)
	case !current.Started:
		return reconcile.Start, "has not run since boot"
	default:
		return "", "" // ran to its end
	}
}

// outdated returns the reason, in words, for the restart of a unit whose file is written already.
func outdated(workload reconcile.Workload, current reconcile.ActualWorkload) string {
	if current.Running == nil || workload.Bundle == nil {
		return "runs an older version than its unit file says"
	}
	return strings.Join(compare.Bundles(workload.Bundle, current.Running), ", ")
}

// fetch plans the requirements of workloads before any running unit is touched.
func (d *differ) fetch() {
	d.fetched, d.required = map[string]string{}, map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(d.desired.Images)) {
		image := d.desired.Images[key]
		if slices.Contains(d.actual.Images[image.ID], key) {
			continue
		}
		if d.isLate(key) {
			d.late = append(d.late, key)
			continue
		}
		d.fetched["image "+key] = d.plan.Add(reconcile.Action{
			Verb: reconcile.PullImage, Object: image.Reference, Target: key,
			Reason: fmt.Sprintf("%s is not on the node", compare.ShortDigest(image.Digest)),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(d.desired.Networks)) {
		network := d.desired.Networks[name]
		current, exists := d.actual.Networks[name]
		action := reconcile.Action{Verb: reconcile.MakeNetwork, Object: network.Ref.String(), Target: name, Reason: "not on the node yet"}
		switch {
		case exists && bundle.SameNetwork(current.Conflist, network.Conflist):
			continue
		case exists:
			action.Verb, action.Reason, action.Waits = reconcile.CheckNetwork, networkChanged, d.stays(name)
			d.renewals = append(d.renewals, name)
		}
		d.fetched["network "+name] = d.plan.Add(action)
	}
	for _, name := range slices.Sorted(maps.Keys(d.desired.Volumes)) {
		volume := d.desired.Volumes[name]
		current, exists := d.actual.Volumes[name]
		reason := "not on the node yet"
		switch {
		case exists && current == volume.Actual(current):
			continue
		case exists && current.Delete != volume.Delete:
			reason = "its reclaim policy changed"
		case exists:
			reason = fmt.Sprintf("owner or mode changed %d:%d %04o → %d:%d %04o",
				current.UID, current.GID, current.Mode, volume.UID, volume.GID, volume.Mode)
		}
		d.fetched["volume "+name] = d.plan.Add(reconcile.Action{
			Verb: reconcile.MakeVolume, Object: volume.Ref.String(), Target: name, Reason: reason,
		})
	}
}

// staged reports whether a workload's bundle is on the disk, and can be read as far as one knows: it
// has been, where the unit names it.
func (d *differ) staged(unit string, workload reconcile.Workload) bool {
	current, exists := d.actual.Workloads[unit]
	damaged := exists && current.BundleDir == workload.BundleDir && current.Bundle == nil
	return d.bundles[workload.BundleDir] && !damaged
}

// stage plans the bundles. They are new directories: nothing running sees them.
func (d *differ) stage() {
	for _, c := range d.changes {
		if c.workload.BundleDir == "" || d.staged(c.unit, c.workload) {
			continue
		}
		reason := c.write
		if reason == "" {
			reason = "bundle is not on the disk, or is damaged"
		}
		d.fetched["bundle "+c.workload.BundleDir] = d.plan.Add(reconcile.Action{
			Verb: reconcile.WriteBundle, Object: c.workload.Ref.String(), Target: c.workload.BundleDir, Reason: reason,
		})
	}
}

// requirements returns the actions that provide the requirements of a workload: those of all objects that change together with
// its own.
func (d *differ) requirements(w reconcile.Workload) []string {
	set := d.together.of(w.Ref.String())
	if needs, known := d.required[set]; known {
		return needs
	}
	var needs []string
	for _, c := range d.changes {
		if d.together.of(c.workload.Ref.String()) == set {
			needs = append(needs, d.requirementsOf(c.workload)...)
		}
	}
	slices.Sort(needs)
	d.required[set] = slices.Compact(needs)
	return d.required[set]
}

func (d *differ) requirementsOf(w reconcile.Workload) []string {
	var needs []string
	need := func(key string) {
		if id, ok := d.fetched[key]; ok {
			needs = append(needs, id)
		}
	}
	if w.Bundle == nil {
		return nil
	}
	for _, key := range imagesOf(w) {
		need("image " + key)
	}
	for _, name := range w.Networks {
		need("network " + name)
	}
	for _, name := range w.Volumes {
		need("volume " + name)
	}
	need("bundle " + w.BundleDir)
	return needs
}

// removal says why a unit goes.
func (d *differ) removal(unit string) string {
	if reconcile.IsSurge(unit) {
		return "nothing is restarted any more"
	}
	if _, ok := d.desired.Workloads[unit]; ok {
		return "its job is done, and its ttlSecondsAfterFinished is over"
	}
	ref := d.actual.Workloads[unit].Ref
	for _, workload := range d.desired.Workloads {
		if workload.Ref == ref {
			return "no part of the object any more"
		}
	}
	return "manifest is gone"
}

// volumeOf is the named volume that a path of the node is in; "" when it is in none.
func volumeOf(path string) string {
	below, ok := strings.CutPrefix(path, bundle.VolumesDir+"/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(below, "/")
	return name
}
