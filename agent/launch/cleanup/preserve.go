package cleanup

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/godbus/dbus/v5"

	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// crashed are the results of a service ($SERVICE_RESULT of systemd.exec(5)) whose process ended although, as far as
// they show, no stop was requested.
var crashed = []string{"exit-code", "signal", "core-dump", "oom-kill", "watchdog"}

// keepsNetwork reports whether a container whose run has ended with this result, and for which systemd has no job,
// starts again, and with the network it has: systemd has that once the container was made.
func keepsNetwork(b *bundle.Bundle, result string) bool {
	_, err := os.Stat(record.File(b.ID, record.NetworkFile))
	return err == nil && slices.Contains(crashed, result)
}

// jobOf is the type of systemd's job for a unit that has ended; empty for none. A stop, and a restart that was
// asked for, are jobs by now; systemd's own restart is none yet.
func jobOf(ctx context.Context, id string) string {
	kind, err := readJob(ctx, id)
	if err != nil {
		fmt.Fprintln(messages, "davit-run: the next start re-creates the network:", err)
		return "unknown"
	}
	return kind
}

func readJob(ctx context.Context, id string) (string, error) {
	unit, err := openUnit(ctx, names.Service(id))
	if err != nil {
		return "", err
	}
	defer unit.close()
	var job struct {
		ID   uint32
		Path dbus.ObjectPath
	}
	if err := unit.read("Job", &job); err != nil || job.ID == 0 {
		return "", err
	}
	return unit.jobType(job.Path)
}

// standBy leaves a replica's name and its ports to the others until it is ready again.
func standBy(b *bundle.Bundle) error {
	if !b.Replica {
		return nil
	}
	_, err := network.Withdraw(b)
	return err
}
