package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// A container that crashes finds its network as it was when it starts again, as one of a pod does. Its
// namespace is with systemd meanwhile, in the unit's file descriptor store (systemd.service(5)), which lets it
// go, with the devices in it, when the unit has come to its end. Its addresses, its names and its ports stay as
// they are. The next start goes through all of it as ever, and finds it in place.

// crashed are the results of a service ($SERVICE_RESULT of systemd.exec(5)) whose process ended although
// nobody, so far as they tell, asked it to.
var crashed = []string{"exit-code", "signal", "core-dump", "oom-kill", "watchdog"}

// keepsNetwork reports whether a container whose run has ended with this result, and for which systemd has no job,
// starts again, and with the network it has: systemd has that once the container was made.
func keepsNetwork(b *bundle.Bundle, result string) bool {
	_, err := os.Stat(ownFile(b.ID, networkFile))
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
	_, err := withdraw(b)
	return err
}

// networkFile notes which network namespace a container's network is in, by its inode.
const networkFile = "netns"

// noteNetwork notes the namespace that systemd is about to be given, with the network in it.
func (r *run) noteNetwork() error {
	if r.networkToKeep() == nil {
		return nil
	}
	inode, err := inodeOf(r.namespace)
	if err != nil {
		return err
	}
	return os.WriteFile(ownFile(r.ID, networkFile), inode, 0o600)
}

// takeNetwork takes over the network namespace that systemd has kept, where a run of this very bundle has
// left its network in it.
func (r *run) takeNetwork() error {
	namespace := keptNamespace(len(r.Sockets))
	if namespace == nil {
		return nil
	}
	inode, err := inodeOf(namespace)
	if err == nil && r.Network.Keep && r.isOnRecord(bundle.ConfigFile, r.text) && r.isOnRecord(networkFile, inode) {
		r.namespace, r.netns, r.kept = namespace, descriptorPath(namespace), true
		return nil
	}
	return errors.Join(err, namespace.Close())
}

// isOnRecord reports whether an earlier run has left a file with this content.
func (r *run) isOnRecord(name string, content []byte) bool {
	left, err := os.ReadFile(ownFile(r.ID, name))
	return err == nil && bytes.Equal(left, content)
}

func inodeOf(namespace *os.File) ([]byte, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(namespace.Fd()), &stat); err != nil {
		return nil, fmt.Errorf("identify a network namespace: %w", err)
	}
	return fmt.Appendf(nil, "%d\n", stat.Ino), nil
}

// networkToKeep is the network namespace that systemd is to keep, unless it has it already.
func (r *run) networkToKeep() *os.File {
	if !r.Network.Keep || r.kept {
		return nil
	}
	return r.namespace
}

// keptNamespace is the network namespace that systemd hands over after so many sockets; nil where it has
// none.
func keptNamespace(sockets int) *os.File {
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	if len(names) != sockets+1 || names[sockets] != bundle.KeptNetwork {
		return nil
	}
	unix.CloseOnExec(firstSocket + sockets)
	return os.NewFile(uintptr(firstSocket+sockets), bundle.KeptNetwork)
}
