// Package mend restores the objects and files of running containers that launchers made and other programs have
// removed, without a restart. It does not look for losses first: each step leaves existing objects alone and makes the
// others.
package mend

import (
	"errors"
	"fmt"
	"os"

	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/terminal"
)

// messages is the writer for the reasons why a container is skipped.
var messages = terminal.NewWriter(os.Stderr)

// All restores the objects of running containers that other programs have removed, without a restart: records, files of
// /etc, mounts of a sandbox, devices, addresses, routes, leases and nftables rules. It returns, by container, why
// something cannot be restored. It skips a container that a launcher is starting or cleaning up.
func All(ids []string) map[string]error {
	failures := map[string]error{}
	var networks network.Repair
	for _, id := range ids {
		err := one(id, &networks)
		if errors.Is(err, errChanging) {
			fmt.Fprintf(messages, "davit-run: %s: %v\n", id, err)
		} else if err != nil {
			failures[id] = err
		}
	}
	networks.Rules(failures)
	return failures
}

// one mends one container, except for its rules.
func one(id string, networks *network.Repair) error {
	b, err := holdRecord(id)
	if b == nil || err != nil {
		return err
	}
	if b.Sandbox != "" {
		return nil // the rest belongs to the sandbox
	}
	lost := lostFiles(b)
	var failures []error
	if record.IsSandbox(b) {
		failures = append(failures, mendSandbox(b))
	}
	return errors.Join(append(failures, networks.Connect(b, namespaceOf), mendFiles(b, lost))...)
}
