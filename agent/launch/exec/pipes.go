package exec

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/launch/stdio"
)

// runOnPipes runs a process whose standard streams are joined with this process's by pipes. A container must not have
// the node's own: it could go on to read the later input of a terminal's owner, or open a file again for writing
// through /proc/self/fd.
func runOnPipes(container runtime.Container, process *specs.Process, interactive bool) (int, error) {
	var with runtime.Streams
	var inside []*os.File
	var outputs []*relay
	for _, output := range []struct {
		to   *os.File
		from **os.File
	}{{os.Stdout, &with.Stdout}, {os.Stderr, &with.Stderr}} {
		reader, writer, err := stdio.Pipe()
		if err != nil {
			return 0, err
		}
		defer reader.Close()
		*output.from = writer
		inside = append(inside, writer)
		outputs = append(outputs, &relay{from: reader, to: output.to, done: make(chan error, 1)})
	}
	var input *os.File
	if interactive {
		reader, writer, err := os.Pipe()
		if err != nil {
			return 0, err
		}
		with.Stdin, input = reader, writer
		inside = append(inside, reader)
	}
	running, _, err := start(container, process, with)
	for _, end := range inside {
		end.Close()
	}
	if err != nil {
		return 0, err
	}
	if interactive {
		go func() {
			// The process may end, or close its standard input, before it has read all.
			_, _ = io.Copy(input, os.Stdin)
			input.Close()
		}()
	}
	for _, output := range outputs {
		go func() { output.done <- output.copy() }()
	}
	<-running.ended
	err = running.err
	for _, output := range outputs {
		err = errors.Join(err, output.finish())
	}
	return running.status, err
}

// relay copies the content of a pipe.
type relay struct {
	from, to *os.File
	done     chan error
}

func (r *relay) copy() error {
	_, err := io.Copy(r.to, r.from)
	return err
}

// finish copies the rest of the pipe once its process has ended, and no more: processes that have
// inherited the other end may write for ever.
func (r *relay) finish() error {
	if err := r.from.SetReadDeadline(time.Now()); err != nil {
		return err
	}
	if err := <-r.done; !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err := r.from.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	raw, err := r.from.SyscallConn()
	if err != nil {
		return err
	}
	var left int
	var failure error
	if err := raw.Control(func(fd uintptr) { left, failure = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil {
		return err
	}
	if failure != nil {
		return os.NewSyscallError("ioctl TIOCINQ", failure)
	}
	_, err = io.CopyN(r.to, r.from, int64(left))
	return err
}
