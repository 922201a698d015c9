package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// bootName is the argv[0] under which a program that uses this package becomes a node's
// PID 1 instead of running its main function.
const bootName = "davit-node-boot"

// bootOrder is the configuration of PID 1.
type bootOrder struct {
	Hostname string
	Group    string
}

// init runs before main, so that nothing else of the program happens in a node.
func init() {
	if os.Args[0] != bootName {
		return
	}
	var order bootOrder
	err := json.Unmarshal([]byte(os.Args[1]), &order)
	if err == nil {
		err = boot(order)
	}
	fmt.Fprintln(os.Stderr, "boot node:", err)
	os.Exit(1)
}

// boot turns the calling process, PID 1 of fresh namespaces, into systemd. It returns only
// errors.
func boot(order bootOrder) error {
	unix.Umask(0o022)
	for _, step := range []func() error{
		mountKernel, mountDevices, mountDisks, mountBootID, protectKernel, enterRoot,
		mountCgroup, shareMounts, dropClock,
		func() error { return unix.Sethostname([]byte(order.Hostname)) },
		loopbackUp,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	environment := []string{
		"PATH=" + defaultPath,
		// By this variable systemd recognizes a container: it then leaves hardware alone
		// (https://systemd.io/CONTAINER_INTERFACE).
		"container=davit-node",
		"NOTIFY_SOCKET=/run/host/notify",
	}
	const systemd = "/lib/systemd/systemd"
	arguments := []string{systemd, "--show-status=yes", "--log-target=journal-or-kmsg"}
	if err := syscall.Exec(systemd, arguments, environment); err != nil {
		return fmt.Errorf("run %s: %w", systemd, err)
	}
	return nil
}

// mount mounts a file system at a path of the node, which is made.
func mount(source, path, kind string, flags uintptr, options string) error {
	target := filepath.Join(rootPath, path)
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s: %w", path, err)
	}
	return nil
}

// bind makes a file or directory of the machine appear at a path of the node.
func bind(source, path string, flags uintptr) error {
	target := filepath.Join(rootPath, path)
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if _, missing := os.Stat(target); missing != nil {
		err = writeFiles(rootPath, map[string]string{path: ""})
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|flags, ""); err != nil {
		return fmt.Errorf("bind %s: %w", path, err)
	}
	return nil
}

func mountKernel() error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := mount("proc", "/proc", "proc", flags, ""); err != nil {
		return err
	}
	// Read-only, so that systemd and udev leave the machine's devices alone.
	if err := mount("sysfs", "/sys", "sysfs", flags|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return err
	}
	return mount("tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
}

func mountDevices() error {
	if err := mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return err
	}
	const terminals = "newinstance,ptmxmode=0666,mode=620,gid=5" // gid 5 is Debian's tty
	if err := mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, terminals); err != nil {
		return err
	}
	if err := mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
		return err
	}
	if err := mount("mqueue", "/dev/mqueue", "mqueue", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	for _, device := range []string{"null", "zero", "full", "random", "urandom", "tty", "fuse", "net/tun"} {
		path := "/dev/" + device
		if _, err := os.Stat(path); err != nil {
			continue // the kernel has no such device
		}
		if err := bind(path, path, 0); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
		"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, filepath.Join(rootPath, "dev", link)); err != nil {
			return err
		}
	}
	return nil
}

func mountDisks() error {
	for _, directory := range stores {
		if err := bind(storePath+directory, directory, 0); err != nil {
			return err
		}
	}
	if err := bind(consolePath, "/dev/console", 0); err != nil {
		return err
	}
	return bind(notifyPath, "/run/host/notify", 0)
}

// mountBootID gives each boot a boot id of its own: the kernel has one for all namespaces,
// and systemd's journal tells boots apart by it.
func mountBootID() error {
	id := randomID()
	uuid := strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
	if err := writeFiles(rootPath, map[string]string{"/run/host/boot_id": uuid + "\n"}); err != nil {
		return err
	}
	return bind(filepath.Join(rootPath, "/run/host/boot_id"), "/proc/sys/kernel/random/boot_id", 0)
}

// protectKernel makes read-only the kernel's settings that the machine and the node share.
// The network's settings belong to the node's network namespace and stay writable.
func protectKernel() error {
	const network = "/proc/sys/net"
	if err := bind(filepath.Join(rootPath, network), network, 0); err != nil {
		return err
	}
	for _, path := range []string{"/proc/sys", "/proc/sysrq-trigger"} {
		if _, err := os.Stat(filepath.Join(rootPath, path)); err != nil {
			continue // the kernel was built without it
		}
		if err := bind(filepath.Join(rootPath, path), path, unix.MS_REC); err != nil {
			return err
		}
		const readOnly = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
		if err := unix.Mount("", filepath.Join(rootPath, path), "", readOnly, ""); err != nil {
			return fmt.Errorf("make %s read-only: %w", path, err)
		}
	}
	return nil
}

// enterRoot makes the node's root the root of its mount namespace and lets go of the
// machine's.
func enterRoot() error {
	if err := unix.Chdir(rootPath); err != nil {
		return err
	}
	// With both arguments the same the old root ends up mounted over the new one,
	// pivot_root(2).
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the machine's root: %w", err)
	}
	return unix.Chdir("/")
}

// mountCgroup makes the cgroup the process was started in the root of the node's tree. It
// runs after the process is in its cgroup: a namespace's root is fixed when it is made.
func mountCgroup() error {
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("unshare cgroup namespace: %w", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", flags, "nsdelegate"); err != nil {
		return fmt.Errorf("mount /sys/fs/cgroup: %w", err)
	}
	return nil
}

// shareMounts makes all mounts shared, as systemd does when it boots a machine and leaves to the
// container's manager in a container. The machine sees none of them: [makeDisks] has made them private,
// so that they become peer groups of their own (mount_namespaces(7)).
func shareMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	return nil
}

func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("set loopback device up: %w", err)
	}
	return nil
}
