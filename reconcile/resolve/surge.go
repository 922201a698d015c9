package resolve

import (
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// surgeOf is how many spares a workload has, so that some answer while others are restarted.
func surgeOf(policy v1.UpdatePolicy) int {
	if policy.MaxSurge == nil {
		return 0
	}
	return int(*policy.MaxSurge)
}

// withSpares lowers a pod that is alone, and those that stand in for it.
func (i instance) withSpares() (lowered, error) {
	count := surgeOf(i.spec.UpdatePolicy)
	i.replica = count > 0
	all, err := i.lower()
	if err != nil {
		return lowered{}, err
	}
	for n := range count {
		spare, err := i.spare(n).lower()
		if err != nil {
			return lowered{}, err
		}
		all.spares = append(all.spares, spare)
	}
	return all, nil
}

// spare returns a surge instance, which runs in place of an instance. Only davit starts it.
func (i instance) spare(n int) instance {
	number := reconcile.SurgeNumber(n)
	i.single = strings.TrimSuffix(i.single, i.number) + number
	i.number, i.replica = number, true
	i.service.wantedBy = nil
	return i
}

// spares returns the surge instances of a Container.
func (run runnable) spares() []lowered {
	var spares []lowered
	for n := range surgeOf(run.UpdatePolicy) {
		spare := run
		spare.name += reconcile.SurgeNumber(n)
		spare.wantedBy = nil
		spares = append(spares, lowered{containers: []runnable{spare}})
	}
	return spares
}

// setAside makes surge instances of the workloads of an instance.
func (r *resolver) setAside(l lowered) {
	var names []string
	for _, box := range l.sandboxes {
		names = append(names, box.unit())
	}
	for _, run := range l.containers {
		names = append(names, run.unit())
	}
	for _, slice := range l.slices {
		names = append(names, slice.Name)
	}
	for _, unit := range names {
		if workload, ok := r.desired.Workloads[unit]; ok {
			delete(r.desired.Workloads, unit)
			r.desired.Spares[unit] = workload
		}
	}
}
