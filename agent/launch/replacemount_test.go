package launch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAMountIsReplaced(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mount namespaces are made by root")
	}
	for name, replace := range map[string]func(tree, target *os.File, pid int, open func() (*os.File, error)) error{
		"as this kernel can": replaceMount,
		"before Linux 6.5":   replaceAfter,
	} {
		for _, kind := range []string{"directory", "file"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				root := t.TempDir()
				path := func(version string) string {
					if kind == "file" {
						return filepath.Join(root, version, "word")
					}
					return filepath.Join(root, version)
				}
				for _, version := range []string{"place", "1", "2", "3"} {
					if err := os.Mkdir(filepath.Join(root, version), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(filepath.Join(root, version, "word"), []byte(version), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				pid := mountedIn(t, path("1"), path("place"))
				seen := fmt.Sprintf("/proc/%d/root%s/place/word", pid, root)
				open := func() (*os.File, error) {
					return os.OpenFile(fmt.Sprintf("/proc/%d/root%s", pid, path("place")), unix.O_PATH, 0)
				}
				for i, next := range []string{"2", "3"} {
					target, err := open()
					if err != nil {
						t.Fatal(err)
					}
					defer target.Close()
					tree, err := readOnlyTree(path(next))
					if err != nil {
						t.Fatal(err)
					}
					defer tree.Close()
					if err := replace(tree, target, pid, open); err != nil {
						t.Fatal(err)
					}
					if err := os.RemoveAll(filepath.Join(root, fmt.Sprint(i+1))); err != nil {
						t.Fatal(err)
					}
					if text, err := os.ReadFile(seen); err != nil || string(text) != next {
						t.Errorf("%q, %v: want %q", text, err, next)
					}
				}
				mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
				if n := strings.Count(string(mounts), " "+path("place")+" "); err != nil || n != 1 {
					t.Errorf("%d mounts are there: %v", n, err)
				}
			})
		}
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
