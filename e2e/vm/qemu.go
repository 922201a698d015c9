package vm

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// power is one run of a machine, from boot to its end.
type power struct {
	qemu *os.Process
	// address is where the machine's SSH answers on this one.
	address string
	// off is closed when the machine has ended; exit then says how.
	off  chan struct{}
	exit error
}

// start starts QEMU on the machine's disks. It ends with this program at the latest.
func (m *Machine) start() (*power, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(m.file("qemu.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := exec.Command("qemu-system-x86_64", m.arguments(address, time.Now())...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	p := &power{address: address, off: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The signal comes when the thread ends that started the process, prctl(2).
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			p.exit = command.Wait()
			close(p.off)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.qemu = command.Process
	return p, nil
}

func (m *Machine) arguments(address string, now time.Time) []string {
	// systemd takes credentials from the kernel's command line (systemd.system-credentials(7)), in
	// base64 since version 253 only.
	key := string(bytes.TrimSpace(m.publicKey))
	kernel := []string{
		"root=/dev/nvme0n1", "rw", "console=ttyS0", "net.ifnames=0", "quiet", "systemd.show_status=1",
		"modprobe.blacklist=kvm_amd,kvm_intel",
		"panic=-1", // it ends at once, and does not wait to be looked at
		// Where the processor is emulated and others want it too, systemd's 90 s are not enough.
		"systemd.default_timeout_start_sec=600", "systemd.default_device_timeout_sec=600",
		"systemd.hostname=" + m.config.Hostname, `"systemd.set_credential=ssh.authorized_keys.root:` + key + `"`,
	}
	arguments := []string{"-machine", "q35"}
	if virtualizes() {
		arguments = append(arguments, "-accel", "kvm")
	}
	return append(arguments,
		"-accel", "tcg,thread=multi", "-cpu", "max",
		"-smp", fmt.Sprint(m.config.CPUs), "-m", fmt.Sprint(m.config.MemoryMiB),
		"-nodefaults", "-display", "none", "-no-reboot", "-rtc", "base="+now.UTC().Format("2006-01-02T15:04:05"),
		"-kernel", m.base.kernel, "-append", strings.Join(append(kernel, m.config.Kernel...), " "),
		"-serial", "file:"+m.file(fmt.Sprintf("console-%d", m.boots)),
		// NVMe's write cache is lost with the power until the machine flushes it, as a disk's is.
		"-drive", "if=none,id=root,format=qcow2,cache=writeback,file="+m.file("disk"), "-device", "nvme,drive=root,serial=root",
		"-drive", "if=none,id=local,format=raw,readonly=on,file="+m.file("local"), "-device", "virtio-blk-pci,drive=local",
		"-netdev", "user,id=net,restrict=on,hostfwd=tcp:"+address+"-:22", "-device", "virtio-net-pci,netdev=net",
		"-device", "virtio-rng-pci",
	)
}

// virtualizes is whether the processor can run a machine: a /dev/kvm that does without it, as in
// some virtual machines, runs only kernels made for that, and QEMU dies on it instead of emulating.
func virtualizes() bool {
	text, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && virtualization.Match(text)
}

// virtualization is Intel's VMX or AMD's SVM among the processor's flags.
var virtualization = regexp.MustCompile(`(?m)^flags\s*:.* (vmx|svm)( |$)`)

// freeAddress is one without a listener at this moment.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// cut ends the machine as a power cut does, and waits for its end. It may be called again.
func (p *power) cut() {
	// An error means that it has ended.
	_ = p.qemu.Kill()
	<-p.off
}

func (m *Machine) file(name string) string { return filepath.Join(m.dir, name) }
