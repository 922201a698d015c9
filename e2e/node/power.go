package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

var errClosed = errors.New("the node is closed")

// power is one run of a node, from boot to its end.
type power struct {
	// init is PID 1, pidfd names it for setns(2).
	init  *os.Process
	pidfd *os.File
	group *cgroup
	// ready is the socket at which PID 1 reports that it has booted, as sd_notify(3) describes.
	ready *net.UnixConn
	// off is closed when PID 1 has ended and with it every process of the node; exit
	// then says how.
	off  chan struct{}
	exit error
}

// start starts PID 1. It runs on the machine's thread: the new process takes its mount
// namespace's copy from there, and dies with that thread.
func start(config Config, group *cgroup) (*power, error) {
	if err := os.RemoveAll(notifyPath); err != nil {
		return nil, err
	}
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notifyPath, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	console, err := os.OpenFile(consolePath, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(err, ready.Close())
	}
	defer console.Close()
	order, err := json.Marshal(bootOrder{Hostname: config.Hostname, Group: group.path})
	if err != nil {
		return nil, errors.Join(err, ready.Close())
	}
	pidfd := -1
	command := exec.Command("/proc/self/exe")
	command.Args = []string{bootName, string(order)}
	command.Env = []string{}
	command.Stdout, command.Stderr = console, console
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  namespaces,
		Pdeathsig:   unix.SIGKILL,
		UseCgroupFD: true,
		CgroupFD:    int(group.dir.Fd()),
		Setsid:      true,
		PidFD:       &pidfd,
	}
	if err := command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the node's PID 1: %w", err), ready.Close())
	}
	p := &power{
		init: command.Process, pidfd: os.NewFile(uintptr(pidfd), "pidfd"), group: group,
		ready: ready, off: make(chan struct{}),
	}
	go func() {
		p.exit = command.Wait()
		close(p.off)
	}()
	return p, nil
}

// booted waits until systemd says that it has finished booting.
func (p *power) booted(ctx context.Context) error {
	defer p.ready.Close()
	finished := make(chan error, 1)
	go func() {
		message := make([]byte, 4096)
		for {
			size, err := p.ready.Read(message)
			if err != nil || strings.Contains("\n"+string(message[:size]), "\nREADY=1") {
				finished <- err
				return
			}
		}
	}()
	select {
	case err := <-finished:
		return err
	case <-p.off:
		return fmt.Errorf("PID 1 ended while booting: %s", exitedBy(p.exit))
	case <-ctx.Done():
		return fmt.Errorf("the node has not finished booting: %w", ctx.Err())
	}
}

// cut kills PID 1, and the kernel with it every process of its namespace, and waits for
// their end. It may be called again.
func (p *power) cut() error {
	if err := p.init.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.off
	return nil
}
