package launch

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// findCgroup finds the control group of the unit, in which this process must be: the container's
// group is made below it, and systemd is told its process.
func (r *run) findCgroup() (err error) {
	r.cgroup, r.below, err = unitGroup(r.ID)
	return err
}

// controlGroup is where systemd runs the commands of a unit but its main one, where the unit's own group
// is delegated (systemd.service(5), Delegate= of systemd.resource-control(5)).
const controlGroup = ".control"

// unitGroup is the control group of the container's unit, and whether this process, which must be in it, is
// in the launchers' group below.
func unitGroup(id string) (unit string, below bool, err error) {
	group, err := cgroupOf(os.Getpid())
	if err != nil {
		return "", false, err
	}
	unit, below = strings.CutSuffix(strings.TrimSuffix(group, "/"+controlGroup), "/"+bundle.LauncherGroup)
	// systemd puts a '_' before names that the kernel could take for one of its own, such as
	// devices.service (cg_escape in systemd's src/basic/cgroup-util.c).
	if strings.TrimPrefix(path.Base(unit), "_") != names.Service(id) {
		return "", false, fmt.Errorf("this process runs in %s, not in %s.service: containers are started by systemctl start %s", group, id, id)
	}
	return unit, below, nil
}

// cgroupOf is the control group of a process, below the root.
func cgroupOf(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		// cgroups(7): the unified hierarchy is the line that begins with 0::.
		if group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return group, nil
		}
	}
	return "", errors.New("no cgroup v2 hierarchy: davit needs a node with systemd.unified_cgroup_hierarchy=1")
}

// cgroupRoot is where systemd mounts the tree.
const cgroupRoot = "/sys/fs/cgroup"

// leaveUnitGroup moves the launcher's two processes out of the unit's own group where systemd
// could not start them elsewhere (before 254): a group that holds processes cannot hand its
// controllers down to the container's (cgroup-v2.rst, "No Internal Process Constraint"). Other
// runtimes turn them on in any case, and crun tries for a second.
func (r *run) leaveUnitGroup() error {
	if r.below {
		return nil
	}
	unit := filepath.Join(cgroupRoot, r.cgroup)
	controllers, err := os.ReadFile(filepath.Join(unit, "cgroup.controllers"))
	if err != nil {
		return err
	}
	if r.Runtime == "" && len(strings.TrimSpace(string(controllers))) == 0 {
		return nil
	}
	own := filepath.Join(unit, bundle.LauncherGroup)
	if err := os.MkdirAll(own, 0o755); err != nil {
		return err
	}
	for _, pid := range []int{os.Getppid(), os.Getpid()} {
		if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("leave the unit's control group: %w", err)
		}
	}
	return nil
}
