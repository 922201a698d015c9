package reconcile

import (
	"iter"
	"slices"

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
