package diff

import (
	"errors"
	"fmt"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
)

// switching are values that the parts of [differ.switchOver] share: ids of actions.
type switching struct {
	stops    map[string]string   // by unit, of units that are removed
	givers   map[string][]string // by unit, the units that give up things which it claims
	yielded  map[string]string   // by unit, the stops of units that become another object's
	yields   map[v1.Ref][]string // by object, the stops that come before its files and starts
	leaving  []string            // units on their way to give something up
	recalled map[string]string   // by unit, of records of jobs that count again
	files    []string            // that change unit files
	written  map[string]string   // by unit, of the files that are written
	reloaded []string            // the reload, if there is one
	along    map[string][]change // by unit, those that its restart takes along
	halted   map[string]string   // by unit, of those that stop first
	renewed  map[string]string   // by network, of those that make it again
	pulled   map[string]string   // by image, of those that are pulled once their users have stopped
	rolling  map[string][]string // by the action that waits for them
	turns    map[string]turn     // by the action, the unit that is being replaced already and that it waits for
}

// switchOver plans the change from old to new: stops of units that are removed, unit files, one reload,
// and the starts. A start waits for a stop only where both need the same thing.
func (d *differ) switchOver() {
	d.remove()
	d.yield()
	d.recall()
	d.write()
	ordered := d.inOrder()
	d.stopHalted(ordered)
	d.renewNetworks()
	d.pullLate(ordered)
	d.rollingOrder(ordered)
	for _, c := range ordered {
		d.start(c)
	}
	d.dismiss(ordered)
}

// remove plans the removal of units. The file of a unit goes once the unit has stopped.
func (d *differ) remove() {
	d.stops = map[string]string{}
	for _, unit := range d.removals {
		current := d.actual.Workloads[unit]
		object, reason := current.Ref.String(), d.removal(unit)
		var needs []string
		if !current.IsDown() {
			stop := reconcile.Action{Verb: reconcile.Stop, Object: object, Target: unit, Reason: reason, Waits: current.Stopping(unit)}
			for _, next := range d.replacedBy(current.Ref) {
				stop.Needs = append(stop.Needs, d.requirements(next.workload)...)
			}
			d.stops[unit] = d.plan.Add(stop)
			needs = []string{d.stops[unit]}
		}
		d.files = append(d.files, d.plan.Add(reconcile.Action{Verb: reconcile.RemoveUnit, Object: object, Target: unit, Reason: reason, Needs: needs}))
	}
}

func (d *differ) write() {
	d.written = map[string]string{}
	for _, c := range d.changes {
		if c.write == "" {
			continue
		}
		needs := slices.Clone(d.requirements(c.workload))
		for _, of := range []map[string]string{d.yielded, d.recalled} {
			if id, ok := of[c.unit]; ok {
				needs = append(needs, id)
			}
		}
		id := d.plan.Add(reconcile.Action{
			Verb: reconcile.WriteUnit, Object: c.workload.Ref.String(), Target: c.unit, Reason: c.write, Needs: needs, After: d.giveWay(c.workload),
			Disabled: d.isDisabled(c.unit, c.workload),
		})
		d.written[c.unit] = id
		d.files = append(d.files, id)
	}
	if files := d.changedFiles(); files > 0 {
		d.reloaded = []string{d.plan.Add(reconcile.Action{
			Verb: reconcile.Reload, Object: "systemd", Reason: fmt.Sprintf("%d unit files changed", files), After: d.files,
		})}
	}
}

// changedFiles counts the unit files that systemd has to read.
func (d *differ) changedFiles() int {
	files := len(d.files)
	for _, c := range d.changes {
		if c.write != "" && d.isRead(c) {
			files--
		}
	}
	return files
}

// isRead reports whether systemd knows the file of a unit as it is to be, and has enabled it: a unit that only starts
// another bundle keeps its file.
func (d *differ) isRead(c change) bool {
	current, exists := d.actual.Workloads[c.unit]
	return exists && !current.NeedReload && !d.halfWritten(c.unit, c.workload, current) &&
		units.OnDisk(current.UnitText) == units.OnDisk(c.workload.UnitText)
}

// start plans the start or the restart of one unit.
func (d *differ) start(c change) {
	after := slices.Concat(d.giveWay(c.workload), d.conflicts(c), d.given(c), d.comes(c), d.startsAlone(c))
	for _, name := range c.workload.Networks {
		if id, ok := d.renewed[name]; ok {
			after = append(after, id)
		}
	}
	if i := slices.IndexFunc(d.changes, func(other change) bool { return other.unit == c.workload.Triggers && other.restarts() }); i >= 0 {
		after = append(after, d.changes[i].begin())
	}
	waits, blocked := d.waits(c)
	d.plan.Add(reconcile.Action{
		Verb: c.verb, Object: c.workload.Ref.String(), Target: c.unit, Reason: c.why,
		Needs: d.ready(c), After: after, With: c.with, Waits: waits, Blocked: blocked,
	})
}

// waits says which unit a start waits for that nothing in this plan starts, "" for none, and whether
// that one does not start by itself either.
func (d *differ) waits(c change) (waits string, blocked bool) {
	if turn := d.turns[c.begin()]; turn.waits != "" {
		return turn.waits, turn.blocked
	}
	if giver := d.givesStill(c); giver != "" {
		return giver, false
	}
	blocker, blocked := d.blocks(c.unit, nil)
	if masked, is := d.takesMasked(c); is {
		return masked.String(), true
	}
	switch {
	case blocked && d.heldByOperator(blocker.Unit).By != "":
		return blocker.String(), true // systemd would start both
	case d.options.Unwatched:
		return "", false // systemd has the dependencies, and no later pass would follow up
	case blocked:
		return blocker.String(), true
	}
	return d.expects(c), false
}

// precededBy are the units that a start is ordered after, and those that they are, as far as systemd would start
// them along.
func (d *differ) precededBy(c change) []string {
	var before []string
	var visit func(workload reconcile.Workload)
	visit = func(workload reconcile.Workload) {
		if workload.Unit == nil || d.completed(workload) {
			return
		}
		for _, other := range workload.Unit.Dependencies.After {
			if other == c.unit || slices.Contains(before, other) {
				continue
			}
			before = append(before, other)
			if !d.actual.Workloads[other].IsRunning() {
				visit(d.desired.Workload(other))
			}
		}
	}
	visit(c.workload)
	return before
}

// comes are the actions that bring the units a start comes after, where they are not on the node yet.
func (d *differ) comes(c change) []string {
	var after []string
	for _, other := range d.precededBy(c) {
		id, written := d.written[other]
		if _, exists := d.actual.Workloads[other]; written && !exists {
			after = append(after, id)
		}
	}
	return after
}

// startsAlone returns the actions that start units which a start is ordered after and does not start along, because they run
// once. systemd orders only units for which it has jobs.
func (d *differ) startsAlone(c change) []string {
	if c.workload.Unit == nil {
		return nil
	}
	dependencies := c.workload.Unit.Dependencies
	along := slices.Concat(dependencies.Wants, dependencies.Requires, dependencies.BindsTo)
	var after []string
	for _, other := range d.changes {
		isOnce := other.workload.Unit != nil && (other.workload.Unit.Restart == reconcile.RestartNever || other.workload.Unit.Role == units.RoleJob)
		isBefore := isOnce && slices.Contains(dependencies.After, other.unit) && !slices.Contains(along, other.unit)
		if isBefore && (other.verb == reconcile.Start || other.verb == reconcile.Restart) {
			after = append(after, other.begin())
		}
	}
	return after
}

// expects says which of the units that a start comes after is not on the node yet because a registry is asked about
// its image; "" for none.
func (d *differ) expects(c change) string {
	if len(d.desired.Problems) == 0 {
		return ""
	}
	before := d.precededBy(c)
	for _, problem := range d.desired.Problems {
		if !errors.As(problem.Err, new(reconcile.Waiting)) {
			continue
		}
		for _, other := range before {
			if _, exists := d.actual.Workloads[other]; !exists && slices.Contains(problem.Units, other) {
				return Blocker{problem.Ref.String(), other, "not on the node yet"}.String()
			}
		}
	}
	return ""
}

// ready are the actions without which a unit cannot be started, or stopped to be started again.
func (d *differ) ready(c change) []string {
	needs := d.requirements(c.workload)
	if id, ok := d.written[c.unit]; ok && d.isRead(c) {
		needs = []string{id}
	} else if ok {
		needs = append(slices.Clone(d.reloaded), id)
	} else if c.with != "" {
		needs = append(needs, d.reloaded...)
	}
	needs = append(needs, d.writtenFor(c.unit, nil)...)
	if i := slices.IndexFunc(d.changes, func(other change) bool { return other.unit == c.with }); i >= 0 {
		needs = append(needs, d.changes[i].begin())
	}
	if stop, ok := d.halted[c.unit]; ok {
		needs = append(needs, stop)
	}
	for _, key := range imagesOf(c.workload) {
		if pull, ok := d.pulled[key]; ok {
			needs = append(needs, pull)
		}
	}
	if c.verb == reconcile.Restart && !c.spare {
		needs = append(needs, d.spared(c.workload.Ref.String())...)
	}
	return append(needs, d.rolling[c.begin()]...)
}

// writtenFor are the actions after which systemd knows the units as they are wanted that it starts along with
// a unit: those that the unit requires and that do not run. Before, it would start them as they were. Seen are
// the units that wait for this one.
func (d *differ) writtenFor(unit string, seen []string) []string {
	workload := d.desired.Workload(unit)
	if workload.Unit == nil || slices.Contains(seen, unit) {
		return nil
	}
	var needs []string
	for _, needed := range slices.Concat(workload.Unit.Dependencies.Requires, workload.Unit.Dependencies.BindsTo) {
		if d.actual.Workloads[needed].IsRunning() {
			continue
		}
		if id, ok := d.written[needed]; ok {
			needs = append(append(needs, d.reloaded...), id)
		}
		needs = append(needs, d.writtenFor(needed, append(seen, unit))...)
	}
	slices.Sort(needs)
	return slices.Compact(needs)
}
