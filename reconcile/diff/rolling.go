package diff

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
)

// instanceOf is where a unit's name has the number of its replica.
var instanceOf = regexp.MustCompile(`@(\d+)\.service$`)

// replica is one of several, as far as it is being replaced.
type replica struct {
	number int
	starts []string // the actions that restart or start its units
	moving string   // a unit of it that has been replaced already and has not proved itself yet; "" for none
	broken bool     // that one does not work
}

// rollingOrder says of each action that restarts a replica which must have succeeded before, or which
// unit it waits for: a few replicas at a time, in the order of their numbers, so that the others answer
// meanwhile. A replica keeps its place until its own probation is over: a version that fails soon after it was ready
// has then replaced no more replicas than may be replaced at a time.
func (d *differ) rollingOrder(changes []change) {
	d.rolling, d.turns = map[string][]string{}, map[string]turn{}
	if d.options.Unwatched {
		return
	}
	for _, object := range d.replicas(changes) {
		object.order(d.rolling, d.turns)
	}
}

// replicaSet are the replicas of an object that are being replaced.
type replicaSet struct {
	atOnce   int
	replicas []*replica
}

// replicas are those that are being replaced, by object.
func (d *differ) replicas(changes []change) map[string]*replicaSet {
	sets := map[string]*replicaSet{}
	byUnit := map[string]change{}
	for _, c := range changes {
		byUnit[c.unit] = c
	}
	for _, unit := range slices.Sorted(maps.Keys(d.desired.Workloads)) {
		match := instanceOf.FindStringSubmatch(unit)
		workload, current := d.desired.Workloads[unit], d.actual.Workloads[unit]
		if match == nil || workload.Update.AtOnce == 0 {
			continue
		}
		c, changed := byUnit[unit]
		switch {
		case changed && (c.halt || !current.IsRunning()):
			continue // a new one takes no place, and one that was stopped has none
		case changed && d.isRefused(c):
			continue // it continues to run until an operator unmasks the unit that it requires
		case !changed && (current.IsDown() || d.proved(workload, current) || d.heldByOperator(unit).By != ""):
			continue // a unit that an operator masked continues to run as it is
		}
		number, _ := strconv.Atoi(match[1]) // digits
		r := sets[workload.Ref.String()].with(sets, workload, number)
		if changed {
			r.starts = append(r.starts, c.begin())
		} else {
			r.moving, r.broken = unit, r.broken || current.Run != nil && d.progress(workload, current) == history.Broken
		}
	}
	return sets
}

// with returns the replica of a number, which it adds where it is new.
func (s *replicaSet) with(sets map[string]*replicaSet, workload reconcile.Workload, number int) *replica {
	if s == nil {
		s = &replicaSet{}
		sets[workload.Ref.String()] = s
	}
	s.atOnce = max(s.atOnce, workload.Update.AtOnce)
	for _, r := range s.replicas {
		if r.number == number {
			return r
		}
	}
	r := &replica{number: number}
	s.replicas = append(s.replicas, r)
	return r
}

// order has each replica wait for its turn. Those that move already take the first places.
func (s *replicaSet) order(before map[string][]string, turns map[string]turn) {
	slices.SortFunc(s.replicas, func(a, b *replica) int {
		return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(a.number, b.number))
	})
	for i := s.atOnce; i < len(s.replicas); i++ {
		earlier := s.replicas[i-s.atOnce]
		for _, start := range s.replicas[i].starts {
			if earlier.moving != "" {
				turns[start] = turn{"waits for " + earlier.moving + ", which is being replaced", earlier.broken}
			} else {
				before[start] = earlier.starts
			}
		}
	}
}

// place is 0 for a replica that moves already.
func (r *replica) place() int {
	if r.moving != "" {
		return 0
	}
	return 1
}

// turn is the condition for the restart of a replica, and whether a person has to bring it about.
type turn struct {
	waits   string
	blocked bool
}

// proved reports whether a unit is up as it is wanted and its probation is over. One that is not judged has passed it
// before, and so has one that runs on although its file had been changed.
func (d *differ) proved(workload reconcile.Workload, current reconcile.ActualWorkload) bool {
	isJudged := current.Run != nil && current.UnitText == workload.UnitText
	return current.IsSettled(workload) && (!isJudged || d.progress(workload, current) == history.Confirmed)
}

func (d *differ) progress(workload reconcile.Workload, current reconcile.ActualWorkload) history.Progress {
	return history.JudgeUnit(workload, current, d.actual, d.options.Now).Progress
}
