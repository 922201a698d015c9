package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// defaultPath is the search path of commands in a node.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Command is a command to run in a node, as root.
type Command struct {
	// Args are the command, an absolute path or a name to find in the PATH of
	// Debian's root, and its arguments.
	Args []string
	// Env is added to the environment, NAME=value.
	Env []string
	// Dir is the working directory; the default is /root.
	Dir string
	// Stdin, Stdout and Stderr are as in [exec.Cmd].
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Terminal makes Stdin, which is one, the controlling terminal.
	Terminal bool
}

// Environ is the whole environment of the command.
func (c Command) Environ() []string {
	return append([]string{
		"PATH=" + defaultPath, "HOME=/root", "USER=root", "LANG=C.UTF-8", "TERM=dumb",
		"SYSTEMD_COLORS=0", "SYSTEMD_PAGER=",
	}, c.Env...)
}

// killDelay is how long a command that was killed may keep its output open, through
// children of its own.
const killDelay = 2 * time.Second

// Run runs a command in the node and waits for it. The error is an [*exec.ExitError] when
// the command ran and did not exit with 0.
func (n *Node) Run(ctx context.Context, command Command) error {
	if len(command.Args) == 0 {
		return errors.New("run in node: no command")
	}
	power := n.current()
	group, err := power.group.operator()
	if err != nil {
		return err
	}
	defer group.Close()
	return power.inside(func() error {
		path, err := lookPath(command.Args[0])
		if err != nil {
			return err
		}
		child := exec.CommandContext(ctx, path)
		child.Args = command.Args
		child.Env = command.Environ()
		child.Dir = command.Dir
		if child.Dir == "" {
			child.Dir = "/root"
		}
		child.Stdin, child.Stdout, child.Stderr = command.Stdin, command.Stdout, command.Stderr
		child.WaitDelay = killDelay
		child.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
		if command.Terminal {
			child.SysProcAttr.Setsid, child.SysProcAttr.Setctty = true, true
		}
		return child.Run()
	})
}

// Output runs a command in the node and returns its output, stdout and stderr
// together, whether it succeeded or not.
func (n *Node) Output(ctx context.Context, args ...string) (string, error) {
	var output bytes.Buffer
	err := n.Run(ctx, Command{Args: args, Stdout: &output, Stderr: &output})
	return output.String(), err
}

// inside runs f on a thread of its own inside the node's namespaces. Processes that f starts
// and sockets and files that it opens are the node's.
func (p *power) inside(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// Never unlocked: the thread must not be used for anything else.
		runtime.LockOSThread()
		result <- p.enter(f)
	}()
	return <-result
}

func (p *power) enter(f func() error) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("enter node: %w", err)
	}
	if err := unix.Setns(int(p.pidfd.Fd()), namespaces|unix.CLONE_NEWCGROUP); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("enter node: it is down: %w", err)
		}
		return fmt.Errorf("enter node: %w", err)
	}
	if err := dropClock(); err != nil {
		return fmt.Errorf("enter node: %w", err)
	}
	return f()
}

// lookPath finds a command in the file system of the calling thread.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, directory := range filepath.SplitList(defaultPath) {
		path := filepath.Join(directory, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("run %s in node: %w", name, exec.ErrNotFound)
}
