package nat

import (
	"crypto/sha256"
	"encoding/hex"
)

// maxComment is how long a comment can be: with its type, its length and a zero it has to fit into NFT_USERDATA_MAXLEN
// (linux/netfilter/nf_tables.h).
const maxComment = 253

// commentFor is the text by which a rule is found: the network or the container that it is for, and more.
func commentFor(name, more string) string {
	if comment := name + " " + more; len(comment) <= maxComment {
		return comment
	}
	return ownerNamed(name).short + " " + more
}

// owner is a network or a container, as comments name it.
type owner struct{ name, short string }

// ownerNamed returns the owner with this name. The short form has a '~', which is in no name.
func ownerNamed(name string) owner {
	const kept = 64
	if len(name) <= kept {
		return owner{name, name}
	}
	sum := sha256.Sum256([]byte(name))
	return owner{name, name[:kept] + "~" + hex.EncodeToString(sum[:8])}
}

// is reports whether a comment names the owner.
func (o owner) is(named string) bool { return named == o.name || named == o.short }
