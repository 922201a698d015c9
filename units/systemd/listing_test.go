package systemd

import (
	"slices"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/units"
)

// signalsOf are signals of changes of web.service, and of all units, as systemd sends them (org.freedesktop.systemd1(5)).
var signalsOf = map[string]*godbus.Signal{
	"PropertiesChanged": {
		Path: godbus.ObjectPath("/org/freedesktop/systemd1/unit/" + dbus.PathBusEscape("web.service")),
		Body: []any{"org.freedesktop.systemd1.Unit", map[string]godbus.Variant{}, []string{}},
	},
	"JobNew":      {Body: []any{uint32(7), godbus.ObjectPath("/org/freedesktop/systemd1/job/7"), "web.service"}},
	"JobRemoved":  {Body: []any{uint32(7), godbus.ObjectPath("/org/freedesktop/systemd1/job/7"), "web.service", "done"}},
	"UnitNew":     {Body: []any{"web.service", godbus.ObjectPath("/org/freedesktop/systemd1/unit/web_2eservice")}},
	"UnitRemoved": {Body: []any{"web.service", godbus.ObjectPath("/org/freedesktop/systemd1/unit/web_2eservice")}},
	"Reloading":   {Body: []any{true}},
}

// TestASignalForgetsAUnit has each signal of a change come before a question, and between it and its answer.
func TestASignalForgetsAUnit(t *testing.T) {
	t.Parallel()
	names := []string{"db.service", "web.service"}
	active := listedState{load: "loaded", active: "active", sub: "running"}
	for member, signal := range signalsOf {
		s := newSignals()
		deliver := func() { s.DeliverSignal("org.freedesktop.systemd1.Manager", member, signal) }
		changed := []string{"web.service"}
		if member == "Reloading" {
			changed = names
		}
		now := time.Now()
		expect := func(when string, want []string) {
			t.Helper()
			if diff := cmp.Diff(want, s.listing.unknown(names, now)); diff != "" {
				t.Errorf("%s %s: %s", member, when, diff)
			}
		}
		expect("at first", names)
		s.listing.add(names, []listedState{active, active}, s.listing.now())
		expect("after the answer", nil)
		deliver()
		expect("after a change", changed)
		asked := s.listing.now()
		deliver()
		s.listing.add(names, []listedState{active, active}, asked)
		expect("after an answer to a question before a change", changed)
		s.listing.add(names, []listedState{active, active}, s.listing.now())
		expect("after an answer to a question after it", nil)
		s.Terminate()
	}
}

// TestListedStates has one unit of each kind: listed just now, known, an alias, and not asked for.
func TestListedStates(t *testing.T) {
	t.Parallel()
	var l listing
	now := time.Now()
	names := []string{"alias.service", "known.service", "now.service"}
	unknown := l.unknown(names, now)
	l.add(unknown, []listedState{{load: "loaded", isAlias: true}, {load: "loaded", active: "activating", job: "start"}, {}}, l.now())
	l.changed("now.service")
	l.changed("other.service")
	if diff := cmp.Diff([]string{"alias.service", "now.service"}, l.unknown(names, now)); diff != "" {
		t.Error(diff)
	}
	states := map[string]units.State{"now.service": {LoadState: "masked"}}
	missing := l.fill(states, names)
	if diff := cmp.Diff([]string{"alias.service"}, missing); diff != "" {
		t.Error(diff)
	}
	want := map[string]units.State{
		"known.service": {LoadState: "loaded", ActiveState: "activating", HasJob: true, Job: "start"}, "now.service": {LoadState: "masked"},
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
}

// TestStatesAreListedAgain has units go, and time pass.
func TestStatesAreListedAgain(t *testing.T) {
	t.Parallel()
	var l listing
	now := time.Now()
	names := []string{"a.service", "b.service"}
	l.add(l.unknown(names, now), make([]listedState, 2), l.now())
	if unknown := l.unknown(names[:1], now.Add(listingLife)); len(unknown) > 0 || len(l.units) != 1 {
		t.Errorf("unknown %v, kept %v: want a.service, known", unknown, l.units)
	}
	if unknown := l.unknown(names[:1], now.Add(2*listingLife)); !slices.Equal(unknown, names[:1]) {
		t.Errorf("unknown %v: want all to be listed again", unknown)
	}
}
