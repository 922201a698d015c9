package launch

// extern int davit_message_fd;
import "C"

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// handOver names the container's waiting process to the process that systemd started,
// which tells systemd of it and lets it run once this one has exited; see handover.c. With
// an output, that process stays and copies it to its own standard output; with a notify socket, it
// stays and relays to systemd what the container says there. A network namespace that systemd is to keep goes
// to it with the rest.
func (r *run) handOver(container created, output copied) error {
	kinds, descriptors := "", []int(nil)
	for _, handed := range []struct {
		kind string
		file *os.File
	}{{"o", output.from}, {"a", output.listener}, {"n", r.notify}, {"k", r.networkToKeep()}} {
		if handed.file != nil {
			kinds, descriptors = kinds+handed.kind, append(descriptors, int(handed.file.Fd()))
		}
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	words := []string{strconv.Itoa(container.pid), cmp.Or(kinds, "-"), startedState(r.Bundle, container.pid)}
	return send(append(words, container.release...), rights)
}

// handOverProcess names a process that runs already.
func handOverProcess(b *bundle.Bundle, pid int) error {
	return send([]string{strconv.Itoa(pid), "-", startedState(b, pid)}, nil)
}

// startedState is what systemd is told of a container whose process is there.
func startedState(b *bundle.Bundle, pid int) string {
	state := fmt.Sprintf("MAINPID=%d", pid)
	if b.Notify {
		return state // the rest is the container's to say
	}
	state += "\nREADY=1"
	if !b.Health.HoldsStart() {
		state += "\n" + closeSocket
	}
	return state
}

// closeSocket closes systemd's socket to whatever else runs in the unit: a process that root runs
// could name any other as the main one. It came with systemd 254 (sd_notify(3)); older versions
// ignore it.
const closeSocket = "NOTIFYACCESS=none"

// send sends words; this process's exit closes the socket, which ends them.
func send(words []string, rights []byte) error {
	if C.davit_message_fd < 0 {
		return errors.New("tell systemd of the container: this process is not davit-run start")
	}
	if err := unix.Sendmsg(int(C.davit_message_fd), []byte(strings.Join(words, "\x00")), rights, nil, 0); err != nil {
		return fmt.Errorf("tell systemd of the container: %w", err)
	}
	return nil
}
