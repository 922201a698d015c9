package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// descriptors are the open files beyond the standard ones.
func descriptors() ([]string, error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(0)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, name := range names {
		number, err := strconv.Atoi(name)
		if err != nil {
			return nil, err
		}
		target, err := os.Readlink("/proc/self/fd/" + name)
		// Its own are the directory, and the descriptors by which the Go runtime waits.
		if err != nil || number <= 2 || number == int(dir.Fd()) || strings.HasPrefix(target, "anon_inode:[event") {
			continue
		}
		lines = append(lines, "descriptor "+name)
	}
	return lines, nil
}

// process is the kernel's state of the process itself.
func process() ([]string, error) {
	status, err := statusFields()
	if err != nil {
		return nil, err
	}
	lines, err := capabilities()
	if err != nil {
		return nil, err
	}
	if status["NoNewPrivs"] == "0" {
		lines = append(lines, "privileges may grow")
	}
	if status["Seccomp"] != "2" {
		lines = append(lines, "no system call filter")
	}
	if status["Speculation_Store_Bypass"] == "vulnerable" {
		lines = append(lines, "speculative store bypass")
	}
	if groups := strings.Fields(status["Groups"]); len(groups) > 0 && os.Getgid() != 0 {
		lines = append(lines, "groups "+status["Groups"])
	}
	umask := unix.Umask(0o022)
	for _, bit := range []int{0o002, 0o020, 0o200, 0o004, 0o040, 0o400} {
		if umask&bit == 0 {
			lines = append(lines, fmt.Sprintf("umask leaves %03o", bit))
		}
	}
	cgroup, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(cgroup)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && path != "/" {
			lines = append(lines, "sees the cgroups above its own")
		}
	}
	return lines, nil
}

func statusFields() (map[string]string, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields, nil
}

func capabilities() ([]string, error) {
	own, err := capability.NewPid2(0)
	if err != nil {
		return nil, err
	}
	if err := own.Load(); err != nil {
		return nil, err
	}
	var lines []string
	for name, set := range map[string]capability.CapType{
		"inheritable": capability.INHERITABLE, "permitted": capability.PERMITTED, "effective": capability.EFFECTIVE,
		"bounding": capability.BOUNDING, "ambient": capability.AMBIENT,
	} {
		for _, c := range capability.ListKnown() {
			if own.Get(set, c) {
				lines = append(lines, fmt.Sprintf("capability %s %s", name, c))
			}
		}
	}
	return lines, nil
}

// limits are resource limits, each as the powers of two that it lets through.
func limits() ([]string, error) {
	var lines []string
	for name, number := range map[string]int{
		"core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA, "fsize": unix.RLIMIT_FSIZE,
		"locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK, "msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE,
		"nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC, "rtprio": unix.RLIMIT_RTPRIO, "rttime": unix.RLIMIT_RTTIME,
		"sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
	} {
		var limit unix.Rlimit
		if err := unix.Getrlimit(number, &limit); err != nil {
			return nil, err
		}
		for power := range 64 {
			if limit.Max >= 1<<power {
				lines = append(lines, fmt.Sprintf("limit %s 2^%02d", name, power))
			}
		}
	}
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return nil, err
	}
	adjustment, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, err
	}
	// The lower, the later it goes when memory is short.
	for score := 900; score >= adjustment && score >= -1000; score -= 100 {
		lines = append(lines, fmt.Sprintf("survives the score %d", score))
	}
	return lines, nil
}

// environment are the names of the variables.
func environment() ([]string, error) {
	var lines []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		lines = append(lines, "variable "+name)
	}
	return lines, nil
}

// keyring is the name of the session keyring (keyctl(2)), which a container needs for itself: keys
// of the node's would be its own.
func keyring() ([]string, error) {
	var description [256]byte
	size, err := unix.KeyctlBuffer(unix.KEYCTL_DESCRIBE, unix.KEY_SPEC_SESSION_KEYRING, description[:], 0)
	if err != nil {
		return nil, err
	}
	fields := strings.Split(strings.TrimRight(string(description[:min(size, len(description))]), "\x00"), ";")
	return []string{"keyring " + fields[len(fields)-1]}, nil
}
