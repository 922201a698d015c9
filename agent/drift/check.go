// Package drift finds what others have changed of what davit made for containers that run: their devices, addresses,
// routes, nftables rules, leases, files and mounts. It hears of changes and checks what may be concerned. It changes
// nothing, and knows nothing of manifests.
package drift

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/bundles"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

// settle is what lies between two checks of which both have to find a fault: what a start, a stop or a crash is about to
// change is none.
const settle = 100 * time.Millisecond

// Check checks what davit made for containers that run, of these bundles. It returns by container what is wrong, in
// words. What a launcher is starting or undoing is left out. With an error it is what could be found.
func Check(running []*bundle.Bundle) (map[string][]string, error) {
	first, err := check(running)
	if len(first) == 0 {
		return first, err
	}
	time.Sleep(settle) // nothing tells when a transition ends that nobody holds a lock for
	suspects := slices.DeleteFunc(slices.Clone(running), func(b *bundle.Bundle) bool { return first[b.ID] == nil })
	second, again := check(suspects)
	return second, cmp.Or(again, err)
}

// check checks once.
func check(running []*bundle.Bundle) (map[string][]string, error) {
	c := checker{faults: map[string][]string{}, devices: map[string]*device{}}
	var containers []container
	var failures []error
	for _, b := range running {
		if isChanging(b.ID) {
			continue
		}
		if !exists(bundle.RunningBundle(b.ID)) {
			if exists(bundle.RecordFile(b.ID)) { // otherwise it has ended, or all that was recorded is lost
				c.note(b.ID, "the record of which bundle it runs is gone")
			}
			continue
		}
		if b.Sandbox != "" { // what else it has is the sandbox's
			c.note(b.ID, checkRecord(b.ID))
			continue
		}
		one, err := read(b)
		if err != nil {
			failures = append(failures, fmt.Errorf("check %s: %w", b.ID, err))
			continue
		}
		containers = append(containers, one)
		c.use(one)
	}
	for _, one := range containers {
		if err := c.checkNetworks(one); err != nil {
			failures = append(failures, fmt.Errorf("check %s: %w", one.ID, err))
		}
		c.note(one.ID, checkRecord(one.ID))
		c.note(one.ID, checkFiles(one.Bundle)...)
		c.note(one.ID, checkMounts(one.Bundle)...)
	}
	failures = append(failures, c.checkRules(containers))
	maps.DeleteFunc(c.faults, func(_ string, faults []string) bool { return len(faults) == 0 })
	return c.faults, errors.Join(failures...)
}

// checker carries one check.
type checker struct {
	faults  map[string][]string
	devices map[string]*device // by the names of networks
}

// device is a network's bridge, and which subnets containers have addresses of.
type device struct {
	used    map[netip.Prefix]bool
	checked bool
	fault   string
}

// isChanging reports whether a launcher starts the container, or undoes what it left: it holds the lock of the record.
func isChanging(id string) bool {
	fd, err := unix.Open(bundle.RecordFile(id), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }() // which unlocks it
	return errors.Is(unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
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
func (c *checker) checkRules(containers []container) error {
	var standing []nat.Standing
	for _, one := range containers {
		standing = append(standing, one.standing()...)
	}
	if len(standing) == 0 {
		return nil
	}
	faults, err := nat.Check(standing)
	for id, found := range faults {
		c.note(id, found...)
	}
	return err
}
