// Package drift finds changes by others of the kernel objects and files of running containers: their devices, addresses,
// routes, nftables rules, leases, files and mounts. It receives the kernel's notices of changes and checks the
// containers that they may concern. It changes nothing, and knows nothing of manifests.
package drift

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/bundles"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

// settle is the time between two checks of which both have to find a fault: during a start, a stop or a crash some of it
// is missing for a moment.
const settle = 100 * time.Millisecond

// Unchecked is the error of a check that does not cover all containers.
type Unchecked struct {
	// IDs are the containers that were not checked, or not in full: a launcher is at them, or Err is why.
	IDs map[string]bool
	// Err is nil if launchers are at all of them.
	Err error
}

func (u Unchecked) Error() string {
	if u.Err != nil {
		return u.Err.Error()
	}
	return "launchers are at " + strings.Join(slices.Sorted(maps.Keys(u.IDs)), ", ")
}

func (u Unchecked) Unwrap() error { return u.Err }

// Check checks the kernel objects and files of the running containers of these bundles. It returns their faults by container, in
// words. Its error is an [Unchecked]: the parts that it names may be wrong or not.
func Check(running []*bundle.Bundle) (map[string][]string, error) {
	first := check(running)
	if len(first.faults) == 0 {
		return first.faults, first.err()
	}
	time.Sleep(settle) // nothing reports the end of a transition that holds no lock
	suspects := slices.DeleteFunc(slices.Clone(running), func(b *bundle.Bundle) bool { return first.faults[b.ID] == nil })
	second := check(suspects)
	maps.Copy(second.unchecked, first.unchecked)
	if len(second.failures) == 0 {
		second.failures = first.failures
	}
	return second.faults, second.err()
}

// check checks once.
func check(running []*bundle.Bundle) *checker {
	c := &checker{faults: map[string][]string{}, unchecked: map[string]bool{}, devices: map[string]*device{}}
	var containers []container
	for _, b := range running {
		if isChanging(b.ID) {
			c.unchecked[b.ID] = true
			continue
		}
		if !exists(bundle.RunningBundle(b.ID)) {
			// Otherwise it has ended, which may leave the record of a network for the next start, or all records are lost.
			if exists(bundle.RecordFile(b.ID)) && !hasNoProcess(b) {
				c.note(b.ID, "the record of which bundle it runs is gone")
			}
			continue
		}
		if hasFinished(b) {
			continue
		}
		if b.Sandbox != "" { // the rest belongs to the sandbox
			c.note(b.ID, checkRecord(b.ID))
			continue
		}
		one, err := read(b)
		if err != nil {
			c.fail(fmt.Errorf("check %s: %w", b.ID, err), b.ID)
			continue
		}
		if one.hasEnded() { // its launcher cleans up next
			c.unchecked[b.ID] = true
			continue
		}
		containers = append(containers, one)
		c.use(one)
	}
	for _, one := range containers {
		if err := c.checkNetworks(one); err != nil {
			c.fail(fmt.Errorf("check %s: %w", one.ID, err), one.ID)
		}
		c.note(one.ID, checkRecord(one.ID))
		c.note(one.ID, checkFiles(one.Bundle)...)
		c.note(one.ID, checkMounts(one.Bundle)...)
	}
	c.checkRules(containers)
	return c
}

// checker carries one check.
type checker struct {
	faults    map[string][]string
	unchecked map[string]bool
	failures  []error
	devices   map[string]*device // by the names of networks
}

// device is a network's bridge, and the subnets that containers have addresses of.
type device struct {
	used    map[netip.Prefix]bool
	checked bool
	fault   string
}

// isChanging reports whether a launcher starts the container, or cleans up after it: it holds the lock of the record.
func isChanging(id string) bool {
	fd, err := unix.Open(bundle.RecordFile(id), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }() // which unlocks it
	return errors.Is(unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// err is the error of the check; nil if it covers all.
func (c *checker) err() error {
	if len(c.unchecked) == 0 {
		return nil
	}
	return Unchecked{c.unchecked, errors.Join(c.failures...)}
}

// fail notes why containers are not checked in full.
func (c *checker) fail(err error, ids ...string) {
	c.failures = append(c.failures, err)
	for _, id := range ids {
		c.unchecked[id] = true
	}
}

func (c *checker) note(id string, faults ...string) {
	for _, fault := range faults {
		if fault != "" && !slices.Contains(c.faults[id], fault) {
			c.faults[id] = append(c.faults[id], fault)
		}
	}
}

// use notes which subnets a container has addresses of.
func (c *checker) use(one container) {
	for _, attached := range one.attached {
		name := attached.network.Name
		if c.devices[name] == nil {
			c.devices[name] = &device{used: map[netip.Prefix]bool{}}
		}
		for _, address := range attached.addresses {
			c.devices[name].used[address.Masked()] = true
		}
	}
}

// checkNetworks checks the devices and the leases of a container.
func (c *checker) checkNetworks(one container) error {
	c.note(one.ID, one.fault)
	for _, attached := range one.attached {
		fault, err := c.checkDevice(attached.network)
		if err != nil {
			return err
		}
		c.note(one.ID, fault)
		end := bridge.Endpoint{
			Container: bundle.RuntimeID(one.ID), Interface: attached.device, Namespace: one.namespace, Addresses: attached.addresses,
		}
		if fault, err = bridge.CheckPort(attached.network, end); err != nil {
			return err
		}
		if fault == "" && end.Namespace != "" {
			if fault, err = checkInside(one.Bundle, attached.network, end); err != nil {
				return err
			}
		}
		c.note(one.ID, fault)
		for _, address := range attached.addresses {
			if !bridge.IsLent(attached.network, end.Container, address.Addr()) {
				c.note(one.ID, fmt.Sprintf("the lease of its address %s is gone", address.Addr()))
			}
		}
	}
	return nil
}

// checkInside checks a container's own network, unless its processes may change that: then how it is is up to them.
func checkInside(b *bundle.Bundle, network bundle.BridgeNetwork, end bridge.Endpoint) (string, error) {
	fault, err := bridge.CheckInside(network, end)
	if (fault != "" || err != nil) && bundles.AdministersNetwork(b) {
		return "", nil
	}
	return fault, err
}

// checkDevice checks a network's bridge once for all of its containers.
func (c *checker) checkDevice(network bundle.BridgeNetwork) (string, error) {
	d := c.devices[network.Name]
	if d.checked {
		return d.fault, nil
	}
	var err error
	d.fault, err = bridge.CheckDevice(network, func(subnet netip.Prefix) bool { return d.used[subnet.Masked()] })
	d.checked = err == nil
	return d.fault, err
}

// checkRules checks the nftables rules of all containers.
func (c *checker) checkRules(containers []container) {
	var standing []nat.Standing
	var ids []string
	for _, one := range containers {
		if own := one.standing(); len(own) > 0 {
			standing, ids = append(standing, own...), append(ids, one.ID)
		}
	}
	if len(standing) == 0 {
		return
	}
	faults, err := nat.Check(standing)
	if err != nil {
		c.fail(err, ids...)
	}
	for id, found := range faults {
		c.note(id, found...)
	}
}
