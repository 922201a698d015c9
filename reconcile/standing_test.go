package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/davit-project/davit/reconcile"
)

// standing is the expected state of a node, after docs/updates.md. It knows for each request to systemd who made it, and not how
// davit finds that out.
type standing struct {
	manager *manager
	// withheld are the units that the operator stopped; true if the unit stopped as a part of another one.
	withheld map[string]bool
	// ours are the units that davit stopped, and is to start again where they are wanted.
	ours map[string]bool
	// unsure are units of which systemd does not know whether the operator stopped them.
	unsure map[string]bool
	// alone are units that ran on while they were masked: units that they require may have stopped without them.
	alone map[string]bool
	// up are the units that ran, or were about to, after the last request about them that was not davit's.
	up map[string]bool
	// undone are starts that davit was not to make.
	undone []string
}

func newStanding(m *manager) *standing {
	s := &standing{manager: m}
	s.reset()
	m.noted, m.forgot = s.note, s.forget
	m.removed = func(unit string) {
		s.forget(unit)
		delete(s.ours, unit)
		delete(s.up, unit)
	}
	return s
}

func (s *standing) reset() {
	s.withheld, s.ours, s.unsure, s.alone, s.up = map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
}

// forget ends the stop of a unit of which systemd knows nothing any more.
func (s *standing) forget(unit string) {
	delete(s.withheld, unit)
	delete(s.unsure, unit)
	delete(s.alone, unit)
}

func (s *standing) note(t transaction) {
	if t.verb == "stop" {
		s.stop(t)
		return
	}
	started := slices.Sorted(maps.Keys(t.jobs))
	for _, unit := range started {
		u := s.manager.unit(unit)
		if t.jobs[unit] == "restart" && !isDown(u.active) {
			s.blur(unit)
			s.cover(t.by, unit)
		}
		if t.by == byDavit && !strings.HasSuffix(unit, ".slice") && isDown(u.active) && u.job == nil && !s.mayStart(t, unit) {
			s.undone = append(s.undone, fmt.Sprintf("%s %s starts %s", t.verb, t.anchor, unit))
		}
	}
	for _, unit := range started {
		s.start(unit)
	}
}

// start ends the stops of the started units, and of those that stopped with them.
func (s *standing) start(unit string) {
	u := s.manager.unit(unit)
	delete(s.withheld, unit)
	delete(s.ours, unit)
	delete(s.unsure, unit)
	delete(s.alone, unit)
	s.up[unit] = true
	if u.job != nil && u.job.verb == "stop" && u.active == "active" { // units that stop with it stop, and it does not
		s.blurDependents(unit)
	}
	for part, isPart := range s.withheld {
		if isPart && s.isPartOf(part, unit) && !strings.HasSuffix(unit, ".slice") {
			delete(s.withheld, part)
		}
	}
}

func (s *standing) blurDependents(needed string) {
	for _, unit := range slices.Sorted(maps.Keys(s.manager.loaded)) {
		if u := s.manager.loaded[unit]; unit != needed && s.isStopping(u) && s.stopsWith(u, needed, nil) {
			s.unsure[unit] = true
		}
	}
}

// isStopping reports whether a unit stops, or has just done so, be it before it was up.
func (s *standing) isStopping(u *loadedUnit) bool {
	at := u.left
	if isDown(u.active) && u.begun.After(at) {
		at = u.since
	}
	return u.job != nil && u.job.verb == "stop" || s.manager.now.Sub(at) < oneStop
}

// mayStart reports whether davit may ask for a transaction that starts a unit. systemd itself starts units that a unit wants, and
// those that these require.
func (s *standing) mayStart(t transaction, unit string) bool {
	_, withheld := s.withheld[unit]
	required := s.required(t.anchor, map[string]bool{})
	isDisabled := s.manager.fileState(unit) == "disabled" && !s.up[unit] && !s.ours[unit]
	return !required[unit] || (!withheld || s.unsure[unit]) && (unit != t.anchor || !isDisabled)
}

// required are the units that a unit cannot be started without, and the unit.
func (s *standing) required(unit string, into map[string]bool) map[string]bool {
	if !into[unit] {
		into[unit] = true
		for _, needed := range s.manager.unit(unit).requires() {
			s.required(needed, into)
		}
	}
	return into
}

// isPartOf reports whether systemd stops the one unit with the other, of the same object.
func (s *standing) isPartOf(part, whole string) bool {
	u := s.manager.unit(part)
	return objectOf(u) == objectOf(s.manager.unit(whole)) && s.stopsWith(u, whole, nil)
}

func (s *standing) stopsWith(u *loadedUnit, whole string, seen []string) bool {
	u = s.asFile(u)
	if u.stopsWith(whole) {
		return true
	}
	for _, needed := range slices.Concat(u.requires(), u.settings["PartOf"]) {
		if !slices.Contains(seen, needed) && s.stopsWith(s.manager.unit(needed), whole, append(seen, needed)) {
			return true
		}
	}
	return false
}

// asFile returns a unit with the settings of its file: systemd does not know those of a masked one, but davit does.
func (s *standing) asFile(u *loadedUnit) *loadedUnit {
	if !u.masked {
		return u
	}
	return &loadedUnit{name: u.name, settings: settingsOf(s.manager.files[u.name])}
}

// objectOf is the object of a unit that davit wrote.
func objectOf(u *loadedUnit) string {
	return ownOf(u.text).Object
}

// oneStop is the time within which two stops look as one if only the times of the stops are known.
const oneStop = 5 * time.Second

// stop records a stop.
func (s *standing) stop(t transaction) {
	for _, unit := range slices.Sorted(maps.Keys(t.jobs)) {
		if reconcile.IsSurge(unit) {
			continue // davit has it come and go
		}
		u := s.manager.unit(unit)
		delete(s.alone, unit)
		s.cover(t.by, unit)
		s.up[unit] = t.by == byDavit && s.up[unit]
		switch {
		case t.by == byDavit:
			if _, withheld := s.withheld[unit]; !withheld {
				s.ours[unit] = true
			} else if u.job != nil && unit != t.anchor { // the operator's stop continues, and ends with that of the units that davit stops
				s.unsure[unit] = true
			}
		case t.by != byOperator:
			s.blur(unit)
		case s.ours[unit]:
		case isDown(u.active):
			s.unsure[unit] = s.unsure[unit] || u.job != nil
		default:
			s.stopOne(t, u)
		}
	}
	if t.by == byOperator {
		s.stopParts(t.jobs)
	}
	for _, unit := range slices.Sorted(maps.Keys(t.jobs)) {
		for other := range t.jobs {
			if t.by == byOperator && s.unsure[other] && unit != other && s.stopsWith(s.manager.unit(unit), other, nil) {
				s.unsure[unit] = true
			}
		}
	}
}

// stopParts records that parts of units which the operator stops are to stay down if they are down already: davit may have
// stopped them.
func (s *standing) stopParts(stopped map[string]string) {
	for unit := range s.up {
		for whole := range stopped {
			if isDown(s.manager.unit(unit).active) && s.isPartOf(unit, whole) {
				s.up[unit] = false
			}
		}
	}
}

// stopOne notes that the operator stops a unit that is not down, or another one that it goes with.
func (s *standing) stopOne(t transaction, u *loadedUnit) {
	_, withheld := s.withheld[u.name]
	switch {
	case s.isPartOf(u.name, t.anchor) && u.name != t.anchor && s.needsOneOf(u, t.jobs):
		if !withheld {
			s.withheld[u.name] = true
		}
	case u.name == t.anchor || s.isIn(u, t.anchor) && !s.needsOneOf(u, t.jobs): // a slice starts nothing again
		if !withheld {
			s.withheld[u.name] = false
		}
		if s.stopsAlong(u) {
			s.unsure[u.name] = true
		}
	}
	s.blur(u.name)
}

// blur notes that those units may have stopped with one that they cannot be without, which the operator stopped just
// before.
func (s *standing) blur(needed string) {
	for _, unit := range slices.Sorted(maps.Keys(s.withheld)) {
		if u := s.manager.unit(unit); unit != needed && s.isStopping(u) && s.stopsWith(u, needed, nil) {
			s.unsure[unit] = true
		}
	}
}

// cover records that a unit stops again of which systemd keeps the time of the last stop alone: for units that stopped with it
// before, and are still down, systemd has no record any more that they did. davit knows its own stops before.
func (s *standing) cover(by origin, needed string) {
	again := s.manager.unit(needed)
	if by == byDavit || again.active != "active" || again.left.IsZero() {
		return
	}
	for _, unit := range slices.Sorted(maps.Keys(s.manager.loaded)) {
		u := s.manager.loaded[unit]
		_, withheld := s.withheld[unit]
		isAlong := isDown(u.active) && again.left.Sub(u.left).Abs() < oneStop
		if isAlong && !withheld && unit != needed && s.stopsWith(u, needed, nil) {
			s.unsure[unit] = true
		}
	}
}

// isIn reports whether a unit is in a slice, or in one below it.
func (s *standing) isIn(u *loadedUnit, slice string) bool {
	return slices.ContainsFunc(u.settings["Slice"], func(own string) bool { return own == slice || s.isIn(s.manager.unit(own), slice) })
}

// needsOneOf reports whether systemd stops a unit with another one of some, slices aside.
func (s *standing) needsOneOf(u *loadedUnit, jobs map[string]string) bool {
	for other := range jobs {
		if !strings.HasSuffix(other, ".slice") && s.stopsWith(u, other, nil) {
			return true
		}
	}
	return false
}

// stopsAlong reports whether a unit stops while, or soon after, another one has stopped that it cannot be without.
func (s *standing) stopsAlong(u *loadedUnit) bool {
	u = s.asFile(u)
	for _, needed := range slices.Concat(u.requires(), u.settings["PartOf"]) {
		other := s.manager.unit(needed)
		if other.job != nil || !other.left.IsZero() && s.manager.now.Sub(other.left) < oneStop {
			return true
		}
	}
	return false
}

// boot ends all stops.
func (s *standing) boot() {
	s.reset()
}

// expectation is the expected state of a unit.
type expectation string

const (
	isUp     expectation = "up"
	isHeld   expectation = "down"
	isEither expectation = "up or down"
)

// verdict returns the expected state of a desired unit.
func (s *standing) verdict(unit string, desired reconcile.Desired, seen []string) expectation {
	workload := desired.Workloads[unit]
	_, withheld := s.withheld[unit]
	state := s.manager.fileState(unit)
	verdict := isUp
	switch {
	case state == "masked" && s.up[unit], s.alone[unit]: // it continues to run, whether others run or not
		return isEither
	case state == "masked", withheld && !s.unsure[unit]:
		return isHeld
	case s.unsure[unit], state == "disabled" && (s.up[unit] || s.ours[unit]):
		verdict = isEither
	case state == "disabled":
		verdict = isHeld
	}
	for _, needed := range workload.Needs() {
		if _, wanted := desired.Workloads[needed]; !wanted || slices.Contains(seen, needed) {
			continue
		}
		isPartOf := slices.Contains(workload.Unit.Dependencies.PartOf, needed)
		switch of := s.verdict(needed, desired, append(seen, unit)); {
		case isPartOf && (of == isUp || s.up[unit]): // it runs without the whole
		case of == isHeld && verdict != isHeld:
			verdict = isHeld
		case of == isEither && verdict == isUp:
			verdict = isEither
		}
	}
	return verdict
}
