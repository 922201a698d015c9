package reconcile

import (
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/davit-project/davit/units/bundle"
)

// claim is a thing by its name, or a range of ports of the node at whichever of its addresses.
type claim struct {
	thing string
	ports bundle.Port
}

func (c claim) String() string {
	if c.thing != "" {
		return c.thing
	}
	return "port " + c.ports.String()
}

func (c claim) overlaps(other claim) bool {
	if c.thing != "" || other.thing != "" {
		return c.thing == other.thing
	}
	return c.ports.Overlaps(other.ports)
}

func overlap(a, b []claim) bool {
	return slices.ContainsFunc(a, func(one claim) bool { return slices.ContainsFunc(b, one.overlaps) })
}

// without are the claims less the others. Of a range, what is left on both sides stays.
func without(claims, others []claim) []claim {
	for _, other := range others {
		var left []claim
		for _, one := range claims {
			switch {
			case !one.overlaps(other):
				left = append(left, one)
			case one.thing == "":
				for _, ports := range one.ports.Without(other.ports) {
					left = append(left, claim{ports: ports})
				}
			}
		}
		claims = left
	}
	return claims
}

// claimIndex finds the units with a claim on something among many. It is by the things, and by blocks of ports.
type claimIndex map[claimKey][]claimant

type claimant struct {
	unit string
	claim
}

type claimKey struct {
	thing string
	portBlock
}

func (c claim) keys() iter.Seq[claimKey] {
	return func(yield func(claimKey) bool) {
		if c.thing != "" {
			yield(claimKey{thing: c.thing})
			return
		}
		for block := range blocksOf(c.ports) {
			if !yield(claimKey{portBlock: block}) {
				return
			}
		}
	}
}

func (x claimIndex) add(unit string, c claim) {
	for key := range c.keys() {
		x[key] = append(x[key], claimant{unit, c})
	}
}

// units are those with a claim on the same, each once.
func (x claimIndex) units(c claim) []string {
	var found []string
	for key := range c.keys() {
		for _, other := range x[key] {
			if other.overlaps(c) && !slices.Contains(found, other.unit) {
				found = append(found, other.unit)
			}
		}
	}
	return found
}

// portBlock is one of the blocks of blockSize ports of a protocol. A range is in each that it touches.
type portBlock struct {
	protocol string
	number   int32
}

const blockSize = 256

func blocksOf(p bundle.Port) iter.Seq[portBlock] {
	return func(yield func(portBlock) bool) {
		for number := p.HostPort / blockSize; number <= p.Last()/blockSize; number++ {
			if !yield(portBlock{p.Protocol, number}) {
				return
			}
		}
	}
}

// claims returns things that two units should not have at once: published ports, the addresses of sockets,
// static addresses, and directories of the node that they write to. What a unit on the node's own network
// listens on is not known.
func claims(b *bundle.Bundle, unitText string) []claim {
	var found []claim
	for line := range strings.Lines(unitText) {
		if strings.HasPrefix(line, "Listen") {
			found = append(found, claim{thing: strings.TrimSpace(line)})
		}
	}
	if b == nil {
		return found
	}
	for _, port := range b.Network.Ports {
		found = append(found, claim{ports: port.OnNode()})
	}
	for _, attachment := range b.Network.Attachments {
		for _, address := range attachment.Addresses {
			found = append(found, claim{thing: "address " + address.Addr().String()})
		}
	}
	for _, path := range writes(b) {
		found = append(found, claim{thing: path})
	}
	return found
}

// writes are the directories and files of the node that a container may write to.
func writes(b *bundle.Bundle) []string {
	var found []string
	for _, mount := range b.Spec.Mounts {
		bound := mount.Type == "bind" || slices.Contains(mount.Options, "bind") || slices.Contains(mount.Options, "rbind")
		if path := nodePath(b, mount.Source); bound && path != "" && !slices.Contains(mount.Options, "ro") {
			found = append(found, "mount "+path)
		}
	}
	return found
}

// nodePath is the path of the node that the source of a bundle's mount stands for; "" for what the container has
// for itself.
func nodePath(b *bundle.Bundle, source string) string {
	if i, ok := bundle.SubPathIndex(source); ok && i < len(b.SubPaths) {
		volume := nodePath(b, b.SubPaths[i].Volume)
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
