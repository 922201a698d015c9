package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/davit-project/davit/e2e/cache"
	"github.com/davit-project/davit/e2e/images"
	"github.com/davit-project/davit/e2e/node"
	"github.com/davit-project/davit/e2e/registry"
	"github.com/davit-project/davit/e2e/vm"
)

// Addresses of the registry in a lab's node, and the user of the private one.
const (
	RegistryAddress        = "127.0.0.1:5000" // HTTP, open to all
	privateRegistryAddress = "127.0.0.1:5443" // HTTPS, with a password
	hangingRegistryAddress = "127.0.0.1:5099" // takes connections, and never answers
	registryUser           = "davit"
	registryPassword       = "sesame"
)

// policy and registriesConf are the node's containers-policy.json(5) and
// containers-registries.conf(5): whoever asks for images of Docker Hub or GitHub gets those
// of the lab.
const (
	policy         = `{"default": [{"type": "insecureAcceptAnything"}]}` + "\n"
	registriesConf = `
[[registry]]
location = "` + RegistryAddress + `"
insecure = true

[[registry]]
location = "` + hangingRegistryAddress + `"
insecure = true

[[registry]]
prefix = "docker.io"
location = "` + RegistryAddress + `"
insecure = true

[[registry]]
prefix = "ghcr.io"
location = "` + RegistryAddress + `"
insecure = true
`
)

// nodeConfig has changes count as working sooner than on a real node: scenarios wait for each of them.
const nodeConfig = "minReadySeconds: 1\n"

// Kit is the material of labs: made once, shared by all.
type Kit struct {
	// Installation is a DESTDIR with davit in it, and with the tools of the scenarios.
	Installation string
	// Root is the root file system that nodes are booted over; the default is this machine's own.
	Root string
	// Images is an OCI image layout.
	Images string
	// Certificate is that of the private registry, CA the same as PEM.
	Certificate tls.Certificate
	CA          []byte
	// Patience is how many times longer things may take in the nodes than on an idle machine; the
	// default is 1. [measurePatience] finds it.
	Patience float64
}

// NewKit installs davit, and the tools of the scenarios, below a directory, which is the caller's to remove, and makes the
// images unless an earlier run did.
func NewKit(ctx context.Context, directory string) (*Kit, error) {
	layout, err := images.Layout(ctx)
	if err != nil {
		return nil, err
	}
	certificate, ca, err := registry.Certificate(net.IPv4(127, 0, 0, 1))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(install(ctx, directory), buildTools(ctx, directory)); err != nil {
		return nil, err
	}
	return &Kit{Installation: directory, Images: layout, Certificate: certificate, CA: ca}, nil
}

// install runs `make install` in the module's root. All programs that do share the build directory:
// one at a time, so that none copies a file that another is writing.
func install(ctx context.Context, directory string) error {
	_, unlock, err := cache.Lock("install.lock")
	if err != nil {
		return err
	}
	defer unlock()
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	command := exec.CommandContext(ctx, "make", "--no-print-directory", "install", "DESTDIR="+directory)
	command.Dir = strings.TrimSpace(string(root))
	// The make that runs the tests must not hand its own flags and variables down.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); name != "MAKEFLAGS" && name != "MAKELEVEL" && name != "MFLAGS" {
			command.Env = append(command.Env, variable)
		}
	}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("make install: %w\n%s", err, output)
	}
	return nil
}

// buildTools puts the tools of scenarios beside davit: nodes have no compiler.
func buildTools(ctx context.Context, directory string) error {
	command := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", filepath.Join(directory, "usr/local/bin")+"/",
		"github.com/davit-project/davit/e2e/judge", "github.com/davit-project/davit/e2e/stuck")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build the scenarios' tools: %w\n%s", err, output)
	}
	return nil
}

// Machine is a throwaway machine: a [node.Node] or a [vm.Machine].
type Machine interface {
	Run(ctx context.Context, command node.Command) error
	Output(ctx context.Context, args ...string) (string, error)
	Shell(ctx context.Context) error
	Put(path string, content io.Reader, mode fs.FileMode) error
	Listen(network, address string) (net.Listener, error)
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	Journal(ctx context.Context) string
	Reboot(ctx context.Context) error
	Crash(ctx context.Context) error
	Close() error
}

// Lab is a machine with davit installed and not running, and a registry that is up.
type Lab struct {
	Machine
	Registry *registry.Registry
	// Patience is how many times longer things may take than in the node of an idle machine.
	Patience float64
	kit      *Kit
}

// Wait is a limit of time, written for an idle machine, as long as it has to be on this one.
func (l *Lab) Wait(limit time.Duration) time.Duration {
	return time.Duration(l.Patience * float64(limit))
}

// NewLab boots a node. The caller owns it and must call Close.
func NewLab(ctx context.Context, kit *Kit, hostname string) (*Lab, error) {
	n, err := node.Boot(ctx, node.Config{Hostname: hostname, Root: kit.Root, Layers: []string{kit.Installation}})
	if err != nil {
		return nil, err
	}
	return newLab(kit, n, 1)
}

// newVirtualLab boots a virtual machine with a release of Debian, with further arguments of the kernel.
// The caller owns it and must call Close.
func newVirtualLab(ctx context.Context, kit *Kit, hostname, release string, kernel ...string) (*Lab, error) {
	m, err := vm.Boot(ctx, vm.Config{
		Hostname: hostname, Release: release, Local: filepath.Join(kit.Installation, "usr/local"), CPUs: 2, MemoryMiB: 1024, Kernel: kernel,
	})
	if err != nil {
		return nil, err
	}
	// Its disk has /usr/local alone of the installation.
	if err := putTree(m, filepath.Join(kit.Installation, "etc"), "/etc"); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return newLab(kit, m, emulated)
}

// emulated is the patience with a processor that is emulated.
const emulated = 10

// newLab brings the registry to a machine, which is the lab's from now on.
func newLab(kit *Kit, machine Machine, patience float64) (*Lab, error) {
	images, err := registry.New(kit.Images)
	if err != nil {
		return nil, errors.Join(err, machine.Close())
	}
	lab := &Lab{Machine: machine, Registry: images, Patience: patience * max(1, kit.Patience), kit: kit}
	if err := lab.configure(); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	return lab, nil
}

func (l *Lab) configure() error {
	for path, text := range map[string]string{
		"/etc/containers/policy.json":                   policy,
		"/etc/containers/registries.conf.d/50-e2e.conf": registriesConf,
		"/etc/davit/config.yaml":                        nodeConfig,
	} {
		if err := l.Put(path, strings.NewReader(text), 0o644); err != nil {
			return err
		}
	}
	return l.registryUp()
}

// registryUp makes the registry answer in the node.
func (l *Lab) registryUp() error {
	open, err := l.Listen("tcp", RegistryAddress)
	if err != nil {
		return err
	}
	private, err := l.Listen("tcp", privateRegistryAddress)
	if err != nil {
		return errors.Join(err, open.Close())
	}
	hanging, err := l.Listen("tcp", hangingRegistryAddress)
	if err != nil {
		return errors.Join(err, open.Close(), private.Close())
	}
	l.Registry.Hang(hanging)
	l.Registry.Serve(open, l.Registry)
	l.Registry.Serve(tls.NewListener(private, &tls.Config{Certificates: []tls.Certificate{l.kit.Certificate}}),
		l.Registry.Protected(registryUser, registryPassword))
	return nil
}

// Reboot reboots the machine, or crashes it. The registry is down until it has booted,
// and up afterwards.
func (l *Lab) Reboot(ctx context.Context, crash bool) error {
	if err := l.Registry.Down(); err != nil {
		return err
	}
	boot := l.Machine.Reboot
	if crash {
		boot = l.Machine.Crash
	}
	if err := boot(ctx); err != nil {
		return err
	}
	return l.registryUp()
}

// putDirectory puts a directory with everything below it, from this machine's path to a path of the node.
func (l *Lab) putDirectory(source, target string) error { return putTree(l.Machine, source, target) }

func putTree(to Machine, source, target string) error {
	return filepath.WalkDir(source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		// Without the group's permissions of a umask of 002: davit trusts no manifest that others can write.
		return to.Put(filepath.Join(target, relative), file, info.Mode().Perm()&^0o022)
	})
}

// Close ends the machine and the registry.
func (l *Lab) Close() error {
	return errors.Join(l.Registry.Down(), l.Machine.Close())
}
