package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// Containers with users of their own run in a user namespace. The ids it has of the node are
// drawn anew at each start and are on no disk: layers and volumes are mounted with their owners
// mapped (mount_setattr(2), MOUNT_ATTR_IDMAP), so their files keep the ids they have inside.

// rangeSize is how many ids a container has, 0 to 65535, as Kubernetes and Podman give it.
const rangeSize = 65536

// idRange is where a container's ids begin on the node, and how many ranges of rangeSize follow.
type idRange struct{ uid, gid, count uint32 }

// defaultRange is the upper part of what systemd sets aside for containers, 524288 to 1879048191
// (https://systemd.io/UIDS-GIDS), above what useradd hands out (SUB_UID_MAX of login.defs(5) is
// 600100000).
var defaultRange = idRange{uid: 0x60000000, gid: 0x60000000, count: 0x1000}

// subordinateUser is who may have ranges of his own in /etc/subuid and /etc/subgid (subuid(5)).
const subordinateUser = "davit"

// usersFile notes which range a container has; it goes with the container's own directory.
const usersFile = "users"

// usersLock guards the choice.
const usersLock = bundle.RunDir + "/users.lock"

// makeUsers makes the user namespace, or opens that of the sandbox. A network namespace that the
// launcher has to make comes with it: it belongs to the user namespace in which it is made.
func (r *run) makeUsers() error {
	if !r.has(specs.UserNamespace) {
		return nil
	}
	if err := r.openUsers(); err != nil {
		return fmt.Errorf("make a user namespace: %w", err)
	}
	return nil
}

func (r *run) openUsers() error {
	if err := os.MkdirAll(bundle.MountsDir, 0o711); err != nil {
		return err
	}
	var err error
	if r.Sandbox != "" {
		if r.ids, err = readRange(bundle.SandboxFile(r.Sandbox, usersFile)); err != nil {
			return err
		}
		r.users, err = os.Open(bundle.SandboxFile(r.Sandbox, string(specs.UserNamespace)))
		return err
	}
	if r.ids, err = r.claimRange(); err != nil {
		return err
	}
	switch {
	case !isSandbox(r.Bundle) && r.Network.Mode == bundle.NetworkCNI:
		return r.makeUsersAndNetwork()
	case !isSandbox(r.Bundle):
		return r.holdUsers(0)
	case r.has(specs.PIDNamespace):
		// The process namespace needs a process anyhow, and has to belong to the users too.
		if r.reaper, err = r.startReaper(r.userAttributes(unix.CLONE_NEWPID | unix.CLONE_NEWNS | r.unshareFlags())); err != nil {
			return err
		}
		return r.openNamespaces(r.reaper)
	default:
		return r.holdUsers(r.unshareFlags())
	}
}

func (r *run) makeUsersAndNetwork() error {
	if err := r.holdUsers(unix.CLONE_NEWNET); err != nil {
		return err
	}
	namespace := r.namespaces[specs.NetworkNamespace]
	r.netns = descriptorPath(namespace)
	return inNamespaces([]*os.File{namespace}, upLoopback)
}

// descriptorPath names an open file for other processes, as long as this one lives.
func descriptorPath(file *os.File) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd())
}

// claimRange notes the lowest range that no other container has.
func (r *run) claimRange() (idRange, error) {
	pool, err := rangePool()
	if err != nil {
		return idRange{}, err
	}
	if err := errors.Join(apartFrom(pool.uid, pool.count, r.UIDMappings), apartFrom(pool.gid, pool.count, r.GIDMappings)); err != nil {
		return idRange{}, err
	}
	unlock, err := disk.Lock(usersLock, unix.LOCK_EX)
	if err != nil {
		return idRange{}, err
	}
	defer unlock()
	taken, err := takenRanges()
	if err != nil {
		return idRange{}, err
	}
	for number := range pool.count {
		ids := idRange{uid: pool.uid + number*rangeSize, gid: pool.gid + number*rangeSize, count: 1}
		if !slices.ContainsFunc(taken, ids.overlaps) {
			return ids, os.WriteFile(ownFile(r.ID, usersFile), fmt.Appendf(nil, "%d %d\n", ids.uid, ids.gid), 0o600)
		}
	}
	return idRange{}, fmt.Errorf("all %d ranges of ids are taken: add more to /etc/subuid and /etc/subgid for the user %s", pool.count, subordinateUser)
}

// overlaps reports whether two ranges of rangeSize have ids in common; they may come from pools
// that were set up differently.
func (ids idRange) overlaps(other idRange) bool {
	apart := func(a, b uint32) bool { return max(a, b)-min(a, b) >= rangeSize }
	return !apart(ids.uid, other.uid) || !apart(ids.gid, other.gid)
}

// takenRanges are the ranges of other containers.
func takenRanges() ([]idRange, error) {
	files, err := filepath.Glob(filepath.Join(bundle.AttachmentsDir, "*", usersFile))
	if err != nil {
		return nil, err
	}
	var taken []idRange
	for _, file := range files {
		ids, err := readRange(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNoRange) {
			continue // it has gone, or has not come up
		}
		if err != nil {
			return nil, err
		}
		taken = append(taken, ids)
	}
	return taken, nil
}

// errNoRange is a file that was not written to its end.
var errNoRange = errors.New("not a range of ids")

func readRange(file string) (idRange, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return idRange{}, err
	}
	ids := idRange{count: 1}
	if _, err := fmt.Sscanf(string(text), "%d %d", &ids.uid, &ids.gid); err != nil || !strings.HasSuffix(string(text), "\n") {
		return idRange{}, fmt.Errorf("%s: %w", file, errNoRange)
	}
	return ids, nil
}

// rangePool is what the ranges come from: the first entries of the user davit in /etc/subuid and
// /etc/subgid, or the default.
func rangePool() (idRange, error) {
	uid, uids, err := subordinate("/etc/subuid")
	if err != nil {
		return idRange{}, err
	}
	gid, gids, err := subordinate("/etc/subgid")
	if err != nil {
		return idRange{}, err
	}
	if uids == 0 && gids == 0 {
		return defaultRange, nil
	}
	count := min(uids, gids) / rangeSize
	if count == 0 {
		return idRange{}, fmt.Errorf("/etc/subuid and /etc/subgid: want an entry of %s with %d ids or more in both", subordinateUser, rangeSize)
	}
	return idRange{uid: uid, gid: gid, count: count}, nil
}

func subordinate(file string) (first, count uint32, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	return parseSubordinate(string(text), file)
}

func parseSubordinate(text, file string) (first, count uint32, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) != 3 || fields[0] != subordinateUser {
			continue
		}
		start, startErr := strconv.ParseUint(fields[1], 10, 32)
		length, lengthErr := strconv.ParseUint(fields[2], 10, 32)
		// The highest id means "no change" (chown(2)).
		if startErr != nil || lengthErr != nil || start == 0 || start+length >= 1<<32-1 {
			return 0, 0, fmt.Errorf("%s: %q is not a range of ids", file, strings.TrimSpace(line))
		}
		return uint32(start), uint32(length), nil
	}
	return 0, 0, nil
}

// holdUsers makes a user namespace, and others that belong to it, and opens them.
func (r *run) holdUsers(flags uintptr) error {
	keep, release, err := os.Pipe()
	if err != nil {
		return err
	}
	defer release.Close()
	holder := exec.Command("/proc/self/exe", "hold")
	holder.Args[0], holder.Stdin, holder.Env = "davit-run", keep, []string{}
	holder.SysProcAttr = r.userAttributes(flags)
	err = holder.Start()
	keep.Close()
	if err != nil {
		return err
	}
	err = r.openNamespaces(holder.Process.Pid)
	release.Close()
	return errors.Join(err, holder.Wait())
}

// openNamespaces opens the namespaces of a process that it shares with nobody yet.
func (r *run) openNamespaces(pid int) error {
	var err error
	if r.users, err = os.Open(fmt.Sprintf("/proc/%d/ns/user", pid)); err != nil {
		return err
	}
	r.namespaces = map[specs.LinuxNamespaceType]*os.File{}
	for kind := range unshareFlags {
		if r.namespaces[kind], err = os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, namespaceFiles[kind])); err != nil {
			return err
		}
	}
	return nil
}

// userAttributes start a process in a user namespace with the container's ids.
func (r *run) userAttributes(flags uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:                 unix.CLONE_NEWUSER | flags,
		UidMappings:                idMap(r.UIDMappings, r.ids.uid),
		GidMappings:                idMap(r.GIDMappings, r.ids.gid),
		GidMappingsEnableSetgroups: true,
		// Root of the node has no id in it, and whoever has none loses all capabilities at execve(2).
		Credential: &syscall.Credential{Uid: 0, Gid: 0},
	}
}

// inNamespaces calls f on a thread in the namespaces, which ends with the goroutine because it
// stays locked.
func inNamespaces(namespaces []*os.File, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		for _, namespace := range namespaces {
			if err := unix.Setns(int(namespace.Fd()), 0); err != nil {
				done <- fmt.Errorf("enter a namespace: %w", err)
				return
			}
		}
		done <- f()
	}()
	return <-done
}

// prepareMapped makes the writable layer the users' own, and mounts the init layer, whose path it
// returns, and a /proc with nothing over it, without which the kernel lets no other be mounted in a
// user namespace (mount_too_revealing in its fs/namespace.c): the node's may have something. The
// writable layer cannot be mapped: overlayfs works in it as root of the node, who has no id there.
func (r *run) prepareMapped(upper string) (string, error) {
	own := filepath.Join(bundle.ContainersDir, r.ID)
	root := func(mappings []syscall.SysProcIDMap) int { return mappings[0].HostID } // the first begins at 0
	if err := os.Chown(upper, root(idMap(r.UIDMappings, r.ids.uid)), root(idMap(r.GIDMappings, r.ids.gid))); err != nil {
		return "", err
	}
	kernel := filepath.Join(own, "proc")
	if err := os.Mkdir(kernel, 0o755); err != nil {
		return "", err
	}
	if err := unix.Mount("proc", kernel, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return "", fmt.Errorf("mount a proc file system: %w", err)
	}
	first := filepath.Join(own, "init")
	return first, r.mountMapped(initLayerDir, first)
}

// mountMapped mounts a directory at a new one with its files' owners mapped.
func (r *run) mountMapped(source, target string) error {
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: source, Err: err}
	}
	defer unix.Close(tree)
	attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(r.users.Fd())}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attributes); err != nil {
		return fmt.Errorf("map the owners of %s: %w: hostUsers: false needs a file system with id-mapped mounts (Linux 5.19, mount_setattr(2))", source, err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: target, Err: err}
	}
	return nil
}
