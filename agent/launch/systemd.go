package launch

import (
	"context"
	"fmt"
	"os"
	"strconv"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// loadedUnit is a unit as systemd has it.
type loadedUnit struct {
	conn   *dbus.Conn
	object dbus.BusObject
}

// privateSocket is where systemd itself talks D-Bus, to root, without a message bus.
const privateSocket = "unix:path=/run/systemd/private"

func openUnit(ctx context.Context, name string) (loadedUnit, error) {
	conn, err := dbus.Dial(privateSocket, dbus.WithContext(ctx))
	if err != nil {
		return loadedUnit{}, fmt.Errorf("ask systemd about %s: %w", name, err)
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		conn.Close()
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
