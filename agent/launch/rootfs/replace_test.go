package rootfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

type replacer func(tree, target *os.File, pid int, open func() (*os.File, error)) error

func TestAMountIsReplaced(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("makes a mount namespace, which needs root")
	}
	for name, replace := range map[string]replacer{"as this kernel can": ReplaceMount, "before Linux 6.5": replaceAfter} {
		for kind, file := range map[string]string{"directory": "", "file": "word"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				checkReplaced(t, replace, file)
			})
		}
	}
}

// checkReplaced mounts version 1 and replaces it by 2 and 3: the directories, or a file in them. Each is removed once
// another one is in its place.
func checkReplaced(t *testing.T, replace replacer, file string) {
	t.Helper()
	root := t.TempDir()
	for _, version := range []string{"place", "1", "2", "3"} {
		dir := filepath.Join(root, version)
		if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "word"), []byte(version), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	place := filepath.Join(root, "place", file)
	pid := mountedIn(t, filepath.Join(root, "1", file), place)
	inside := fmt.Sprintf("/proc/%d/root%s", pid, root)
	open := func() (*os.File, error) { return os.OpenFile(filepath.Join(inside, "place", file), unix.O_PATH, 0) }
	for _, step := range []struct{ before, next string }{{"1", "2"}, {"2", "3"}} {
		target, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer target.Close()
		tree, err := ReadOnlyTree(filepath.Join(root, step.next, file))
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		if err := errors.Join(replace(tree, target, pid, open), os.RemoveAll(filepath.Join(root, step.before))); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(inside, "place", "word")); err != nil || string(text) != step.next {
			t.Errorf("%q, %v: want %q", text, err, step.next)
		}
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if n := strings.Count(string(mounts), " "+place+" "); err != nil || n != 1 {
		t.Errorf("%d mounts are there: %v", n, err)
	}
}

// mountedIn is a process with a mount namespace of its own, in which source is mounted at target.
func mountedIn(t *testing.T, source, target string) int {
	t.Helper()
	process := exec.Command("sh", "-c", `mount --bind "$0" "$1" && echo mounted && exec cat`, source, target)
	process.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	in, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := process.Wait(); err != nil {
			t.Error(err)
		}
	})
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatal(err)
	}
	return process.Process.Pid
}
