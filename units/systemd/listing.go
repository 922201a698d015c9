package systemd

import (
	"sync"
	"time"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// listing has the states of units that systemd has listed over a connection, as long as they do not change. systemd sends
// its answers and the signals of changes over a connection in order: a unit without a signal before an answer is, at the
// time of the answer, as it was listed.
type listing struct {
	mu    sync.Mutex
	units map[string]listedUnit
	// signals counts the changes of which systemd has sent a signal; cleared is the count when all units were forgotten.
	signals, cleared int
	since            time.Time // when they were forgotten
}

// listedUnit is the state of a unit, if isCurrent, and the count of signals with its last one.
type listedUnit struct {
	state     listedState
	isCurrent bool
	changed   int
}

// listedState is the part of a unit's [units.State] that systemd lists. If isAlias, the unit has another name, which its signals
// have.
type listedState struct {
	load, active, sub, job string
	isAlias                bool
}

func (s listedState) state() units.State {
	return units.State{
		LoadState: s.load, ActiveState: names.ActiveState(s.active), SubState: names.SubState(s.sub), HasJob: s.job != "", Job: s.job,
	}
}

// listingLife bounds how long a state is used without a new list: a signal may be lost.
const listingLife = 10 * time.Minute

// changed forgets a unit.
func (l *listing) changed(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signals++
	if _, ok := l.units[name]; ok {
		l.units[name] = listedUnit{changed: l.signals}
	}
}

// clear forgets all units.
func (l *listing) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clearAt(time.Now())
}

func (l *listing) clearAt(now time.Time) {
	l.signals++
	l.units, l.cleared, l.since = nil, l.signals, now
}

// now is the count of signals.
func (l *listing) now() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signals
}

// unknown returns the units that have to be listed. It forgets all units but the given ones.
func (l *listing) unknown(names []string, now time.Time) (unknown []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) > listingLife {
		l.clearAt(now)
	}
	before := l.units
	if len(before) != len(names) {
		l.units = make(map[string]listedUnit, len(names))
	}
	for _, name := range names {
		unit := before[name]
		l.units[name] = unit
		if !unit.isCurrent {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// add keeps the answer to a question at a count of signals, but for units that have changed since.
func (l *listing) add(names []string, answer []listedState, asked int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, name := range names {
		unit, ok := l.units[name]
		if ok && !answer[i].isAlias && max(unit.changed, l.cleared) <= asked {
			l.units[name] = listedUnit{answer[i], true, unit.changed}
		}
	}
}

// fill adds the states of units that have not changed since they were listed, and returns the units that have.
func (l *listing) fill(states map[string]units.State, names []string) (missing []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		if _, ok := states[name]; ok {
			continue
		}
		if unit := l.units[name]; unit.isCurrent {
			states[name] = unit.state.state()
		} else {
			missing = append(missing, name)
		}
	}
	return missing
}
