// Package claims finds workloads that cannot run at the same time: it knows of each the things that only one can have, such as a
// port of the node, an address or a path that it writes to.
package claims

import (
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/davit-project/davit/units/bundle"
)

// Claim is a thing by its name, or a range of ports of the node at whichever of its addresses.
type Claim struct {
	thing string
	ports bundle.Port
}

func (c Claim) String() string {
	if c.thing != "" {
		return c.thing
	}
	return "port " + c.ports.String()
}

// Overlaps reports whether only one of two workloads can have its claim.
func (c Claim) Overlaps(other Claim) bool {
	if c.thing != "" || other.thing != "" {
		return c.thing == other.thing
	}
	return c.ports.Overlaps(other.ports)
}

// Overlap reports whether two workloads with these claims cannot run at the same time.
func Overlap(a, b []Claim) bool {
	return slices.ContainsFunc(a, func(one Claim) bool { return slices.ContainsFunc(b, one.Overlaps) })
}

// Without removes the others from claims. Of a range, the parts on both sides stay.
func Without(claims, others []Claim) []Claim {
	for _, other := range others {
		var left []Claim
		for _, one := range claims {
			switch {
			case !one.Overlaps(other):
				left = append(left, one)
			case one.thing == "":
				for _, ports := range one.ports.Without(other.ports) {
					left = append(left, Claim{ports: ports})
				}
			}
		}
		claims = left
	}
	return claims
}

// Index finds the units with a claim on something among many. It is by the things, and by blocks of ports.
type Index map[claimKey][]claimant

type claimant struct {
	unit string
	Claim
}

type claimKey struct {
	thing string
	PortBlock
}

func (c Claim) keys() iter.Seq[claimKey] {
	return func(yield func(claimKey) bool) {
		if c.thing != "" {
			yield(claimKey{thing: c.thing})
			return
		}
		for block := range BlocksOf(c.ports) {
			if !yield(claimKey{PortBlock: block}) {
				return
			}
		}
	}
}

// Add adds a claim of a unit.
func (x Index) Add(unit string, c Claim) {
	for key := range c.keys() {
		x[key] = append(x[key], claimant{unit, c})
	}
}

// Units are those with a claim on the same, each once.
func (x Index) Units(c Claim) []string {
	var found []string
	for key := range c.keys() {
		for _, other := range x[key] {
			if other.Overlaps(c) && !slices.Contains(found, other.unit) {
				found = append(found, other.unit)
			}
		}
	}
	return found
}

// PortBlock is one of the blocks of blockSize ports of a protocol. A range is in each that it touches.
type PortBlock struct {
	protocol string
	number   int32
}

const blockSize = 256

// BlocksOf returns the blocks that a range of ports touches.
func BlocksOf(p bundle.Port) iter.Seq[PortBlock] {
	return func(yield func(PortBlock) bool) {
		for number := p.HostPort / blockSize; number <= p.Last()/blockSize; number++ {
			if !yield(PortBlock{p.Protocol, number}) {
				return
			}
		}
	}
}

// Of returns things that two units cannot have at once: published ports, the addresses of sockets, static addresses, and
// directories of the node that they write to. Ports on which a unit on the node's own network listens are not known.
func Of(b *bundle.Bundle, unitText string) []Claim {
	var found []Claim
	for line := range strings.Lines(unitText) {
		if strings.HasPrefix(line, "Listen") {
			found = append(found, Claim{thing: strings.TrimSpace(line)})
		}
	}
	if b == nil {
		return found
	}
	for _, port := range b.Network.Ports {
		found = append(found, Claim{ports: port.OnNode()})
	}
	for _, attachment := range b.Network.Attachments {
		for _, address := range attachment.Addresses {
			found = append(found, Claim{thing: "address " + address.Addr().String()})
		}
	}
	for _, path := range writes(b) {
		found = append(found, Claim{thing: path})
	}
	return found
}

// writes are the directories and files of the node that a container may write to.
func writes(b *bundle.Bundle) []string {
	var found []string
	for _, mount := range b.Spec.Mounts {
		bound := mount.Type == "bind" || slices.Contains(mount.Options, "bind") || slices.Contains(mount.Options, "rbind")
		if path := NodePath(b, mount.Source); bound && path != "" && !slices.Contains(mount.Options, "ro") {
			found = append(found, "mount "+path)
		}
	}
	return found
}

// NodePath is the path of the node that the source of a bundle's mount stands for; "" for a directory that belongs to the
// container alone.
func NodePath(b *bundle.Bundle, source string) string {
	if i, ok := bundle.SubPathIndex(source); ok && i < len(b.SubPaths) {
		volume := NodePath(b, b.SubPaths[i].Volume)
		if volume == "" {
			return ""
		}
		return path.Join(volume, b.SubPaths[i].Path)
	}
	if i, ok := bundle.HostIndex(source); ok && i < len(b.HostPaths) {
		return b.HostPaths[i].Path
	}
	if !path.IsAbs(source) {
		return ""
	}
	return source
}
