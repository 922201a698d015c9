package lifecycle

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/exec"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/units/signals"
)

// Reload mounts the files of the bundle at a path in the running container id, if it was started from another bundle,
// and then performs the reload that the new bundle declares.
func Reload(id, path string) error {
	dir, _ := record.BundleAt(path)
	if err := reload(id, dir); err != nil {
		return fmt.Errorf("reload %s: %w", id, err)
	}
	return nil
}

func reload(id, dir string) error {
	b, err := record.ReadRunning(id)
	if err != nil {
		return err
	}
	pid, err := runtime.Of(b).Pid()
	if err != nil {
		return err
	}
	if b, err = refresh(b, pid, dir); err != nil {
		return err
	}
	if len(b.Reload.Exec) > 0 {
		status, err := exec.Run(id, exec.Options{Args: b.Reload.Exec})
		if err == nil && status != 0 {
			err = fmt.Errorf("%q ended with exit status %d", b.Reload.Exec[0], status)
		}
		return err
	}
	if b.Reload.Signal == "" {
		return errors.New("its manifest says nothing of a reload: set spec.reload")
	}
	signal, err := signals.Parse(b.Reload.Signal)
	if err != nil {
		return err
	}
	return unix.Kill(pid, unix.Signal(signal))
}
