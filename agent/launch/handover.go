package launch

// extern int davit_message_fd;
import "C"

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// handOver names the container's waiting process to the process that systemd started,
// which tells systemd of it and lets it run once this one has exited; see handover.c. With
// an output, that process stays and copies it to its own standard output.
func handOver(container created, output copied) error {
	var descriptors []int
	for _, file := range []*os.File{output.from, output.listener} {
		if file != nil {
			descriptors = append(descriptors, int(file.Fd()))
		}
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	return send(append([]string{strconv.Itoa(container.pid)}, container.release...), rights)
}

// handOverProcess names a process that runs already.
func handOverProcess(pid int) error { return send([]string{strconv.Itoa(pid)}, nil) }

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
