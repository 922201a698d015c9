package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// manager is systemd in memory, as far as operators and davit use it: unit files with their dependencies, links and
// masks, transactions, jobs in the order of the units, the times of the units' states, restarts and boots.
type manager struct {
	now    time.Time
	files  map[string]string          // unit files
	wants  map[string]map[string]bool // links of enabled units: by unit, those that it wants
	masks  map[string]bool
	loaded map[string]*loadedUnit
	// lives says how a process of a bundle starts and stops.
	lives func(bundleDir string) life
	// noted is called with each transaction.
	noted func(transaction)
	// forgot is called with each unit of which systemd knows nothing any more.
	forgot func(unit string)
	// removed is called when a unit's file is removed.
	removed func(unit string)
}

// life is how long a process takes to start and to stop, and whether it then ends with an error.
type life struct {
	start, stop time.Duration
	endsBadly   bool
}

// loadedUnit is a unit as systemd has read it, and its state.
type loadedUnit struct {
	name, text string // an empty text is a unit without a file
	masked     bool
	settings   map[string][]string

	active, sub, result                string
	since, begun, entered, left, ended time.Time
	restarts                           int
	running                            string // the bundle of its process
	dies                               bool   // its process was killed
	asked                              bool   // it failed because it was asked to stop
	last                               *bundle.LastRun
	job                                *unitJob
	until                              time.Time // when its present state ends by itself
}

// unitJob is systemd's job for a unit: start, stop or restart.
type unitJob struct {
	verb  string
	begun bool
}

// origin is who asks for a transaction.
type origin string

const (
	byOperator origin = "operator"
	byDavit    origin = "davit"
	bySystemd  origin = "systemd"
	byBoot     origin = "boot"
)

// transaction is systemd's answer to one request: its jobs, by unit.
type transaction struct {
	by           origin
	verb, anchor string
	jobs         map[string]string
}

// The units of systemd's own that davit's units have to do with.
const (
	basicTarget = "multi-user.target"
	rootSlice   = "davit.slice"
)

func newManager() *manager {
	return &manager{
		now: time.Unix(1_000_000, 0), files: map[string]string{}, wants: map[string]map[string]bool{}, masks: map[string]bool{},
		loaded: map[string]*loadedUnit{}, lives: func(string) life { return life{start: 20 * time.Millisecond, stop: 5 * time.Millisecond} },
		noted: func(transaction) {}, forgot: func(string) {}, removed: func(string) {},
	}
}

// settingsOf are the settings of a unit file by their names, each value a word. They are not to be changed.
func settingsOf(text string) map[string][]string {
	if known, ok := parsedSettings.Load(text); ok {
		return known.(map[string][]string)
	}
	settings := map[string][]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			settings[name] = append(settings[name], strings.Fields(value)...)
		}
	}
	parsedSettings.Store(text, settings)
	return settings
}

// enable makes the links that a unit file asks for.
func (m *manager) enable(name string) {
	for _, by := range settingsOf(m.files[name])["WantedBy"] {
		if m.wants[by] == nil {
			m.wants[by] = map[string]bool{}
		}
		m.wants[by][name] = true
	}
}

func (m *manager) disable(name string) {
	for _, links := range m.wants {
		delete(links, name)
	}
}

// fileState is systemd's UnitFileState.
func (m *manager) fileState(name string) string {
	if m.masks[name] {
		return "masked"
	}
	for _, links := range m.wants {
		if links[name] {
			return "enabled"
		}
	}
	if len(settingsOf(m.files[name])["WantedBy"]) == 0 {
		return "static"
	}
	return "disabled"
}

// reload reads all unit files, links and masks.
func (m *manager) reload() {
	for name := range m.files {
		m.unit(name)
	}
	for _, name := range slices.Sorted(maps.Keys(m.loaded)) {
		m.read(m.loaded[name])
	}
	m.forget()
}

// read reads a unit's file.
func (m *manager) read(u *loadedUnit) {
	u.text, u.masked = m.files[u.name], m.masks[u.name]
	u.settings = map[string][]string{}
	if u.text == "" || u.masked {
		return
	}
	u.settings = settingsOf(u.text)
	if strings.HasSuffix(u.name, ".slice") && u.name != rootSlice {
		u.settings = maps.Clone(u.settings)
		u.settings["Slice"] = []string{rootSlice}
	}
	for _, needed := range u.named() {
		m.unit(needed)
	}
}

// unit is the unit of a name, which is loaded where it was not.
func (m *manager) unit(name string) *loadedUnit {
	u := m.loaded[name]
	if u == nil {
		u = &loadedUnit{name: name, active: "inactive", sub: "dead", result: "success"}
		m.loaded[name] = u
		m.read(u)
	}
	return u
}

// named are the units that the unit's file names.
func (u *loadedUnit) named() []string {
	return slices.Concat(u.settings["Requires"], u.settings["BindsTo"], u.settings["Wants"], u.settings["PartOf"], u.settings["After"], u.settings["Slice"])
}

// requires are the units that the unit cannot be started without.
func (u *loadedUnit) requires() []string {
	return slices.Concat(u.settings["Requires"], u.settings["BindsTo"], u.settings["Slice"])
}

// wantedBy are the units that the unit starts, and goes on without.
func (m *manager) wantedBy(u *loadedUnit) []string {
	return slices.Concat(u.settings["Wants"], slices.Sorted(maps.Keys(m.wants[u.name])))
}

// isAfter reports whether the one unit is ordered after the other. A target is ordered after the units that it wants.
func (m *manager) isAfter(u, other *loadedUnit) bool {
	if slices.Contains(u.settings["After"], other.name) || slices.Contains(u.settings["Slice"], other.name) {
		return true
	}
	return strings.HasSuffix(u.name, ".target") && m.wants[u.name][other.name] && !slices.Contains(other.settings["After"], u.name)
}

// stopsWith reports whether systemd stops the one unit when it stops the other.
func (u *loadedUnit) stopsWith(other string) bool {
	return slices.Contains(u.requires(), other) || slices.Contains(u.settings["PartOf"], other)
}

func isDown(active string) bool { return active == "inactive" || active == "failed" }

// forget drops inactive units that no loaded unit names (CollectMode= of systemd.unit(5)).
func (m *manager) forget() {
	needed := map[string]bool{}
	var need func(u *loadedUnit)
	need = func(u *loadedUnit) {
		if u == nil || needed[u.name] {
			return
		}
		needed[u.name] = true
		for _, name := range slices.Concat(u.named(), m.wantedBy(u)) {
			need(m.loaded[name])
		}
	}
	for _, target := range []string{units.MultiUser, units.Timers, units.Sockets} {
		for name := range m.wants[target] {
			need(m.loaded[name])
		}
	}
	for _, u := range m.loaded {
		if u.active != "inactive" || u.job != nil {
			need(u)
		}
	}
	for name := range m.loaded {
		if !needed[name] {
			delete(m.loaded, name)
			m.forgot(name)
		}
	}
}

// ask has systemd carry out a request (systemctl(1)): with the units that it stops or starts along, without those that are in
// that state already.
func (m *manager) ask(by origin, verb, name string) error {
	t := transaction{by: by, verb: verb, anchor: name, jobs: map[string]string{}}
	pulled := map[string]map[string]bool{} // by unit, those whose jobs call for its job
	if err := m.pull(t.jobs, pulled, "", verb, name); err != nil {
		return err
	}
	for _, unit := range slices.Sorted(maps.Keys(t.jobs)) {
		if job := t.jobs[unit]; unit != name && m.isRedundant(m.unit(unit), job) {
			dropJob(t.jobs, pulled, unit)
		}
	}
	for again := true; again; {
		again = false
		for unit := range t.jobs {
			if unit != name && len(pulled[unit]) == 0 {
				dropJob(t.jobs, pulled, unit)
				again = true
			}
		}
	}
	m.noted(t)
	for _, unit := range slices.Sorted(maps.Keys(t.jobs)) {
		m.install(m.unit(unit), t.jobs[unit])
	}
	m.settle()
	return nil
}

// pull adds a job to a transaction, with all that it calls for.
func (m *manager) pull(jobs map[string]string, pulled map[string]map[string]bool, by, verb, name string) error {
	u := m.unit(name)
	if verb != "stop" {
		switch {
		case u.masked:
			return fmt.Errorf("unit %s is masked", name)
		case u.text == "" && name != rootSlice:
			return fmt.Errorf("unit %s not found", name)
		}
	}
	if pulled[name] == nil {
		pulled[name] = map[string]bool{}
	}
	if by != "" {
		pulled[name][by] = true
	}
	if before := jobs[name]; before == verb || before == "restart" {
		return nil
	}
	jobs[name] = verb
	if verb != "stop" {
		for _, needed := range u.requires() {
			if err := m.pull(jobs, pulled, name, "start", needed); err != nil {
				return err
			}
		}
		for _, wanted := range m.wantedBy(u) {
			if other := m.unit(wanted); other.masked || other.text == "" {
				continue
			}
			spare, marks := maps.Clone(jobs), copied(pulled)
			if m.pull(jobs, pulled, name, "start", wanted) != nil {
				restore(jobs, spare)
				restore(pulled, marks)
			}
		}
	}
	if verb == "start" {
		return nil
	}
	for _, other := range slices.Sorted(maps.Keys(m.loaded)) {
		dependent := m.loaded[other]
		if !dependent.stopsWith(name) {
			continue
		}
		if verb == "stop" {
			if err := m.pull(jobs, pulled, name, "stop", other); err != nil {
				return err
			}
		} else if dependent.active == "active" { // as try-restart does
			if err := m.pull(jobs, pulled, name, "restart", other); err != nil {
				return err
			}
		}
	}
	return nil
}

func copied(pulled map[string]map[string]bool) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for unit, by := range pulled {
		all[unit] = maps.Clone(by)
	}
	return all
}

func restore[V any](m, before map[string]V) {
	clear(m)
	maps.Copy(m, before)
}

func dropJob(jobs map[string]string, pulled map[string]map[string]bool, unit string) {
	delete(jobs, unit)
	for _, by := range pulled {
		delete(by, unit)
	}
}

// isRedundant reports whether a job would change nothing.
func (m *manager) isRedundant(u *loadedUnit, verb string) bool {
	switch {
	case u.job != nil && (u.job.verb == "stop") != (verb == "stop"):
		return false
	case verb == "start":
		return u.active == "active"
	case verb == "stop":
		return isDown(u.active)
	default:
		return false
	}
}

// install gives a unit a job, in the place of one that it conflicts with, or joined with the one that it has.
func (m *manager) install(u *loadedUnit, verb string) {
	switch {
	case u.job == nil, (u.job.verb == "stop") != (verb == "stop"):
		u.job = &unitJob{verb: verb}
	case u.job.verb == verb, u.job.verb == "restart":
	default: // a start becomes a restart
		u.job = &unitJob{verb: verb}
	}
}

// settle begins the jobs that can begin, and ends those that have nothing to do.
func (m *manager) settle() {
	for again := true; again; {
		again = false
		for _, name := range slices.Sorted(maps.Keys(m.loaded)) {
			u := m.loaded[name]
			if u.job != nil && !u.job.begun && m.isRunnable(u) && m.begin(u) {
				again = true
			}
		}
	}
}

// isRunnable reports whether no other job comes before the unit's: a stop, be it for a restart, goes before a start,
// and of two alike their order decides.
func (m *manager) isRunnable(u *loadedUnit) bool {
	for _, other := range m.loaded {
		if other.job == nil || other == u {
			continue
		}
		if m.isAfter(u, other) && u.job.verb == "start" || m.isAfter(other, u) && other.job.verb != "start" {
			return false
		}
	}
	return true
}

// begin begins a unit's job. It reports whether anything changed.
func (m *manager) begin(u *loadedUnit) bool {
	switch {
	case u.job.verb == "start" && u.active == "deactivating":
		return false
	case u.job.verb == "start" && (u.active == "active"):
		u.job = nil
	case u.job.verb == "start" && u.active == "activating" && u.sub != "auto-restart":
		u.job.begun = true
	case u.job.verb == "start":
		m.start(u)
	case isDown(u.active):
		m.stopped(u)
	case u.sub == "auto-restart":
		u.until = time.Time{}
		m.enter(u, "inactive", "dead")
		m.stopped(u)
	default:
		m.stop(u)
	}
	return true
}

// start starts a unit. A unit that was masked after its job was queued does not start (unit_start in systemd's unit.c: a unit
// that is not loaded is refused).
func (m *manager) start(u *loadedUnit) {
	if u.masked {
		m.fail(u)
		return
	}
	for _, bound := range u.settings["BindsTo"] {
		if slices.Contains(u.settings["After"], bound) && m.unit(bound).active != "active" {
			m.fail(u)
			return
		}
	}
	own := ownOf(u.text)
	if current := ownOf(m.files[u.name]).Bundle; current != "" && onDisk(u.text) != u.text {
		own.Bundle = current // a link leads there
	}
	u.result, u.asked, u.dies, u.restarts = "success", false, false, 0
	if own.Bundle == "" {
		m.enter(u, "active", "active")
		u.job = nil
		return
	}
	dir := strings.TrimPrefix(own.Bundle, bundle.BundlesDir+"/")
	u.running, u.job.begun = dir, true
	m.enter(u, "activating", "start")
	u.until = m.now.Add(m.lives(dir).start)
}

// fail ends a unit's start because a unit that it requires did not start, and the starts of those that require it.
func (m *manager) fail(u *loadedUnit) {
	u.job = nil
	for _, name := range slices.Sorted(maps.Keys(m.loaded)) {
		other := m.loaded[name]
		if other.job != nil && other.job.verb == "start" && slices.Contains(other.requires(), u.name) {
			m.fail(other)
		}
	}
}

// stop stops a unit that is not down.
func (m *manager) stop(u *loadedUnit) {
	u.job.begun = true
	took := m.lives(u.running).stop
	if u.running == "" {
		took = 0
	}
	if u.active == "deactivating" {
		return // it is at it
	}
	m.enter(u, "deactivating", "stop-sigterm")
	u.until = m.now.Add(took)
	if took == 0 {
		m.ended(u)
	}
}

// stopped ends a stop, or goes on with the start of a restart.
func (m *manager) stopped(u *loadedUnit) {
	if u.job == nil || u.job.verb == "start" {
		return
	}
	if u.job.verb == "restart" {
		u.job = &unitJob{verb: "start"}
	} else {
		u.job = nil
	}
}

// enter takes a new state down.
func (m *manager) enter(u *loadedUnit, active, sub string) {
	was := u.active
	u.active, u.sub = active, sub
	if was == active {
		return
	}
	m.now = m.now.Add(100 * time.Microsecond)
	u.since = m.now
	switch {
	case isDown(was) && !isDown(active):
		u.begun = m.now
	case was == "active":
		u.left = m.now
	}
	switch {
	case active == "active":
		u.entered = m.now
	case isDown(active):
		u.ended = m.now
	}
	if !isDown(active) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m.loaded)) {
		if bound := m.loaded[name]; slices.Contains(bound.settings["BindsTo"], u.name) && !isDown(bound.active) && bound.job == nil {
			_ = m.ask(bySystemd, "stop", name)
		}
	}
}

// restartWait is RestartSec=.
const restartWait = time.Second

// ended carries out systemd's reaction to the end of a unit's process.
func (m *manager) ended(u *loadedUnit) {
	u.until = time.Time{}
	l, ran := m.lives(u.running), u.running
	u.running = ""
	restarts := slices.Contains(u.settings["Restart"], "always") || slices.Contains(u.settings["Restart"], "on-failure")
	switch {
	case u.dies && u.job == nil && restarts:
		u.result = "signal"
		m.enter(u, "failed", "failed")
		m.enter(u, "activating", "auto-restart")
		u.until = m.now.Add(restartWait)
		return
	case u.dies:
		u.result = "signal"
		m.enter(u, "failed", "failed")
	case ran != "" && l.endsBadly:
		u.result, u.asked = "exit-code", !u.masked
		if !u.masked {
			u.last = &bundle.LastRun{Bundle: ran, Result: "exit-code", Exit: "5", Asked: true, At: m.now}
		}
		m.enter(u, "failed", "failed")
	default:
		m.enter(u, "inactive", "dead")
	}
	m.stopped(u)
}

// expire ends a unit's present state.
func (m *manager) expire(u *loadedUnit) {
	u.until = time.Time{}
	switch {
	case u.active == "deactivating":
		m.ended(u)
	case u.sub == "auto-restart":
		restarts := u.restarts
		if m.ask(bySystemd, "restart", u.name) != nil {
			u.result = "resources"
			m.enter(u, "failed", "failed")
		}
		u.restarts = restarts + 1
	case u.active == "activating":
		m.enter(u, "active", "running")
		if u.job != nil && u.job.verb == "start" {
			u.job = nil
		}
	}
	m.settle()
}

// advance lets time pass.
func (m *manager) advance(d time.Duration) {
	end := m.now.Add(d)
	for {
		var next *loadedUnit
		for _, name := range slices.Sorted(maps.Keys(m.loaded)) {
			if u := m.loaded[name]; !u.until.IsZero() && !u.until.After(end) && (next == nil || u.until.Before(next.until)) {
				next = u
			}
		}
		if next == nil {
			break
		}
		if next.until.After(m.now) {
			m.now = next.until
		}
		m.expire(next)
	}
	if end.After(m.now) {
		m.now = end
	}
	m.forget()
}

// kill ends the process of a unit that is up.
func (m *manager) kill(name string) {
	u := m.loaded[name]
	if u == nil || u.active != "active" || u.running == "" {
		return
	}
	u.dies, u.last = true, &bundle.LastRun{Bundle: u.running, Result: "signal", Exit: "KILL", At: m.now}
	m.enter(u, "deactivating", "stop-post")
	u.until = m.now.Add(10 * time.Millisecond)
}

// boot starts the node again: enabled units start.
func (m *manager) boot() {
	m.now = m.now.Add(time.Minute)
	clear(m.loaded)
	m.reload()
	for _, target := range []string{units.Timers, units.Sockets, units.MultiUser} {
		for _, name := range slices.Sorted(maps.Keys(m.wants[target])) {
			_ = m.ask(byBoot, "start", name)
		}
	}
	m.settle()
}

// isBusy reports whether systemd has something to do.
func (m *manager) isBusy() bool {
	for _, u := range m.loaded {
		if u.job != nil || !u.until.IsZero() {
			return true
		}
	}
	return false
}
