package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// workload is the payload, to be run under a name.
type workload struct {
	name    string
	network network
	// port is the node's, for network bridgePort.
	port int
	// probed says that it is checked each second, by a command inside it.
	probed bool
	// revision makes the desired state differ from the one before.
	revision int
}

// network is a workload's network.
type network string

const (
	none       network = "none"
	bridge     network = "bridge"
	bridgePort network = "port" // a bridge, and a published port
)

var networks = []network{none, bridge, bridgePort}

// contestant is a way to run workloads. All functions return the commands and do nothing.
type contestant struct {
	// name is the name of its figures, title the one for people.
	name, title string
	// networks are those that it can give a workload by itself.
	networks []network
	// many says that it manages sets of workloads, and keeps them over a boot.
	many bool
	// setup prepares a node for it.
	setup string
	// files are the desired state, apply makes the node so from nothing, remove makes it so that nothing of
	// it is left. They are shell scripts.
	files         func(ws []workload) map[string]string
	apply, remove func(ws []workload) string
	// start and stop are for a workload that was applied; a start is over when it is ready.
	start, stop func(w workload) []string
	// exec runs a command in a workload that runs.
	exec func(w workload, command ...string) []string
}

// contestants in the order of tables. The first is the floor, the second davit.
var contestants = []contestant{plain, davit, quadlet, kubePlay, compose, crun, runc}

// can are the contestants that can do something.
func can(does func(contestant) bool) []contestant {
	var able []contestant
	for _, c := range contestants {
		if does(c) {
			able = append(able, c)
		}
	}
	return able
}

func (c contestant) connects(n network) bool { return slices.Contains(c.networks, n) }

// deploy makes workloads run.
func (b *bed) deploy(ctx context.Context, c contestant, ws ...workload) error {
	if err := b.put(c.files(ws)); err != nil {
		return err
	}
	return b.run(ctx, "sh", "-ec", c.apply(ws))
}

// withdraw ends workloads and leaves nothing of them.
func (b *bed) withdraw(ctx context.Context, c contestant, ws ...workload) error {
	return b.run(ctx, "sh", "-ec", c.remove(ws))
}

// fleet is a number of workloads.
func fleet(prefix string, size int, n network) []workload {
	ws := make([]workload, size)
	for i := range ws {
		ws[i] = workload{name: fmt.Sprintf("%s%04d", prefix, i), network: n}
	}
	return ws
}

// namesOf are the workloads' names with something around each.
func namesOf(ws []workload, before, after string) string {
	names := make([]string, len(ws))
	for i, w := range ws {
		names[i] = before + w.name + after
	}
	return strings.Join(names, " ")
}

// filesOf is a file for each workload.
func filesOf(ws []workload, path func(name string) string, text func(w workload) string) map[string]string {
	files := map[string]string{}
	for _, w := range ws {
		files[path(w.name)] = text(w)
	}
	return files
}

func systemctl(verb string) func(w workload) []string {
	return func(w workload) []string { return []string{"systemctl", verb, w.name} }
}
