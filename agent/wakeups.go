package agent

import "time"

// listen begins to take down which units change during a pass.
func (r *reconciler) listen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passing, r.heard = true, map[string]bool{}
}

// missed ends that. It reports whether one changed that is awaited, and that the pass may have seen as it
// was before.
func (r *reconciler) missed(awaited map[string]bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passing, r.awaited = false, awaited
	for unit := range r.heard {
		if awaited[unit] || unit == "" {
			return true
		}
	}
	return false
}

// awaitedUnits are the units whose change calls for a pass: those that change, and those that they
// cannot be without.
func (r *reconciler) awaitedUnits(result *Result) map[string]bool {
	awaited := map[string]bool{}
	var add func(unit string)
	add = func(unit string) {
		if awaited[unit] {
			return
		}
		awaited[unit] = true
		for _, needed := range result.Desired.Workload(unit).Needs() {
			add(needed)
		}
	}
	for unit, workload := range result.Desired.Workloads {
		if _, changing := result.Changing[workload.Ref.String()]; changing {
			add(unit)
		}
	}
	for unit := range result.Desired.Spares {
		if _, exists := result.Actual.Workloads[unit]; exists {
			add(unit)
		}
	}
	for _, action := range result.plan.Actions {
		if action.RunsOn() {
			add(action.Target)
		}
	}
	for unit := range r.flights {
		add(unit)
	}
	return awaited
}

func (r *reconciler) dueAt(at time.Time) {
	if !at.IsZero() && (r.due.IsZero() || at.Before(r.due)) {
		r.due = at
	}
}

// Due is when something changes by itself, as a probation ends; zero for never.
func (r *reconciler) Due() time.Time { return r.due }

// Awaits reports whether a change of the unit calls for a pass; "" is any unit. It may be called from
// any goroutine.
func (r *reconciler) Awaits(unit string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.passing {
		r.heard[unit] = true
	}
	return unit == "" && len(r.awaited) > 0 || r.awaited[unit]
}
