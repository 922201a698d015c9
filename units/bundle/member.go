package bundle

import "encoding/json"

// Member is a container that is attached to networks, as its neighbours see it. Its launcher writes it to [MemberFile].
type Member struct {
	ID string `json:"id"`
	// Hostname is the container's own name for itself.
	Hostname string `json:"hostname"`
	// Networks are its endpoints, by network.
	Networks map[string]Endpoint `json:"networks"`
	// Base is the part of its /etc/hosts that no neighbour changes, which comes first.
	Base string `json:"base"`
	// Unready is set for a replica that is not ready yet, or that is about to stop: it leaves its names to those that
	// are ready.
	Unready bool `json:"unready,omitempty"`
}

// Endpoint has the names and addresses of a container on one network.
type Endpoint struct {
	Names     []string `json:"names"`
	Addresses []string `json:"addresses"`
}

// DecodeMember reads the text of a member's file; ok is false if it is incomplete, as a launcher that was killed may
// leave it, or of another container than id.
func DecodeMember(id string, text []byte) (m Member, ok bool) {
	if json.Unmarshal(text, &m) != nil || m.ID != id {
		return Member{}, false
	}
	return m, true
}
