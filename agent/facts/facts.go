// Package facts reads the facts of a node, and its owner's settings from the node's
// configuration file. Their effect on manifests is not its business.
package facts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/fleet"
)

// DefaultConfig is the default path of a node's configuration; the file there may be missing.
const DefaultConfig = "/etc/davit/config.yaml"

// Read returns this node, and its configuration. A configuration that is wrong, or that others than root and the
// user of this process could have written, is an error: labels that get lost would take
// workloads with them.
func Read(config string) (fleet.Node, fleet.Config, error) {
	facts, err := collect(os.DirFS("/"))
	if err != nil {
		return fleet.Node{}, fleet.Config{}, err
	}
	if facts.Hostname == "" {
		if facts.Hostname, err = os.Hostname(); err != nil {
			return fleet.Node{}, fleet.Config{}, err
		}
	}
	facts.Address, facts.Address6 = sourceAddress("udp4", "192.0.2.1:9"), sourceAddress("udp6", "[2001:db8::1]:9")
	read, err := ReadConfig(config, trusted)
	if err != nil {
		return fleet.Node{}, fleet.Config{}, err
	}
	return facts.Node().With(read.Labels, read.Variables), read, nil
}

// sourceAddress is the address that the kernel would send from. The destination is one for
// documentation, and nothing is sent (RFC 5737, RFC 3849).
func sourceAddress(network, destination string) string {
	connection, err := net.Dial(network, destination)
	if err != nil {
		return "" // no route
	}
	defer connection.Close()
	host, _, err := net.SplitHostPort(connection.LocalAddr().String())
	if err != nil {
		return ""
	}
	return host
}

// maxConfig is far more than a configuration has.
const maxConfig = 1 << 20

// ReadConfig reads a configuration file; check may refuse it. The default one may be missing.
func ReadConfig(path string, check func(*os.File) error) (fleet.Config, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) && path == DefaultConfig {
		return fleet.Config{}, nil
	}
	if err != nil {
		return fleet.Config{}, fmt.Errorf("node configuration: %w", err)
	}
	defer file.Close()
	if err := check(file); err != nil {
		return fleet.Config{}, fmt.Errorf("node configuration %s: %w", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return fleet.Config{}, fmt.Errorf("node configuration: %w", err)
	}
	config, diagnostics := fleet.ParseConfig(manifests.File{Path: path, Text: text})
	return config, diagnostics.Err()
}

// Anyone accepts a file whoever wrote it.
func Anyone(*os.File) error { return nil }

// collect reads facts from a root directory. A missing file is an unknown fact; a file
// that cannot be read is an error.
func collect(root fs.FS) (fleet.Facts, error) {
	hostname, nameErr := text(root, "etc/hostname")
	machine, machineErr := text(root, "etc/machine-id")
	release, releaseErr := text(root, "etc/os-release")
	if release == "" && releaseErr == nil {
		release, releaseErr = text(root, "usr/lib/os-release")
	}
	if err := errors.Join(nameErr, machineErr, releaseErr); err != nil {
		return fleet.Facts{}, fmt.Errorf("read the node's facts: %w", err)
	}
	if machine == "uninitialized" { // machine-id(5), during the first boot
		machine = ""
	}
	return fleet.Facts{
		Hostname: static(hostname), Arch: runtime.GOARCH, MachineID: machine,
		OS: assigned(release, "ID"), OSVersion: assigned(release, "VERSION_ID"),
	}, nil
}

func text(root fs.FS, name string) (string, error) {
	data, err := fs.ReadFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(data)), err
}

// static is the host name of hostname(5). The kernel's may come from DHCP and change; this
// one only its owner changes.
func static(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return strings.ToLower(line)
		}
	}
	return ""
}

// assigned is a variable of os-release(5), whose values may be quoted as in a shell.
func assigned(release, name string) string {
	for line := range strings.Lines(release) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}
