package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Config describes a node. The zero value is useful.
type Config struct {
	// Hostname is the node's name; the default is "node".
	Hostname string
	// Root is the directory of the root file system that the node is booted over; the
	// default is the machine's own root.
	Root string
	// Layers are directories whose content is copied over the machine's root, such as
	// the DESTDIR of an installation. No two may hold the same file.
	Layers []string
}

// Node is a running machine. Its methods may be called concurrently, except that Reboot,
// Crash and Close do not wait: commands that run meanwhile fail.
type Node struct {
	config  Config
	machine *thread
	group   *cgroup

	mu    sync.Mutex
	power *power
}

// Boot starts a new node and returns when its systemd has finished booting. The caller
// owns it and must call Close.
func Boot(ctx context.Context, config Config) (*Node, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("boot node: needs root")
	}
	if config.Hostname == "" {
		config.Hostname = "node"
	}
	if config.Root == "" {
		config.Root = "/"
	}
	n := &Node{config: config, machine: startThread()}
	if err := n.machine.do(n.assemble); err != nil {
		return nil, errors.Join(fmt.Errorf("boot node: %w", err), n.Close())
	}
	if err := n.powerOn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("boot node: %w", err), n.Close())
	}
	return n, nil
}

// assemble makes the node's disks and its cgroup, on the machine's thread.
func (n *Node) assemble() error {
	if err := makeDisks(n.config); err != nil {
		return err
	}
	group, err := newCgroup()
	n.group = group
	return err
}

// Reboot shuts the node down as `systemctl reboot` does, boots it again from the same disks
// and returns when it has finished booting.
func (n *Node) Reboot(ctx context.Context) error {
	power := n.current()
	// The command may be killed by the very shutdown it asked for.
	output, runErr := n.Output(ctx, "systemctl", "reboot")
	select {
	case <-power.off:
	case <-ctx.Done():
		return fmt.Errorf("reboot node: %w: %s", errors.Join(ctx.Err(), runErr), strings.TrimSpace(output))
	}
	return n.again(ctx)
}

// Crash ends the node as a power cut does, except that nothing written is lost, boots it
// again from the same disks and returns when it has finished booting.
func (n *Node) Crash(ctx context.Context) error {
	if err := n.current().cut(); err != nil {
		return fmt.Errorf("crash node: %w", err)
	}
	return n.again(ctx)
}

func (n *Node) again(ctx context.Context) error {
	if err := n.machine.do(n.group.empty); err != nil {
		return fmt.Errorf("reboot node: %w", err)
	}
	if err := n.powerOn(ctx); err != nil {
		return fmt.Errorf("reboot node: %w", err)
	}
	return nil
}

// Close ends the node and removes all it had. It may be called again.
func (n *Node) Close() error {
	var err error
	if power := n.current(); power != nil {
		err = power.cut()
	}
	if n.group != nil {
		err = errors.Join(err, n.machine.do(n.group.remove))
		n.group = nil
	}
	n.machine.end()
	if err != nil {
		return fmt.Errorf("close node: %w", err)
	}
	return nil
}

// Journal returns the content of the node's journal, of all boots, and the output of its PID 1 on
// the console, for people after a failure.
func (n *Node) Journal(ctx context.Context) string {
	journal, err := n.Output(ctx, "journalctl", "--no-pager", "--output=short-precise")
	if err != nil {
		journal += fmt.Sprintf("(journalctl: %v)\n", err)
	}
	return "--- console\n" + n.console() + "--- journal\n" + journal
}

// CPUTime is the processor time of the node's processes since it was made, those that have
// ended too.
func (n *Node) CPUTime() (time.Duration, error) { return n.group.cpuTime() }

// console returns the text of the node's /dev/console.
func (n *Node) console() string {
	var text []byte
	err := n.machine.do(func() (err error) {
		text, err = os.ReadFile(consolePath)
		return err
	})
	if err != nil {
		return fmt.Sprintf("(%v)\n", err)
	}
	return string(text)
}

func (n *Node) current() *power {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.power
}

// namespaces are the node's own namespaces.
const namespaces = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET |
	unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// powerOn starts PID 1 from the machine's thread, whose mount namespace holds the disks.
func (n *Node) powerOn(ctx context.Context) error {
	var p *power
	if err := n.machine.do(func() (err error) {
		p, err = start(n.config, n.group)
		return err
	}); err != nil {
		return err
	}
	n.mu.Lock()
	n.power = p
	n.mu.Unlock()
	if err := p.booted(ctx); err != nil {
		return fmt.Errorf("%w; console:\n%s", err, n.console())
	}
	return nil
}

// exitedBy says how PID 1 ended, in words.
func exitedBy(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.String()
	}
	return fmt.Sprint(err)
}
