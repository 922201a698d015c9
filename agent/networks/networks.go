// Package networks keeps the CNI networks that containers attach to. Attaching itself is
// the launcher's work; this package checks networks before anything needs them, records
// them, and removes the rest of them.
package networks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containernetworking/cni/libcni"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// nodeDir is where a node's owner puts CNI configuration lists, as for every CNI runtime.
const nodeDir = "/etc/cni/net.d"

// validateTimeout bounds asking a network's plugins for their versions.
const validateTimeout = 20 * time.Second

// Store is the node's networks.
type Store struct {
	// PluginDirs are where CNI plugins are looked for, in order.
	PluginDirs []string
	// RemoveMasquerade removes a network's address translation.
	RemoveMasquerade func(network string) error
}

// CheckNetwork checks that the network's plugins are there and accept its configuration; davit's own
// networks need none.
func (s Store) CheckNetwork(ctx context.Context, name string, network reconcile.Network) error {
	if network.Bridge != "" {
		return nil
	}
	list, err := libcni.NetworkConfFromBytes(network.Conflist)
	if err != nil {
		return fmt.Errorf("network %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, validateTimeout)
	defer cancel()
	cni := libcni.NewCNIConfigWithCacheDir(s.PluginDirs, bundle.CNICacheDir, nil)
	if _, err := cni.ValidateNetworkList(ctx, list); err != nil {
		return fmt.Errorf("network %s: %w: CNI plugins are looked for in %s", name, err, strings.Join(s.PluginDirs, ", "))
	}
	return nil
}

// EnsureNetwork checks the network and records it. The idle device of an older configuration goes.
func (s Store) EnsureNetwork(ctx context.Context, name string, network reconcile.Network) error {
	if err := s.CheckNetwork(ctx, name, network); err != nil {
		return err
	}
	old, err := read(name)
	if err == nil && old.Bridge != "" && string(old.Conflist) != string(network.Conflist) {
		if err := removeIdleBridge(name, old.Bridge); err != nil {
			return err
		}
	}
	text, err := json.Marshal(bundle.NetworkRecord{Bridge: network.Bridge, Conflist: network.Conflist})
	if err != nil {
		return fmt.Errorf("network %s: %w", name, err)
	}
	return disk.WriteFile(bundle.NetworkRecordFile(name), text, 0o600)
}

// RemoveNetwork removes the network's device, address translation and records.
func (s Store) RemoveNetwork(_ context.Context, name string) error {
	old, err := read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network %s: %w", name, err)
	}
	failures := []error{s.RemoveMasquerade(name)}
	if old.Bridge != "" {
		failures = append(failures, removeIdleBridge(name, old.Bridge))
	}
	failures = append(failures,
		os.RemoveAll(filepath.Join(bundle.CNIDataDir, name)),
		os.RemoveAll(filepath.Join(bundle.NetworksDir, name)))
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("remove network %s: %w", name, err)
	}
	if err := os.Remove(bundle.NetworkRecordFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network %s: %w", name, err)
	}
	return nil
}

// removeIdleBridge deletes a bridge that no container is attached to, with no launcher in
// the middle of attaching one. The next container makes it again.
func removeIdleBridge(network, device string) error {
	unlock, err := disk.Lock(bundle.NetworkLock(network), unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	return bridge.RemoveIdle(network, device)
}

// List returns the recorded networks, by name. A damaged record counts as not there: the network is re-created.
func List() (map[string]reconcile.ActualNetwork, error) {
	entries, err := os.ReadDir(bundle.NetworkRecordsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	networks := map[string]reconcile.ActualNetwork{}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok {
			continue
		}
		if r, err := read(name); err == nil {
			networks[name] = reconcile.ActualNetwork{Conflist: r.Conflist, Bridge: r.Bridge}
		}
	}
	return networks, nil
}

// NodeNetworks returns the CNI configuration lists of the node's owner, by network name.
// A file that is not one, or cannot be read, is left out: its network is then reported as not defined.
func NodeNetworks() (map[string]json.RawMessage, error) {
	files, err := libcni.ConfFiles(nodeDir, []string{".conflist"})
	if err != nil {
		return nil, fmt.Errorf("list CNI networks: %w", err)
	}
	networks := map[string]json.RawMessage{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // such as a link to nothing
		}
		if list, err := libcni.NetworkConfFromBytes(text); err == nil {
			networks[list.Name] = text
		}
	}
	return networks, nil
}

func read(name string) (bundle.NetworkRecord, error) {
	var r bundle.NetworkRecord
	err := readJSON(bundle.NetworkRecordFile(name), &r)
	return r, err
}
