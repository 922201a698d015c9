package launch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Reload does what the bundle of the running container id says a reload is.
func Reload(id string) error {
	if err := reload(id); err != nil {
		return fmt.Errorf("reload %s: %w", id, err)
	}
	return nil
}

func reload(id string) error {
	b, err := readRunning(id)
	if err != nil {
		return err
	}
	if len(b.Reload.Exec) > 0 {
		status, err := execIn(id, ExecOptions{Args: b.Reload.Exec})
		if err == nil && status != 0 {
			err = fmt.Errorf("%q ended with exit status %d", b.Reload.Exec[0], status)
		}
		return err
	}
	signal := unix.SignalNum(b.Reload.Signal)
	if signal == 0 {
		return errors.New("its manifest says nothing of a reload: set spec.reload")
	}
	pid, err := runtimeOf(b).pid()
	if err != nil {
		return err
	}
	return unix.Kill(pid, signal)
}
