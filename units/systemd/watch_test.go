package systemd

import (
	"context"
	"testing"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

func TestUnitOfAnObject(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"web.service", "web-1_a@b.service", "davit.slice", "ümlaut.timer", "x_"} {
		path := godbus.ObjectPath("/org/freedesktop/systemd1/unit/" + dbus.PathBusEscape(unit))
		if got := unitOf(path); got != unit {
			t.Errorf("unitOf(%s) = %q, want %q", path, got, unit)
		}
	}
}

// TestChangesArePassedOnOnce has units change while the first name is not read yet.
func TestChangesArePassedOnOnce(t *testing.T) {
	t.Parallel()
	s := newSignals()
	defer s.Terminate()
	w := &watcher{changed: map[string]bool{}, more: make(chan struct{}, 1)}
	s.add(w)
	change := func(unit, iface string) {
		path := godbus.ObjectPath("/org/freedesktop/systemd1/unit/" + dbus.PathBusEscape(unit))
		s.DeliverSignal("org.freedesktop.DBus.Properties", "PropertiesChanged", &godbus.Signal{
			Path: path, Body: []any{"org.freedesktop.systemd1." + iface, map[string]godbus.Variant{}},
		})
	}
	for range 3 {
		change("web.service", "Unit")
		change("db.service", "Unit")
		change("other.service", "Service") // the signal of all units follows
	}
	lost, names := make(chan struct{}), make(chan string)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.passOn(context.Background(), lost, names)
	}()
	got := map[string]int{}
	for range 2 {
		got[<-names]++
	}
	change("web.service", "Unit")
	got[<-names]++
	if diff := cmp.Diff(map[string]int{"web.service": 2, "db.service": 1}, got); diff != "" {
		t.Error(diff)
	}
	s.remove(w)
	change("web.service", "Unit")
	close(lost)
	<-ended
	if len(w.take()) != 0 {
		t.Error("a watcher that was removed has heard of a change")
	}
}
