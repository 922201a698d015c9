// Package bus connects to systemd. The launcher does so too, so it drags in nothing else.
package bus

import (
	"context"
	"os"
	"strconv"

	"github.com/godbus/dbus/v5"
)

// privateSocket is where systemd itself talks D-Bus, to root, without a message bus.
const privateSocket = "unix:path=/run/systemd/private"

// Dial returns a connection to systemd, which the end of the context closes.
func Dial(ctx context.Context) (*dbus.Conn, error) {
	// The library's default handler starts a goroutine for each unread signal, and a reload of thousands of units sends
	// thousands of signals.
	conn, err := dbus.Dial(privateSocket, dbus.WithContext(ctx), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
