package units

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// maxCommandOutput is how much of a command's output is read.
const maxCommandOutput = 4096

// RunCommand has systemd run a command as a service of its own, for as long as within at most, and
// returns what it wrote: outside of this process's confinement, which a command would inherit, and
// without a line in the journal.
func (s *Systemd) RunCommand(ctx context.Context, name, description string, command []string, within time.Duration) (string, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer reader.Close()
	defer writer.Close()
	const emergency = 0
	properties := []dbus.Property{
		dbus.PropDescription(description),
		dbus.PropType("oneshot"),
		dbus.PropExecStart(command, true),
		{Name: "CollectMode", Value: godbus.MakeVariant("inactive-or-failed")},
		{Name: "TimeoutStartUSec", Value: godbus.MakeVariant(uint64(within.Microseconds()))},
		{Name: "LogLevelMax", Value: godbus.MakeVariant(int32(emergency))},
		{Name: "StandardOutputFileDescriptor", Value: godbus.MakeVariant(godbus.UnixFD(writer.Fd()))},
		{Name: "StandardError", Value: godbus.MakeVariant("null")},
	}
	start := func(conn *dbus.Conn, ctx context.Context, name, mode string, done chan<- string) (int, error) {
		return conn.StartTransientUnitContext(ctx, name, mode, properties, done)
	}
	if err := s.job(ctx, "run", name, start); err != nil {
		return "", err
	}
	// systemd may hold the pipe open still, but what the command wrote is in it.
	if err := reader.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	output := make([]byte, maxCommandOutput)
	n, err := reader.Read(output)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	return strings.TrimSpace(string(output[:n])), nil
}
