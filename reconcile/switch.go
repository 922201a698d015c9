package reconcile

import (
	"fmt"
	"slices"
)

// switching is what the parts of [differ.switchOver] tell each other: ids of actions.
type switching struct {
	stops    []string            // of units that are removed
	files    []string            // that change unit files
	written  map[string]string   // by unit, of the files that are written
	reloaded []string            // the reload, if there is one
	halted   map[string]string   // by unit, of what stops first
	renewed  []string            // that make networks anew
	pulled   map[string]string   // by image, of what is fetched late
	rolling  map[string][]string // by the action that waits for them
	starts   []string            // that start or restart
}

// switchOver plans the change from old to new: what was removed stops first, because its
// ports and volumes may be wanted; then unit files, one reload, and the starts.
func (d *differ) switchOver() {
	d.remove()
	d.write()
	ordered := d.inOrder()
	d.stopHalted(ordered)
	d.renewNetworks()
	d.pullLate(ordered)
	d.rolling = d.rollingOrder(ordered)
	for _, c := range ordered {
		d.start(c)
	}
	d.dismiss(ordered)
}

func (d *differ) remove() {
	for _, unit := range d.removals {
		object, reason := d.actual.Workloads[unit].Ref.String(), d.removal(unit)
		stop := d.plan.add(Action{Verb: Stop, Object: object, Target: unit, Reason: reason})
		d.stops = append(d.stops, stop)
		d.files = append(d.files, d.plan.add(Action{
			Verb: RemoveUnit, Object: object, Target: unit, Reason: reason, Needs: []string{stop},
		}))
	}
}

func (d *differ) write() {
	d.written = map[string]string{}
	for _, c := range d.changes {
		if c.write == "" {
			continue
		}
		id := d.plan.add(Action{
			Verb: WriteUnit, Object: c.workload.Ref.String(), Target: c.unit, Reason: c.write,
			Needs: d.requirements(c.workload),
		})
		d.written[c.unit] = id
		d.files = append(d.files, id)
	}
	if len(d.files) > 0 {
		d.reloaded = []string{d.plan.add(Action{
			Verb: Reload, Object: "systemd", Reason: fmt.Sprintf("%d unit files changed", len(d.files)), After: d.files,
		})}
	}
}

// start plans the start or the restart of one unit.
func (d *differ) start(c change) {
	after := slices.Concat(d.stops, d.renewed)
	if i := slices.IndexFunc(d.changes, func(other change) bool { return other.unit == c.workload.Triggers && other.restarts() }); i >= 0 {
		after = append(after, d.changes[i].begin())
	}
	d.starts = append(d.starts, d.plan.add(Action{
		Verb: c.verb, Object: c.workload.Ref.String(), Target: c.unit, Reason: c.why, Needs: d.ready(c), After: after,
	}))
}

// ready are the actions without which a unit cannot be started, or stopped to be started anew.
func (d *differ) ready(c change) []string {
	needs := d.requirements(c.workload)
	if id, ok := d.written[c.unit]; ok {
		needs = append([]string{id}, d.reloaded...)
	} else if c.with != "" {
		needs = append(needs, d.reloaded...)
	}
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
	if c.verb == Restart && !c.spare {
		needs = append(needs, d.spared(c.workload.Ref.String())...)
	}
	return append(needs, d.rolling[c.begin()]...)
}
