package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// groupsName is the cgroup that holds those of all nodes, directly below the root so that
// no unit of the machine's own systemd has to be asked.
const groupsName = "davit-e2e"

// cgroup is a node's part of the cgroup v2 tree, on the machine's thread.
type cgroup struct {
	// path is below cgroupPath, name is relative to it.
	path string
	dir  *os.File
}

var groupCount atomic.Int64

// newCgroup makes an empty cgroup with every controller there is.
func newCgroup() (*cgroup, error) {
	if err := os.MkdirAll(cgroupPath, 0o755); err != nil {
		return nil, err
	}
	if err := unix.Mount("cgroup2", cgroupPath, "cgroup2", 0, ""); err != nil {
		return nil, fmt.Errorf("mount cgroup2: %w", err)
	}
	groups := filepath.Join(cgroupPath, groupsName)
	if err := os.MkdirAll(groups, 0o755); err != nil {
		return nil, fmt.Errorf("make the nodes' cgroup: %w", err)
	}
	if err := removeStale(groups); err != nil {
		return nil, err
	}
	path := filepath.Join(groups, fmt.Sprintf("%d-%d", os.Getpid(), groupCount.Add(1)))
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	if err := enableControllers(groups); err != nil {
		return nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &cgroup{path: path, dir: dir}, nil
}

// enableControllers passes on the group's own controllers.
func enableControllers(group string) error {
	controllers, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(controllers)) {
		path := filepath.Join(group, "cgroup.subtree_control")
		if err := os.WriteFile(path, []byte("+"+controller), 0); err != nil {
			return fmt.Errorf("enable cgroup controller %s: %w", controller, err)
		}
	}
	return nil
}

// removeStale removes the cgroups of programs that were killed: a name begins with its
// program's process id.
func removeStale(groups string) error {
	entries, err := os.ReadDir(groups)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		owner, _, _ := strings.Cut(entry.Name(), "-")
		pid, err := strconv.Atoi(owner)
		if err != nil || !entry.IsDir() || !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			continue
		}
		// One that is busy is still ending; the next boot removes it.
		if err := removeTree(filepath.Join(groups, entry.Name())); err != nil && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	return nil
}

// operator returns the cgroup for commands that come from outside, an open directory the
// caller closes. It is not systemd's, so it belongs to no unit.
func (g *cgroup) operator() (*os.File, error) {
	const name = "operator"
	err := unix.Mkdirat(int(g.dir.Fd()), name, 0o755)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make cgroup %s: %w", name, err)
	}
	fd, err := unix.Openat(int(g.dir.Fd()), name, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open cgroup %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// cpuTime is the processor time of the group's processes, with those below it. The kernel counts it
// without the cpu controller too.
func (g *cgroup) cpuTime() (time.Duration, error) {
	fd, err := unix.Openat(int(g.dir.Fd()), "cpu.stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open cpu.stat of %s: %w", g.path, err)
	}
	file := os.NewFile(uintptr(fd), "cpu.stat")
	defer file.Close()
	var used int64
	if _, err := fmt.Fscanf(file, "usage_usec %d", &used); err != nil {
		return 0, fmt.Errorf("read cpu.stat of %s: %w", g.path, err)
	}
	return time.Duration(used) * time.Microsecond, nil
}

// empty removes the groups below the node's own.
func (g *cgroup) empty() error { return removeBelow(g.path) }

// remove removes the node's cgroup. Its processes have ended.
func (g *cgroup) remove() error {
	return errors.Join(g.dir.Close(), removeTree(g.path))
}

func removeTree(group string) error {
	if err := removeBelow(group); err != nil {
		return err
	}
	if err := unix.Rmdir(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove cgroup %s: %w", group, err)
	}
	return nil
}

// removeBelow removes all groups below a group, the deepest first: rmdir(2) is all that a
// cgroup knows, its files go with it.
func removeBelow(group string) error {
	var groups []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() && path != group {
			groups = append(groups, path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list cgroups: %w", err)
	}
	for _, path := range slices.Backward(groups) {
		if err := unix.Rmdir(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove cgroup %s: %w", path, err)
		}
	}
	return nil
}
