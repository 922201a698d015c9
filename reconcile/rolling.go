package reconcile

import (
	"regexp"
	"slices"
	"strconv"
)

// instanceOf is where a unit's name has the number of its replica.
var instanceOf = regexp.MustCompile(`@(\d+)\.service$`)

// replica is one of several, as far as it is restarted.
type replica struct {
	number int
	starts []string // the actions that restart or start its units
}

// rollingOrder are, for each action that restarts a replica, those that must have succeeded before: a few
// replicas at a time, in the order of their numbers, so that the others answer meanwhile.
func (d *differ) rollingOrder(changes []change) map[string][]string {
	replicas := map[string][]replica{}
	atOnce := map[string]int{}
	for _, c := range changes {
		number := instanceOf.FindStringSubmatch(c.unit)
		if number == nil || c.halt || !d.actual.Workloads[c.unit].running() {
			continue // a new one takes nobody's place, and one that was stopped has none
		}
		object := c.workload.Ref.String()
		n, _ := strconv.Atoi(number[1]) // digits
		atOnce[object] = max(atOnce[object], c.workload.Update.AtOnce)
		i := slices.IndexFunc(replicas[object], func(r replica) bool { return r.number == n })
		if i < 0 {
			replicas[object] = append(replicas[object], replica{number: n})
			i = len(replicas[object]) - 1
		}
		replicas[object][i].starts = append(replicas[object][i].starts, c.begin())
	}
	before := map[string][]string{}
	for object, all := range replicas {
		if atOnce[object] == 0 {
			continue
		}
		slices.SortFunc(all, func(a, b replica) int { return a.number - b.number })
		for i := atOnce[object]; i < len(all); i++ {
			for _, start := range all[i].starts {
				before[start] = all[i-atOnce[object]].starts
			}
		}
	}
	return before
}
