package vm

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/davit-project/davit/e2e/debian"
)

// localLabel is the label of the file system at /usr/local.
const localLabel = "local"

// Config describes a machine.
type Config struct {
	// Hostname is the machine's name.
	Hostname string
	// Release is Debian's, "trixie".
	Release string
	// Local is a directory whose content is the machine's /usr/local, which is read-only.
	Local string
	// Kernel are further arguments of the kernel.
	Kernel []string
	// CPUs and MemoryMiB are its processors and memory.
	CPUs, MemoryMiB int
}

// Machine is a running virtual machine. Its methods may be called concurrently, except that SetKernel
// has to come alone, and Reboot, Crash and Close do not wait: commands that run meanwhile fail.
type Machine struct {
	config    Config
	base      base
	dir       string
	signer    ssh.Signer
	publicKey []byte
	boots     int

	mu     sync.Mutex
	power  *power
	client *ssh.Client
}

// Boot starts a new machine and returns when its systemd has finished booting. The caller owns
// it and must call Close. It needs root: Debian's disk is made in a chroot.
func Boot(ctx context.Context, config Config) (*Machine, error) {
	base, err := makeBase(ctx, config.Release)
	if err != nil {
		return nil, err
	}
	m := &Machine{config: config, base: base}
	if err := m.assemble(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("boot machine: %w", err), m.Close())
	}
	if err := m.powerOn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("boot machine: %w; console:\n%s", err, m.console()), m.Close())
	}
	return m, nil
}

// assemble makes the machine's disks and its key.
func (m *Machine) assemble(ctx context.Context) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	if m.signer, err = ssh.NewSignerFromKey(private); err != nil {
		return err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	m.publicKey = ssh.MarshalAuthorizedKey(key)
	if m.dir, err = os.MkdirTemp("", "davit-vm-"); err != nil {
		return err
	}
	if err := debian.Run(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", m.base.disk, m.file("disk")); err != nil {
		return err
	}
	return makeDisk(ctx, m.file("local"), m.config.Local, localLabel, "1G")
}

// Reboot shuts the machine down as `systemctl reboot` does, boots it again from the same disk
// and returns when it has finished booting.
func (m *Machine) Reboot(ctx context.Context) error {
	power, _ := m.current()
	// The connection may go before the command has ended.
	output, runErr := m.Output(ctx, "systemctl", "reboot")
	select {
	case <-power.off:
	case <-ctx.Done():
		return fmt.Errorf("reboot machine: %w: %s", errors.Join(ctx.Err(), runErr), strings.TrimSpace(output))
	}
	if err := m.powerOn(ctx); err != nil {
		return fmt.Errorf("reboot machine: %w; console:\n%s", err, m.console())
	}
	return nil
}

// SetKernel sets the further arguments of the kernel for the boots to come.
func (m *Machine) SetKernel(arguments ...string) { m.config.Kernel = arguments }

// Kill cuts the power: data that the machine has not flushed to its disk is lost.
func (m *Machine) Kill() {
	power, _ := m.current()
	power.cut()
}

// Crash cuts the power, boots the machine again from the same disk and returns when it has
// finished booting.
func (m *Machine) Crash(ctx context.Context) error {
	m.Kill()
	if err := m.powerOn(ctx); err != nil {
		return fmt.Errorf("crash machine: %w; console:\n%s", err, m.console())
	}
	return nil
}

// Close ends the machine and removes all it had. It may be called again.
func (m *Machine) Close() error {
	if power, _ := m.current(); power != nil {
		power.cut()
	}
	return os.RemoveAll(m.dir)
}

// Journal returns the content of the machine's journal, of all boots, and the output of the last boot on
// the console, for people after a failure.
func (m *Machine) Journal(ctx context.Context) string {
	journal, err := m.Output(ctx, "journalctl", "--no-pager", "--output=short-precise")
	if err != nil {
		journal += fmt.Sprintf("(journalctl: %v)\n", err)
	}
	power, _ := m.current()
	select {
	case <-power.off:
		journal += fmt.Sprintf("(the machine has ended: %v)\n", power.exit)
	default:
	}
	return "--- console\n" + m.console() + "--- journal\n" + journal
}

// console returns the text of the last boot's serial console, and QEMU's output.
func (m *Machine) console() string {
	var text strings.Builder
	for _, name := range []string{"qemu.log", fmt.Sprintf("console-%d", m.boots)} {
		part, err := os.ReadFile(m.file(name))
		if err != nil {
			fmt.Fprintf(&text, "(%v)\n", err)
		}
		text.Write(part)
	}
	return text.String()
}

func (m *Machine) current() (*power, *ssh.Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.power, m.client
}

// powerOn boots the machine and waits until systemd has finished.
func (m *Machine) powerOn(ctx context.Context) error {
	for {
		err := m.boot(ctx)
		if !errors.Is(err, errEnded) || !strings.Contains(m.console(), emulationFault) {
			return err
		}
	}
}

// emulationFault is the kernel's message if it rewrites itself while another processor runs the code that it
// rewrites: QEMU that emulates several processors at once does not keep them from it, about once in thirty
// boots of a busy machine. The machine has done nothing by then.
const emulationFault = "Oops: int3"

// errEnded is how a boot fails whose machine ends.
var errEnded = errors.New("it ended while booting")

func (m *Machine) boot(ctx context.Context) error {
	m.boots++
	power, err := m.start()
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.power, m.client = power, nil
	m.mu.Unlock()
	client, err := m.connect(ctx, power)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.client = client
	m.mu.Unlock()
	state, err := m.Output(ctx, "systemctl", "is-system-running", "--wait")
	if err != nil {
		failed, _ := m.Output(ctx, "systemctl", "--failed", "--no-legend")
		return fmt.Errorf("systemd is %s: %w: %s", strings.TrimSpace(state), err, failed)
	}
	return nil
}

// connect connects to the machine as soon as its SSH answers.
func (m *Machine) connect(ctx context.Context, power *power) (*ssh.Client, error) {
	const pause = 200 * time.Millisecond
	for {
		client, err := m.dial(ctx, power.address)
		if err == nil {
			return client, nil
		}
		select {
		case <-power.off:
			return nil, errEnded
		case <-ctx.Done():
			return nil, fmt.Errorf("its SSH does not answer: %w", errors.Join(ctx.Err(), err))
		case <-time.After(pause):
		}
	}
}
