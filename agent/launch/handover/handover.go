// Package handover gives a container that waits to the process that systemd started, which reports it to systemd and
// lets it run. That process has no Go runtime: its code is in the C files.
//
// A constructor in handover.c forks before the Go runtime is up, so the package is in effect as soon as a program links
// it. It knows neither how a container is made nor its record.
package handover

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

// Container is a created container, with all that the process that systemd started needs to let it run.
type Container struct {
	// PID is the container's first process, which waits.
	PID int
	// Release is the path of a FIFO to read from, or a command to run, for the process to go on.
	Release []string
	// Limits are set once the process runs the user's program; see [runtime.Created].
	Limits string
	// Output is copied to the journal, and Attach is the socket for clients that follow it; nil if there is none.
	Output, Attach *os.File
	// Notify is the socket on which the container reports its state; nil if there is none.
	Notify *os.File
	// Network is the network namespace for systemd to keep; nil if there is none.
	Network *os.File
}

// Send names the container's waiting process to the process that systemd started, which reports it to systemd and lets
// it run once this process has exited; see handover.c. If there is an output or a notify socket, that process stays: it
// copies the output to its own standard output, and relays the container's messages to systemd.
func (c Container) Send(b *bundle.Bundle) error {
	kinds, descriptors := "", []int(nil)
	for _, handed := range []struct {
		kind string
		file *os.File
	}{{"o", c.Output}, {"a", c.Attach}, {"n", c.Notify}, {"k", c.Network}} {
		if handed.file != nil {
			kinds, descriptors = kinds+handed.kind, append(descriptors, int(handed.file.Fd()))
		}
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	words := []string{strconv.Itoa(c.PID), cmp.Or(kinds, "-"), strconv.Itoa(programs(b)), cmp.Or(c.Limits, "-"), namedState(c.PID), startedState(b)}
	return send(append(words, c.Release...), rights)
}

// programs is how many programs the container's process executes until it runs the container's own. A process of
// another OCI runtime may be the container's already, which executes nothing more.
func programs(b *bundle.Bundle) int {
	switch {
	case b.Runtime != "":
		return 0
	case b.Init:
		return 2
	default:
		return 1
	}
}

// SendProcess names a process that runs already.
func SendProcess(b *bundle.Bundle, pid int) error {
	return send([]string{strconv.Itoa(pid), "-", "0", "-", namedState(pid), startedState(b)}, nil)
}

// namedState returns the message to systemd that names the process of a container.
func namedState(pid int) string { return fmt.Sprintf("MAINPID=%d", pid) }

const (
	// askEvery is the time between two requests for time, each of which gives a minute (LAUNCH_TIMEOUT of handover.c).
	askEvery = 10 * time.Second
	// maxRequests bounds such work to half an hour.
	maxRequests = 180
)

// WithTime does work that may take longer than the bound of a start, and ends: a copy or a removal of many files. A start is
// given up otherwise, and never succeeds.
func WithTime(do func() error) error {
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
		return "READY=1\n" + CloseSocket
	}
}

// CloseSocket closes systemd's socket to all other processes of the unit: a process that root runs could name any other
// as the main one. It came with systemd 254 (sd_notify(3)); older versions ignore it.
const CloseSocket = "NOTIFYACCESS=none"

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
