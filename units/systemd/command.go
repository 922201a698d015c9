package systemd

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// maxCommandOutput is how much of a command's output is returned: 200 lines of 500 bytes.
const maxCommandOutput = 100_000

// cutNote follows output that is longer.
const cutNote = "\n(the rest was cut)"

// RunCommand has systemd run a command as a separate service, for at most within, and returns its output. It runs
// outside of this process's confinement, which a child would inherit, and without a line in the journal. Output of more
// than 100,000 bytes is cut, with a note on the last line.
func (s *Manager) RunCommand(ctx context.Context, name, description string, command []string, within time.Duration) (string, error) {
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
	out := &output{reader: reader}
	read := make(chan error, 1)
	go func() { read <- out.read() }()
	ran := s.job(ctx, "run", name, start)
	if err := out.end(read); err != nil && ran == nil {
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	return out.text(), ran
}
