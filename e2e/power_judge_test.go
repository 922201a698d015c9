package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// checkFinished compares a machine with the desired state of its edition.
func (s *series) checkFinished(now judged) {
	s.t.Helper()
	want := s.edition.units()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		unit, there := now.Units[name]
		if !there || unit.Active != "active" {
			s.t.Errorf("%s is not there, or %q", name, unit.Active)
		}
		if want[name] && !slices.Equal(unit.Versions, s.edition.versions()) {
			s.t.Errorf("%s has versions %v, want %v", name, unit.Versions, s.edition.versions())
		}
	}
	for name := range now.Units {
		if _, ok := want[name]; !ok {
			s.t.Errorf("%s is still there", name)
		}
	}
	if len(now.Leftovers)+len(now.Broken) > 0 {
		s.t.Errorf("left over: %v, damaged: %v", now.Leftovers, now.Broken)
	}
	if s.sound.Units == nil {
		return // the first one has nothing to be compared with
	}
	if diff := cmp.Diff(s.sound.Volumes, now.Volumes); diff != "" {
		s.t.Errorf("volumes: %s", diff)
	}
	if diff := cmp.Diff(s.sound.counts, now.counts); diff != "" {
		s.t.Errorf("counts: %s", diff)
	}
}

// checkRound compares the state after a boot with the machine before and after the update: each
// object is whole, the old one or the new one, and a container that runs is of one edition. It counts
// the changed objects of each kind.
func (s *series) checkRound(found, now judged, quiet bool) string {
	s.t.Helper()
	if diff := cmp.Diff(s.sound.Volumes, found.Volumes); diff != "" {
		s.t.Errorf("volumes after the boot: %s", diff)
	}
	sides := map[string]map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(now.Units)) {
		if _, there := found.Units[name]; !there && s.sound.Units[name].Text != "" {
			s.t.Errorf("after the boot %s is gone", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found.Units)) {
		unit := found.Units[name]
		isOld, isNew := unit.version() == s.sound.Units[name].version(), unit.version() == now.Units[name].version()
		if !isOld && !isNew {
			s.t.Errorf("after the boot %s is neither the old one nor the new one", name)
		}
		if isOld && isNew {
			continue
		}
		side, edition := "new", s.edition
		if isOld {
			side, edition = "old", s.previous
		}
		// A new object's unit may be there before it was enabled; then it does not run.
		if quiet && unit.Active == "active" && !slices.Equal(unit.Versions, edition.versions()) {
			s.t.Errorf("after the boot %s, the %s one, has versions %v, want %v", name, side, unit.Versions, edition.versions())
		}
		if sides[unit.Object] == nil {
			sides[unit.Object] = map[string]bool{}
		}
		sides[unit.Object][side] = true
	}
	return s.outcome(sides)
}

// outcome counts the objects on each side; one on both is mixed.
func (s *series) outcome(sides map[string]map[string]bool) string {
	s.t.Helper()
	count := map[string]int{}
	for _, object := range slices.Sorted(maps.Keys(sides)) {
		if len(sides[object]) > 1 {
			s.t.Errorf("after the boot %s is half old and half new", object)
		}
		for side := range sides[object] {
			count[side]++
		}
	}
	var told []string
	for _, side := range slices.Sorted(maps.Keys(count)) {
		told = append(told, fmt.Sprintf("%d %s", count[side], side))
	}
	if len(told) == 0 {
		return "nothing to change"
	}
	return strings.Join(told, ", ")
}
