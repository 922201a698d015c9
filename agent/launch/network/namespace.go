package network

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/namespaces"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
)

// A container that is restarted after a crash keeps its network, as a container of a pod does. Meanwhile systemd holds
// its namespace in the unit's file descriptor store (systemd.service(5)), which is closed, and the devices with it,
// when the unit ends. Its addresses, names and ports are unchanged. The next start performs all steps as usual, and
// each finds its work done.

// Namespace is a container's network namespace.
type Namespace struct {
	// Path leads to it; empty if it has to be made.
	Path string
	// Kept is set if an earlier run of the container has left its network in it.
	Kept bool
	file *os.File // nil if another part of the launcher holds it
}

// newNamespace makes a container's namespace.
func newNamespace() (Namespace, error) {
	file, err := namespaces.NewNetwork()
	if err != nil {
		return Namespace{}, err
	}
	return Namespace{Path: namespaces.Path(file), file: file}, nil
}

// Recover takes over the network namespace that systemd has kept, or nil, if a run of this very bundle has left its
// network in it. Otherwise it closes the namespace.
func Recover(run record.Run, kept *os.File) (Namespace, error) {
	if kept == nil {
		return Namespace{}, nil
	}
	inode, err := inodeOf(kept)
	if err == nil && run.Network.Keep && isOnRecord(run.ID, bundle.ConfigFile, run.Text) && isOnRecord(run.ID, record.NetworkFile, inode) {
		return Namespace{Path: namespaces.Path(kept), Kept: true, file: kept}, nil
	}
	return Namespace{}, errors.Join(err, kept.Close())
}

// isOnRecord reports whether an earlier run has left a file with this content.
func isOnRecord(id, name string, content []byte) bool {
	left, err := os.ReadFile(record.File(id, name))
	return err == nil && bytes.Equal(left, content)
}

func inodeOf(namespace *os.File) ([]byte, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(namespace.Fd()), &stat); err != nil {
		return nil, fmt.Errorf("identify a network namespace: %w", err)
	}
	return fmt.Appendf(nil, "%d\n", stat.Ino), nil
}

// Keep notes the namespace that systemd is to keep after a crash of the container, and returns it; nil if there is none,
// or if systemd has it already.
func (n Namespace) Keep(b *bundle.Bundle) (*os.File, error) {
	if !b.Network.Keep || n.Kept || n.file == nil {
		return nil, nil
	}
	inode, err := inodeOf(n.file)
	if err != nil {
		return nil, err
	}
	return n.file, os.WriteFile(record.File(b.ID, record.NetworkFile), inode, 0o600)
}
