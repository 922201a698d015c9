package cleanup

import (
	"context"
	"fmt"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/davit-project/davit/units/bus"
)

// loadedUnit is a unit as systemd has it.
type loadedUnit struct {
	conn   *dbus.Conn
	object dbus.BusObject
}

func openUnit(ctx context.Context, name string) (loadedUnit, error) {
	conn, err := bus.Dial(ctx)
	if err != nil {
		return loadedUnit{}, fmt.Errorf("ask systemd about %s: %w", name, err)
	}
	path := dbus.ObjectPath("/org/freedesktop/systemd1/unit/" + systemd.PathBusEscape(name))
	return loadedUnit{conn, conn.Object("org.freedesktop.systemd1", path)}, nil
}

func (u loadedUnit) close() { u.conn.Close() }

// read reads one of the properties that all units have (org.freedesktop.systemd1(5)).
func (u loadedUnit) read(property string, into any) error {
	if err := u.object.StoreProperty("org.freedesktop.systemd1.Unit."+property, into); err != nil {
		return fmt.Errorf("ask systemd for %s=: %w", property, err)
	}
	return nil
}

// readService reads one of the properties that only services have.
func (u loadedUnit) readService(property string, into any) error {
	if err := u.object.StoreProperty("org.freedesktop.systemd1.Service."+property, into); err != nil {
		return fmt.Errorf("ask systemd for %s=: %w", property, err)
	}
	return nil
}

// systemState reads systemd's state of the whole node: "starting", "running", "degraded", "stopping", ….
func (u loadedUnit) systemState() (state string, err error) {
	manager := u.conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	if err := manager.StoreProperty("org.freedesktop.systemd1.Manager.SystemState", &state); err != nil {
		return "", fmt.Errorf("ask systemd for SystemState=: %w", err)
	}
	return state, nil
}

// jobType reads the type of a job (org.freedesktop.systemd1(5)): "stop", "restart", ….
func (u loadedUnit) jobType(job dbus.ObjectPath) (kind string, err error) {
	if err := u.conn.Object("org.freedesktop.systemd1", job).StoreProperty("org.freedesktop.systemd1.Job.JobType", &kind); err != nil {
		return "", fmt.Errorf("ask systemd for JobType=: %w", err)
	}
	return kind, nil
}
