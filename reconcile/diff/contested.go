package diff

import (
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/claims"
	"github.com/davit-project/davit/units/bundle"
)

// holdTaken holds back objects that want a thing which another one keeps: a port of the node, which the kernel would give to
// one of the two, or the place of an object of the same name and another kind. Valid manifests never ask that of each
// other. It happens while a removal is held back, and after a version was taken back, and where a program of the node listens.
func (d *differ) holdTaken() {
	for {
		held := d.taken()
		if held == nil {
			return
		}
		d.holdBack(held.Held, held.ref)
	}
}

// takenHeld is a held change of an object.
type takenHeld struct {
	reconcile.Held
	ref v1.Ref
}

// taken returns the first change that wants a thing which another object has; nil for none.
func (d *differ) taken() *takenHeld {
	if len(d.changes) == 0 {
		return nil
	}
	publishers, wanted, staying := d.publishers(), portIndex{}, d.staying()
	for _, c := range d.changes {
		if before, stays := d.outstays(c, staying); stays {
			return held(c, "%s has its name and is not removed", before)
		}
		for _, port := range portsOf(c.workload.Bundle) {
			if listens := d.actual.Listeners[port.Port]; listens != "" {
				return &takenHeld{reconcile.Held{Object: c.workload.Ref.String(), Reason: "waits: " + listens, By: reconcile.ByListener}, c.workload.Ref}
			}
			for p := range publishers.overlapping(port) {
				if p.ref != c.workload.Ref && d.staysOn(p.unit, port) {
					return held(c, "%s publishes port %s of the node, and does not release it", p.ref, p.port.common(port))
				}
			}
			for p := range wanted.overlapping(port) {
				if p.ref != c.workload.Ref {
					return held(c, "%s will publish port %s of the node", p.ref, p.port.common(port))
				}
			}
			wanted.add(publisher{c.unit, c.workload.Ref, port})
		}
	}
	return nil
}

func held(c change, format string, by v1.Ref, args ...any) *takenHeld {
	reason := fmt.Sprintf("waits: "+format, append([]any{by}, args...)...)
	return &takenHeld{reconcile.Held{Object: c.workload.Ref.String(), Reason: reason, By: reconcile.ByTaken}, c.workload.Ref}
}

// outstays is the object of another kind in whose place a new one is to come, and that stays.
func (d *differ) outstays(c change, staying map[string][]v1.Ref) (before v1.Ref, stays bool) {
	for _, before := range staying[c.workload.Ref.Name] {
		if d.replaces(c.workload.Ref, before) && slices.Contains(d.newcomers(before.Name), c.workload.Ref) {
			return before, true
		}
	}
	return v1.Ref{}, false
}

// staying are the objects that run and are kept as they are, by name.
func (d *differ) staying() map[string][]v1.Ref {
	found := map[string][]v1.Ref{}
	for _, current := range d.kept {
		if name := current.Ref.Name; !current.IsDown() && !slices.Contains(found[name], current.Ref) {
			found[name] = append(found[name], current.Ref)
		}
	}
	return found
}

// publisher is a unit that publishes a port now.
type publisher struct {
	unit string
	ref  v1.Ref
	port publishedPort
}

// publishers are the units that publish ports.
func (d *differ) publishers() portIndex {
	found := portIndex{}
	for _, unit := range slices.Sorted(maps.Keys(d.actual.Workloads)) {
		current := d.actual.Workloads[unit]
		if current.IsDown() {
			continue
		}
		for b := range current.Bundles() {
			for _, port := range portsOf(b) {
				found.add(publisher{unit, current.Ref, port})
			}
		}
	}
	return found
}

// staysOn reports whether a unit goes on to publish a port after the plan.
func (d *differ) staysOn(unit string, port publishedPort) bool {
	if _, kept := d.kept[unit]; kept {
		return true
	}
	if slices.Contains(d.removals, unit) {
		return false
	}
	workload, wanted := d.desired.Workloads[unit]
	return wanted && slices.ContainsFunc(portsOf(workload.Bundle), port.overlaps)
}

// publishedPort is a port that a container has of the node.
type publishedPort struct{ bundle.Port }

func portsOf(b *bundle.Bundle) []publishedPort {
	if b == nil {
		return nil
	}
	ports := make([]publishedPort, len(b.Network.Ports))
	for i, port := range b.Network.Ports {
		ports[i] = publishedPort{port}
	}
	return ports
}

// common is the first port that both publish, for people: "8080/tcp".
func (p publishedPort) common(other publishedPort) bundle.Port {
	return bundle.Port{HostPort: max(p.HostPort, other.HostPort), Protocol: p.Protocol}
}

// overlaps reports whether both would answer at an address of the node. Without an address, a port is at all.
func (p publishedPort) overlaps(other publishedPort) bool {
	a, b := p.address(), other.address()
	return p.Overlaps(other.Port) && (!a.IsValid() || !b.IsValid() || a == b)
}

// portIndex finds the publishers of a port among many.
type portIndex map[claims.PortBlock][]publisher

func (x portIndex) add(p publisher) {
	for block := range claims.BlocksOf(p.port.Port) {
		x[block] = append(x[block], p)
	}
}

// overlapping are the publishers of any of the ports. One of a range may come more than once.
func (x portIndex) overlapping(port publishedPort) iter.Seq[publisher] {
	return func(yield func(publisher) bool) {
		for block := range claims.BlocksOf(port.Port) {
			for _, p := range x[block] {
				if p.port.overlaps(port) && !yield(p) {
					return
				}
			}
		}
	}
}

func (p publishedPort) address() netip.Addr {
	address, err := netip.ParseAddr(p.HostIP)
	if address = address.Unmap(); err != nil || address.IsUnspecified() {
		return netip.Addr{}
	}
	return address
}
