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
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// handOver names the container's waiting process to the process that systemd started,
// which tells systemd of it, lets it run once this one has exited, and tells systemd when it does; see handover.c. With
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
	// A runtime's own process may be the container's, which executes nothing more.
	programs := 0
	if r.Runtime == "" {
		programs = 1
	}
	if r.Init {
		programs *= 2
	}
	words := []string{strconv.Itoa(container.pid), cmp.Or(kinds, "-"), strconv.Itoa(programs), cmp.Or(container.limits, "-"), namedState(container.pid), startedState(r.Bundle)}
	return send(append(words, container.release...), rights)
}

// handOverProcess names a process that runs already.
func handOverProcess(b *bundle.Bundle, pid int) error {
	return send([]string{strconv.Itoa(pid), "-", "0", "-", namedState(pid), startedState(b)}, nil)
}

// namedState is the message to systemd about a container whose process is there.
func namedState(pid int) string { return fmt.Sprintf("MAINPID=%d", pid) }

const (
	// askEvery is the time between two requests for time, each of which gives a minute (LAUNCH_TIMEOUT of handover.c).
	askEvery = 10 * time.Second
	// maxRequests bounds what takes its time to half an hour.
	maxRequests = 180
)

// withTime does something that may take longer than what bounds a start, and ends: a copy or a removal of many files. A start is
// given up otherwise, and never succeeds.
func withTime(do func() error) error {
	if C.davit_message_fd < 0 {
		return do()
	}
	done := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for range maxRequests {
			select {
			case <-done:
				return
			case <-time.After(askEvery):
				_ = unix.Kill(unix.Getppid(), unix.SIGUSR1)
			}
		}
	})
	defer asking.Wait()
	defer close(done)
	return do()
}

// startedState is the message to systemd about a container whose program runs.
func startedState(b *bundle.Bundle) string {
	switch {
	case b.Notify:
		return "-" // it is the container's to say
	case b.Health.HoldsStart():
		return "READY=1"
	default:
		return "READY=1\n" + closeSocket
	}
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
