package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mounts are the mounts without the flags that take something away. A mount that hides a file, one of
// /dev/null, takes all away by itself.
func mounts() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // proc_pid_mountinfo(5)
		root, path, options, optional := fields[3], fields[4], ","+fields[5]+",", fields[6]
		if root == "/null" {
			continue
		}
		for _, flag := range []string{"nosuid", "nodev", "noexec", "ro"} {
			if !strings.Contains(options, ","+flag+",") {
				lines = append(lines, fmt.Sprintf("mount %s without %s", path, flag))
			}
		}
		if strings.HasPrefix(optional, "shared:") || strings.HasPrefix(optional, "master:") {
			lines = append(lines, fmt.Sprintf("mount %s propagates", path))
		}
	}
	return lines, nil
}

// hardware are the parts of /sys that containers have been kept from.
var hardware = []string{
	"/sys/firmware", "/sys/devices/virtual/powercap", "/sys/fs/selinux", "/sys/fs/cgroup", "/sys/kernel/security",
	"/sys/kernel/debug", "/sys/kernel/tracing", "/sys/fs/bpf", "/sys/fs/pstore", "/sys/module", "/sys/class/net",
	"/sys/power", "/sys/kernel/mm", "/sys/bus/pci", "/sys/dev/block", "/sys/devices/system/cpu",
}

var process1 = regexp.MustCompile(`^/proc/([0-9]+|self|thread-self)$`)

// kernelFiles are the files of the kernel, without those of processes, that have something to
// read or can be opened for writing, which changes nothing by itself.
func kernelFiles() ([]string, error) {
	var lines []string
	for _, root := range append([]string{"/proc"}, hardware...) {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil && entry != nil && entry.IsDir():
				return fs.SkipDir
			case err != nil:
				return nil
			case process1.MatchString(path):
				return fs.SkipDir
			case entry.Type().IsRegular():
				lines = append(lines, access(path)...)
			case entry.Type()&fs.ModeSymlink != 0:
				lines = append(lines, "finds "+path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func access(path string) []string {
	var lines []string
	// O_NONBLOCK: some wait for events.
	if fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		if n, err := unix.Read(fd, make([]byte, 1)); err == nil && n == 1 {
			lines = append(lines, "reads "+path)
		}
		unix.Close(fd)
	}
	if fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		lines = append(lines, "writes "+path)
		unix.Close(fd)
	}
	return lines
}

// deviceFiles are the devices in /dev that can be opened.
func deviceFiles() ([]string, error) {
	var lines []string
	err := filepath.WalkDir("/dev", func(path string, entry fs.DirEntry, err error) error {
		// A terminal's number is its run's.
		if err != nil || entry.Type()&fs.ModeDevice == 0 || filepath.Dir(path) == "/dev/pts" {
			return err
		}
		for _, way := range []struct {
			name string
			flag int
		}{{"read", unix.O_RDONLY}, {"written", unix.O_WRONLY}} {
			if fd, err := unix.Open(path, way.flag|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err == nil {
				lines = append(lines, fmt.Sprintf("device %s can be %s", path, way.name))
				unix.Close(fd)
			}
		}
		return nil
	})
	return lines, err
}

// devices makes a file of each device that the kernel knows and of those that lead to the machine,
// and opens it. Where the cgroup denies it, the kernel refuses one of the two.
func devices() ([]string, error) {
	dir, err := os.MkdirTemp("", "allowed-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var lines []string
	for _, device := range numbers() {
		path := filepath.Join(dir, "device")
		err := unix.Mknod(path, device.kind|0o600, int(unix.Mkdev(device.major, device.minor)))
		if err != nil {
			continue
		}
		name := fmt.Sprintf("%s %d:%d", device.letter, device.major, device.minor)
		lines = append(lines, "makes device "+name)
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		// Without the driver there is ENXIO or ENODEV, after the cgroup has let it through.
		if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
			lines = append(lines, "opens device "+name)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

type number struct {
	letter       string
	kind         uint32
	major, minor uint32
}

// numbers are the devices of /sys/dev, and some that a machine may have.
func numbers() []number {
	found := []number{
		{"c", unix.S_IFCHR, 1, 1}, {"c", unix.S_IFCHR, 1, 2}, {"c", unix.S_IFCHR, 1, 4}, {"c", unix.S_IFCHR, 4, 0},
		{"c", unix.S_IFCHR, 4, 64}, {"c", unix.S_IFCHR, 10, 200}, {"c", unix.S_IFCHR, 10, 229}, {"c", unix.S_IFCHR, 10, 232},
		{"b", unix.S_IFBLK, 8, 0}, {"b", unix.S_IFBLK, 7, 0}, {"b", unix.S_IFBLK, 253, 0}, {"b", unix.S_IFBLK, 259, 0},
	}
	for letter, kind := range map[string]uint32{"char": unix.S_IFCHR, "block": unix.S_IFBLK} {
		entries, err := os.ReadDir("/sys/dev/" + letter)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			first, second, _ := strings.Cut(entry.Name(), ":")
			major, err1 := strconv.ParseUint(first, 10, 32)
			minor, err2 := strconv.ParseUint(second, 10, 32)
			if err1 == nil && err2 == nil {
				found = append(found, number{letter[:1], kind, uint32(major), uint32(minor)})
			}
		}
	}
	return found
}
