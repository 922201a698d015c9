//go:build linux

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/watch"
)

// A process that waits in the kernel for a file system which does not answer, as for that of a server that is gone,
// cannot end, however it is asked to. Where the manifests are on such a file system a command therefore runs in a
// process of its own, which is left behind if that happens.

// supervisedBy names the descriptor on which that process says that it is to be left behind.
const supervisedBy = "DAVIT_SUPERVISED"

// supervise runs the command in a process of its own where it may hang. It reports whether it did, and its exit status.
func supervise(args []string) (status int, done bool) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || os.Getenv(supervisedBy) != "" || slices.Contains(args, "agent") || !mayHang(string(mounts), manifestRoots(args), os.Readlink) {
		return 0, false
	}
	status, err = runSupervised(args)
	return status, err == nil
}

func runSupervised(args []string) (status int, err error) {
	hangs, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer hangs.Close()
	child := exec.Command("/proc/self/exe", args...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.Env, child.ExtraFiles = append(os.Environ(), supervisedBy+"=3"), []*os.File{write}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	err = child.Start()
	write.Close()
	if err != nil {
		return 0, err
	}
	left, ended := make(chan bool, 1), make(chan int, 1)
	go func() {
		if n, _ := io.ReadFull(hangs, make([]byte, 1)); n == 1 {
			left <- true
		}
	}()
	go func() {
		_ = child.Wait() // its state says how it ended
		ended <- child.ProcessState.ExitCode()
	}()
	for {
		select {
		case status := <-ended:
			if status < 0 {
				status = 1
			}
			return status, nil
		case <-left:
			return 1, nil
		case asked := <-signals:
			_ = child.Process.Signal(asked) // it may have ended by now
		}
	}
}

// leaveBehind says, if the error is that a file system does not answer, that this process is to be left behind.
func leaveBehind(err error) {
	if errors.As(err, new(watch.Hang)) && os.Getenv(supervisedBy) != "" {
		_, _ = os.NewFile(3, "supervisor").Write([]byte{1})
	}
}

// manifestRoots are the manifest directories of a command line.
func manifestRoots(args []string) []string {
	main := defaultManifests
	for i, arg := range args {
		flag, value, joined := strings.Cut(arg, "=")
		switch {
		case flag != "-m" && flag != "--manifests":
		case joined:
			main = value
		case i+1 < len(args):
			main = args[i+1]
		}
	}
	if absolute, err := filepath.Abs(main); err == nil {
		main = absolute
	}
	return watch.RootsOf(main).All
}

// mayHang reports whether one of the roots is on a file system that may not answer, or has one mounted below it.
// mounts are those of the node (proc_pid_mountinfo(5)); the
// root itself does not count: without it nothing runs. No directory of such a file system is looked at.
func mayHang(mounts string, roots []string, readlink func(string) (string, error)) bool {
	var remote []string
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if i := slices.Index(fields, "-"); i > 4 && i+1 < len(fields) && isRemote(fields[i+1]) && fields[4] != "/" {
			remote = append(remote, fields[4])
		}
	}
	if len(remote) == 0 {
		return false
	}
	return slices.ContainsFunc(roots, func(root string) bool {
		at := resolved(root, remote, readlink)
		return slices.ContainsFunc(remote, func(point string) bool { return isBelow(at, point) || isBelow(point, at) })
	})
}

// isRemote reports whether a file system of the type is another process's, or another machine's.
func isRemote(kind string) bool {
	kind, _, _ = strings.Cut(kind, ".")
	return slices.Contains([]string{"fuse", "fuseblk", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "lustre", "virtiofs"}, kind)
}

// resolved follows the links of a path as far as to one of the mount points.
func resolved(path string, points []string, readlink func(string) (string, error)) string {
	at, rest := "/", path
	for links := 0; rest != "" && links < 40; {
		name, others, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		at, rest = filepath.Join(at, name), others
		if slices.ContainsFunc(points, func(point string) bool { return isBelow(at, point) }) {
			break
		}
		if target, err := readlink(at); err == nil {
			links++
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			at, rest = "/", filepath.Join(target, rest)
		}
	}
	return filepath.Join(at, rest)
}

func isBelow(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}
