package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"github.com/davit-project/davit/e2e/node"
)

// handshakeTimeout is for a machine that takes its time over the keys; QEMU accepts connections
// long before the machine does.
const handshakeTimeout = time.Minute

// dial makes one attempt to connect.
func (m *Machine) dial(ctx context.Context, address string) (*ssh.Client, error) {
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	config := &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(m.signer)},
		// The port is this machine's own and leads to the machine.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		// AES is slow on a processor that is emulated.
		Config: ssh.Config{Ciphers: []string{"chacha20-poly1305@openssh.com"}},
	}
	if err := connection.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	ready, channels, requests, err := ssh.NewClientConn(connection, address, config)
	if err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	return ssh.NewClient(ready, channels, requests), connection.SetDeadline(time.Time{})
}

// Run runs a command in the machine and waits for it. The error is an [*ssh.ExitError] when the
// command ran and did not exit with 0.
func (m *Machine) Run(ctx context.Context, command node.Command) error {
	session, err := m.session()
	if err != nil {
		return err
	}
	defer session.Close()
	var turn sync.Mutex
	session.Stdin = command.Stdin
	session.Stdout, session.Stderr = takingTurns(&turn, command.Stdout), takingTurns(&turn, command.Stderr)
	ended := make(chan error, 1)
	if err := session.Start(commandLine(command)); err != nil {
		return fmt.Errorf("run %s in machine: %w", command.Args[0], err)
	}
	go func() { ended <- session.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		// Where the signal does not arrive, closing the session ends the command's output.
		return errors.Join(ctx.Err(), session.Signal(ssh.SIGKILL))
	}
}

// takingTurns lets one writer be both of a command's outputs: SSH copies them at the same time, and a
// [bytes.Buffer] would lose the output of one of them.
func takingTurns(turn *sync.Mutex, to io.Writer) io.Writer {
	if to == nil {
		return nil
	}
	return turnWriter{turn, to}
}

type turnWriter struct {
	turn *sync.Mutex
	to   io.Writer
}

func (w turnWriter) Write(text []byte) (int, error) {
	w.turn.Lock()
	defer w.turn.Unlock()
	return w.to.Write(text)
}

func (m *Machine) session() (*ssh.Session, error) {
	_, client := m.current()
	if client == nil {
		return nil, errors.New("the machine is off")
	}
	session, err := client.NewSession()
	if err != nil {
		return nil, fmt.Errorf("enter machine: %w", err)
	}
	return session, nil
}

// commandLine is the command for root's shell.
func commandLine(command node.Command) string {
	dir := command.Dir
	if dir == "" {
		dir = "/root"
	}
	words := append([]string{"env", "-i"}, command.Environ()...)
	words = append(words, command.Args...)
	for i, word := range words {
		words[i] = quote(word)
	}
	return "cd " + quote(dir) + " && exec " + strings.Join(words, " ")
}

func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// Output runs a command in the machine and returns its output, stdout and stderr together,
// whether it succeeded or not.
func (m *Machine) Output(ctx context.Context, args ...string) (string, error) {
	var output bytes.Buffer
	err := m.Run(ctx, node.Command{Args: args, Stdout: &output, Stderr: &output})
	return output.String(), err
}

// Shell runs an interactive shell in the machine on the program's own terminal.
func (m *Machine) Shell(ctx context.Context) error {
	session, err := m.session()
	if err != nil {
		return err
	}
	defer session.Close()
	terminal := int(os.Stdin.Fd())
	if term.IsTerminal(terminal) {
		state, err := term.MakeRaw(terminal)
		if err != nil {
			return err
		}
		defer term.Restore(terminal, state)
		width, height, err := term.GetSize(terminal)
		if err != nil {
			return err
		}
		if err := session.RequestPty(os.Getenv("TERM"), height, width, nil); err != nil {
			return err
		}
	}
	session.Stdin, session.Stdout, session.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := session.Shell(); err != nil {
		return err
	}
	// A shell exits with the status of its last command, which is no concern here.
	if exit := new(ssh.ExitError); !errors.As(session.Wait(), &exit) {
		return ctx.Err()
	}
	return nil
}

// Put leaves a file of this content and mode at a path of the machine, in one rename, so that
// no process there sees half of it. Missing directories are made.
func (m *Machine) Put(name string, content io.Reader, mode fs.FileMode) error {
	const script = `set -e; mkdir -p "$2"; file=$(mktemp "$2/.put-XXXXXX"); cat > "$file"; chmod "$3" "$file"; mv -T "$file" "$1"`
	var output bytes.Buffer
	err := m.Run(context.Background(), node.Command{
		Args:  []string{"sh", "-c", script, "sh", name, path.Dir(name), fmt.Sprintf("%o", mode.Perm())},
		Stdin: content, Stdout: &output, Stderr: &output,
	})
	if err != nil {
		return fmt.Errorf("put %s into machine: %w: %s", name, err, bytes.TrimSpace(output.Bytes()))
	}
	return nil
}

// Listen listens on an address of the machine from outside, as if a process of it did. The listener ends with the
// machine's boot: after a reboot it must be re-created.
func (m *Machine) Listen(network, address string) (net.Listener, error) {
	_, client := m.current()
	listener, err := client.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listen in machine: %w", err)
	}
	return listener, nil
}

// Dial connects to an address of the machine's network.
func (m *Machine) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, client := m.current()
	connection, err := client.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("dial in machine: %w", err)
	}
	return connection, nil
}
