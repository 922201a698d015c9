package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/launch/stdio"
)

// Attach joins this process's terminal with that of a container's main process, until that one
// ends or the detach keys are typed.
func Attach(id string, detachKeys []byte) error {
	if err := attach(id, detachKeys); err != nil {
		return fmt.Errorf("attach to %s: %w", id, err)
	}
	return nil
}

func attach(id string, detachKeys []byte) error {
	b, err := record.ReadRunning(id)
	if err != nil {
		return err
	}
	if !b.Spec.Process.Terminal {
		return errors.New("it has no terminal: its manifest has no tty: true")
	}
	output, err := stdio.ConnectAttach(id)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("its terminal is not held, yet or any more: see systemctl status %s", id)
	}
	if err != nil {
		return err
	}
	defer output.Close()
	terminal, err := runtime.ReceiveFile(output)
	if err != nil {
		return fmt.Errorf("%w: are others attached?", err)
	}
	defer terminal.Close()
	host, err := openHost(true)
	if err != nil {
		return err
	}
	defer host.restore()
	if err := host.addReturns(); err != nil {
		return err
	}
	return followTerminal(host, terminal, output, detachKeys)
}

// followTerminal returns when the output ends, or when it was left.
func followTerminal(host *host, terminal, output *os.File, detachKeys []byte) error {
	before, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return os.NewSyscallError("ioctl TIOCGWINSZ", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- copyTerminal(output) }()
	select {
	case err := <-ended:
		return err
	case err := <-host.join(terminal, detachKeys):
		if !errors.Is(err, errDetached) {
			return err
		}
	}
	// Those who read the journal are used to the size it had.
	_ = unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, before)
	return nil
}
