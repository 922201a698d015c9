// Package bus connects to systemd. The launcher does so too, so it drags in nothing else.
package bus

import (
	"context"
	"os"
	"strconv"

	"github.com/godbus/dbus/v5"
)

// privateSocket is the socket at which systemd itself speaks D-Bus, to root, without a message bus.
const privateSocket = "unix:path=/run/systemd/private"

// Dial returns a connection to systemd, which the end of the context closes. systemd sends all its signals to each
// connection of this socket, whether it subscribes to them or not.
func Dial(ctx context.Context, options ...dbus.ConnOption) (*dbus.Conn, error) {
	conn, err := dbus.Dial(privateSocket, append(options, dbus.WithContext(ctx))...)
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
