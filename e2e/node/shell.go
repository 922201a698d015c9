package node

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Shell runs a shell in the node. If the program's standard input is a terminal, the shell is
// interactive, on a terminal of the node, and its exit status is no error: it is that of the last
// command typed. Otherwise the shell reads its commands from standard input, as a script.
func (n *Node) Shell(ctx context.Context) error {
	command := Command{
		Args: []string{"bash"},
		Env:  []string{"TERM=" + os.Getenv("TERM"), `PS1=[node] \w # `},
		Dir:  "/", Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return n.Run(ctx, command)
	}
	command.Args = append(command.Args, "-i")
	err := n.relay(ctx, command)
	if exit := new(exec.ExitError); errors.As(err, &exit) && ctx.Err() == nil {
		return nil
	}
	return err
}

// relay runs a command on a new terminal of the node and connects it with the program's own, all keys
// of which it gets: ctrl-c interrupts the command in the node, not this program.
func (n *Node) relay(ctx context.Context, command Command) (err error) {
	outer, err := console.ConsoleFromFile(os.Stdin)
	if err != nil {
		return err
	}
	inner, slave, err := n.openTerminal()
	if err != nil {
		return err
	}
	defer inner.Close()
	if err := inner.ResizeFrom(outer); err != nil {
		return errors.Join(err, slave.Close())
	}
	state, err := term.MakeRaw(int(outer.Fd()))
	if err != nil {
		return errors.Join(err, slave.Close())
	}
	defer func() { err = errors.Join(err, term.Restore(int(outer.Fd()), state)) }()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	go func() {
		for range resized {
			_ = inner.ResizeFrom(outer) // the next change of size tries again
		}
	}()
	defer close(resized)

	// This one ends with the program: a read of a terminal cannot be cut short.
	go io.Copy(inner, os.Stdin)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		io.Copy(os.Stdout, inner) // until pty(7) answers EIO: all have closed the other side
	}()
	command.Stdin, command.Stdout, command.Stderr, command.Terminal = slave, slave, slave, true
	err = errors.Join(n.Run(ctx, command), slave.Close())
	select {
	case <-shown:
	case <-ctx.Done():
	}
	return err
}

// openTerminal opens both sides of a new terminal in the node's own /dev/pts.
func (n *Node) openTerminal() (master console.Console, slave *os.File, err error) {
	err = n.current().inside(func() error {
		var path string
		if master, path, err = console.NewPty(); err != nil {
			return err
		}
		slave, err = os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			return errors.Join(err, master.Close())
		}
		return nil
	})
	return master, slave, err
}
