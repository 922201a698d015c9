package systemd

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// output is the output of a command on a pipe. All of it is read, so that the command does not block, and the first
// [maxCommandOutput] bytes are kept.
type output struct {
	reader *os.File
	kept   []byte
	cut    bool
	ended  atomic.Bool // nothing more is waited for
}

// read reads until the end of the pipe, its deadline, or, once the command has ended, until the pipe is empty.
func (o *output) read() error {
	conn, err := o.reader.SyscallConn()
	if err != nil {
		return err
	}
	buffer := make([]byte, 4096)
	var failure error
	err = conn.Read(func(fd uintptr) (done bool) {
		for {
			n, err := unix.Read(int(fd), buffer)
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return o.ended.Load()
			case err != nil || n == 0:
				failure = os.NewSyscallError("read", err)
				return true
			case !o.keep(buffer[:n]) && o.ended.Load(): // processes that the command has left running may write for ever
				return true
			}
		}
	})
	return errors.Join(err, failure)
}

// keep reports whether there is room for more.
func (o *output) keep(text []byte) bool {
	room := maxCommandOutput - len(o.kept)
	o.cut = o.cut || len(text) > room
	o.kept = append(o.kept, text[:min(len(text), room)]...)
	return !o.cut
}

// end reads the rest of the output after the command has ended, although other processes may still hold the pipe open.
// It first stops the read that sends to begun.
func (o *output) end(begun <-chan error) error {
	o.ended.Store(true)
	if err := o.reader.SetReadDeadline(time.Now()); err != nil {
		return err
	}
	if err := <-begun; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err := o.reader.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return o.read()
}

func (o *output) text() string {
	text := strings.TrimSpace(string(o.kept))
	if o.cut {
		text += cutNote
	}
	return text
}
