package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// callsCommand is the command under which the program makes system calls, from a number on, and
// prints each number before it makes the call.
const callsCommand = "calls"

// lastCall is well above the kernel's last number.
const lastCall = 520

// patience bounds a call that waits.
const patience = 300 * time.Millisecond

// systemCalls are the numbers of the system calls that a filter lets through: all are made, with
// arguments that are no good for any, in a process that may die of it or wait for ever.
func systemCalls() ([]string, error) {
	refused := map[int]bool{}
	for from := 0; from <= lastCall; {
		last, err := callsFrom(from, refused)
		if err != nil {
			return nil, err
		}
		// A call that ends the process is made a second time, first of all: a machine that is busy
		// is slow, too.
		if last > from {
			from = last
		} else {
			from++
		}
	}
	var lines []string
	for call := range lastCall + 1 {
		if !refused[call] {
			lines = append(lines, fmt.Sprintf("system call %03d", call))
		}
	}
	return append(lines, namedCalls()...), nil
}

// callsFrom makes the calls from a number on until one ends the process, and returns the last that
// was made.
func callsFrom(from int, refused map[int]bool) (int, error) {
	child := exec.Command("/proc/self/exe", callsCommand, strconv.Itoa(from))
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := child.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := child.Start(); err != nil {
		return 0, err
	}
	kill := func() { _ = unix.Kill(-child.Process.Pid, unix.SIGKILL) }
	watchdog := time.AfterFunc(patience, kill)
	last := from
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		watchdog.Reset(patience)
		var call, errno int
		if _, err := fmt.Sscan(lines.Text(), &call, &errno); err == nil {
			refused[call] = errno == int(unix.EPERM) || errno == int(unix.ENOSYS)
		}
		last = call
	}
	watchdog.Stop()
	kill()
	// How it ended says nothing more.
	_ = child.Wait()
	return last, nil
}

// makeCalls prints a call's number before it is made, and its error after it.
func makeCalls(from string) error {
	first, err := strconv.Atoi(from)
	if err != nil {
		return err
	}
	const bad = ^uintptr(0)
	self := unix.Getpid()
	for call := first; call <= lastCall; call++ {
		fmt.Println(call)
		_, _, errno := unix.Syscall6(uintptr(call), bad, bad, bad, bad, bad, bad)
		if unix.Getpid() != self { // fork and its like
			unix.Exit(0)
		}
		fmt.Println(call, int(errno))
	}
	return nil
}

// namedCalls are calls that a filter tells apart by their arguments.
func namedCalls() []string {
	var lines []string
	for name, call := range map[string]func() error{
		"unshare a user namespace": func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"socket AF_VSOCK":          func() error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0) },
		"socket AF_ALG":            func() error { return socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0) },
		"socket AF_PACKET":         func() error { return socket(unix.AF_PACKET, unix.SOCK_RAW, 0) },
		"socket NETLINK_AUDIT":     func() error { return socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT) },
		"socket raw ICMP":          func() error { return socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) },
		"personality READ_IMPLIES_EXEC": func() error {
			_, _, errno := unix.Syscall(unix.SYS_PERSONALITY, 0x0400000, 0, 0)
			return errnoOf(errno)
		},
		"personality ADDR_NO_RANDOMIZE": func() error {
			_, _, errno := unix.Syscall(unix.SYS_PERSONALITY, 0x0040000, 0, 0)
			return errnoOf(errno)
		},
		"mount a tmpfs": func() error { return unix.Mount("tmpfs", "/proc", "tmpfs", 0, "") },
	} {
		if err := call(); err == nil || !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSYS) {
			lines = append(lines, "system call "+name)
		}
	}
	return lines
}

func socket(domain, kind, protocol int) error {
	fd, err := unix.Socket(domain, kind, protocol)
	if err != nil {
		return err
	}
	return os.NewSyscallError("close", unix.Close(fd))
}

func errnoOf(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
