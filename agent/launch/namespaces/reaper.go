package namespaces

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/opencontainers/runc/libcontainer/exeseal"

	"github.com/davit-project/davit/units/bundle"
)

// startReaper starts the first process of the pod's process namespace, see reaper.c.
func startReaper(id string, attributes *syscall.SysProcAttr) (int, error) {
	ready, tell, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer ready.Close()
	// The pod's containers can reach this program by /proc/1/exe: that must not be a file of the node which they could
	// write to (CVE-2019-5736).
	program, err := exeseal.CloneSelfExe(filepath.Dir(bundle.RunningBundle(id)))
	if err != nil {
		return 0, err
	}
	defer program.Close()
	reaper := exec.Command(fmt.Sprintf("/proc/self/fd/%d", program.Fd()), "reap")
	reaper.Args[0] = "davit-run"
	reaper.Stderr = os.Stderr
	reaper.Env = []string{}
	reaper.ExtraFiles = []*os.File{tell}
	reaper.SysProcAttr = attributes
	reaper.SysProcAttr.Setsid = true
	if err := reaper.Start(); err != nil {
		return 0, err
	}
	if err := tell.Close(); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(ready, make([]byte, 1)); err != nil {
		return 0, errors.New("its first process did not come up")
	}
	return reaper.Process.Pid, nil
}
