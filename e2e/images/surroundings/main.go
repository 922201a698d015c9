// surroundings prints the environment of a container's program, one property a line, sorted: a key, a tab, and a value
// in quotes. If two container engines run it on one node, the lines that differ show the differences for programs.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// /proc/self is the process's first thread, and some of its files, such as timerslack_ns, only that thread may read without
// CAP_SYS_NICE: the program stays on it.
func init() { runtime.LockOSThread() }

func main() {
	found := map[string]string{}
	for _, look := range []func(map[string]string) error{
		process, signals, environment, limits, mounts, settings, devices, etcFiles, cgroups, descriptors,
	} {
		if err := look(found); err != nil {
			fmt.Fprintln(os.Stderr, "surroundings:", err)
			os.Exit(1)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		fmt.Printf("%s\t%q\n", key, found[key])
	}
	fmt.Println("end")
	if len(os.Args) > 1 && os.Args[1] == "wait" {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
	}
}

// statusFields are lines of proc_pid_status(5) that an engine decides.
var statusFields = []string{
	"Uid", "Gid", "Groups", "NSpid", "NSpgid", "NSsid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
	"NoNewPrivs", "Seccomp", "Speculation_Store_Bypass", "SpeculationIndirectBranch", "THP_enabled", "Umask",
}

func process(found map[string]string) error {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if slices.Contains(statusFields, name) {
			found["process "+name] = strings.Join(strings.Fields(value), " ")
		}
	}
	for _, name := range []string{"oom_score_adj", "personality", "loginuid", "uid_map", "gid_map", "timerslack_ns", "coredump_filter", "attr/current"} {
		text, err := os.ReadFile("/proc/self/" + name)
		if err == nil {
			found["process "+name] = strings.Join(strings.Fields(strings.TrimRight(string(text), "\x00\n")), " ")
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	found["process cwd"] = dir
	found["process hostname"] = unix.ByteSliceToString(name.Nodename[:])
	found["process domainname"] = unix.ByteSliceToString(name.Domainname[:])
	priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	found["process nice"] = strconv.Itoa(20 - priority)
	link, linkErr := os.Readlink("/etc/localtime")
	found["process time zone"] = fmt.Sprint(link, linkErr == nil)
	_, init := os.Lstat("/proc/2")
	found["process others"] = fmt.Sprint(init == nil)
	return err
}

func environment(found map[string]string) error {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		found["variable "+name] = value
	}
	return nil
}

// signals are those that are blocked or ignored: Go's runtime changes them for itself, and not for its children.
func signals(found map[string]string) error {
	text, err := exec.Command("grep", "Sig[BI]", "/proc/self/status").Output()
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		found["process "+name] = strings.TrimSpace(value)
	}
	return nil
}

func limits(found map[string]string) error {
	// Go raises the limit of open files for itself, and not for its children.
	text, err := exec.Command("cat", "/proc/self/limits").Output()
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if len(line) < 26 || strings.HasPrefix(line, "Limit") {
			continue
		}
		values := strings.Fields(line[26:])
		found["limit "+strings.TrimSpace(line[:26])] = strings.Join(values[:2], " ")
	}
	return nil
}

// mounts are those of proc_pid_mountinfo(5) without their numbers.
func mounts(found map[string]string) error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		end := slices.Index(fields, "-")
		if end < 6 || len(fields) < end+4 {
			return fmt.Errorf("/proc/self/mountinfo: %q", line)
		}
		kind := fields[end+1]
		value := fmt.Sprintf("%s %s %s", kind, sorted(fields[5]), strings.Join(fields[6:end], " "))
		// The options of the file system are the engine's where all of it is mounted, and not a directory of the node's.
		if fields[3] == "/" && slices.Contains([]string{"tmpfs", "devpts", "proc", "sysfs"}, kind) {
			value += " " + sorted(fields[end+3])
		}
		found["mount "+fields[4]] = strings.Join(strings.Fields(value), " ")
	}
	var stat unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &stat); err != nil {
		return err
	}
	found["size of /dev/shm"] = fmt.Sprint(stat.Blocks * uint64(stat.Bsize))
	return nil
}

func sorted(options string) string {
	list := strings.Split(options, ",")
	slices.Sort(list)
	return strings.Join(list, ",")
}

// volatile are settings of the kernel that change by themselves.
var volatile = []string{
	"fs/dentry-state", "fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/aio-nr", "kernel/ns_last_pid", "kernel/pty/nr",
	"kernel/random/", "kernel/sched_domain", "fs/quota/", "fs/epoll/", "vm/stat", "net/netfilter/nf_conntrack_count", "debug/",
}

// settings are the kernel's, and which of them can be opened for writing.
func settings(found map[string]string) error {
	const root = "/proc/sys/"
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, root)
		if err != nil || entry.IsDir() || slices.ContainsFunc(volatile, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			return nil // files that cannot be read are left out
		}
		if text, err := os.ReadFile(path); err == nil {
			found["sysctl "+name] = strings.Join(strings.Fields(string(text)), " ")
		}
		if fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
			unix.Close(fd)
			found["sysctl "+name+" writable"] = "yes"
		}
		return nil
	})
}

func devices(found map[string]string) error {
	return filepath.WalkDir("/dev", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == "/dev" {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil {
			return err
		}
		value := fmt.Sprintf("%o %d:%d", stat.Mode, stat.Uid, stat.Gid)
		switch stat.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			value, err = os.Readlink(path)
		case unix.S_IFCHR, unix.S_IFBLK:
			value += fmt.Sprintf(" device %d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
		}
		found["device "+path] = value
		return err
	})
}

// etcFiles are files that an engine makes in a container.
func etcFiles(found map[string]string) error {
	for _, path := range []string{
		"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/timezone",
		"/run/.containerenv", "/.dockerenv", "/run/secrets", "/run", "/tmp", "/proc", "/sys", "/dev", "/etc",
	} {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		value := info.Mode().String()
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			value += " " + target
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			value += " " + string(text)
		}
		found["file "+path] = value
	}
	return nil
}

func cgroups(found map[string]string) error {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	found["cgroup path"] = strings.TrimSpace(string(text))
	for _, name := range []string{"pids.max", "memory.max", "cpu.max", "cgroup.subtree_control"} {
		if text, err := os.ReadFile("/sys/fs/cgroup/" + name); err == nil {
			found["cgroup "+name] = strings.TrimSpace(string(text))
		}
	}
	found["cgroup writable"] = fmt.Sprint(unix.Access("/sys/fs/cgroup/cgroup.procs", unix.W_OK) == nil)
	return nil
}

// descriptors are the kinds of the standard streams, and whether they can be opened by name.
func descriptors(found map[string]string) error {
	for number, name := range []string{"stdin", "stdout", "stderr"} {
		var stat unix.Stat_t
		if err := unix.Fstat(number, &stat); err != nil {
			found["descriptor "+name] = err.Error()
			continue
		}
		kind := map[uint32]string{
			unix.S_IFIFO: "pipe", unix.S_IFSOCK: "socket", unix.S_IFCHR: "device", unix.S_IFREG: "file",
		}[stat.Mode&unix.S_IFMT]
		found["descriptor "+name] = kind
		if number == 0 {
			continue
		}
		fd, err := unix.Open("/dev/"+name, unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		if err == nil {
			err = unix.Close(fd)
		}
		found["opens /dev/"+name] = fmt.Sprint(err)
	}
	terminal, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Close(terminal)
	}
	found["opens /dev/tty"] = fmt.Sprint(err)
	return nil
}
