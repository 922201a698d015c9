package runtime

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

// controlGroup is where systemd runs the commands of a unit but its main one, where the unit's own group
// is delegated (systemd.service(5), Delegate= of systemd.resource-control(5)).
const controlGroup = ".control"

// Group is the control group of a container's unit. The container's own group is made below it.
type Group struct {
	// Path is the group below the root of the hierarchy.
	Path string
	// below is set if this process is in the launchers' group below it.
	below bool
}

// UnitGroup is the control group of a container's unit. This process must be in it, or in the launchers' group below:
// systemd takes the container's process for the main process of the unit that the launcher runs in.
func UnitGroup(id string) (Group, error) {
	group, err := GroupOf(os.Getpid())
	if err != nil {
		return Group{}, err
	}
	unit, below := strings.CutSuffix(strings.TrimSuffix(group, "/"+controlGroup), "/"+bundle.LauncherGroup)
	// systemd puts a '_' before names that the kernel could take for one of its own, such as
	// devices.service (cg_escape in systemd's src/basic/cgroup-util.c).
	if strings.TrimPrefix(path.Base(unit), "_") != names.Service(id) {
		return Group{}, fmt.Errorf("this process runs in %s, not in %s.service: containers are started by systemctl start %s", group, id, id)
	}
	return Group{unit, below}, nil
}

// Payload is the group of the container itself.
func (g Group) Payload() string { return g.Path + "/" + bundle.PayloadGroup }

// GroupOf is the control group of a process, below the root.
func GroupOf(pid int) (string, error) {
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

// GroupRoot is the path at which systemd mounts the tree.
const GroupRoot = "/sys/fs/cgroup"

// Leave moves the launcher's two processes out of the unit's own group where systemd
// could not start them elsewhere (before 254): a group that holds processes cannot hand its
// controllers down to the container's (cgroup-v2.rst, "No Internal Process Constraint"). If a
// runtime of the node is used, it turns them on in any case, and crun tries for a second.
func (g Group) Leave(runtime string) error {
	if g.below {
		return nil
	}
	unit := filepath.Join(GroupRoot, g.Path)
	controllers, err := os.ReadFile(filepath.Join(unit, "cgroup.controllers"))
	if err != nil {
		return err
	}
	if runtime == "" && len(strings.TrimSpace(string(controllers))) == 0 {
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
