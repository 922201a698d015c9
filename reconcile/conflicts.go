package reconcile

import (
	"path"
	"slices"
	"strings"

	"github.com/davit-project/davit/units/bundle"
)

// conflicts are the stops of removed units that the start of a unit waits for: both need a thing that
// only one of them can have.
func (d *differ) conflicts(c change) []string {
	if len(d.stops) == 0 {
		return nil
	}
	wanted := claims(c.workload.Bundle, c.workload.UnitText)
	var after []string
	for _, unit := range sortedKeys(d.stops) {
		if overlap(wanted, d.claimsOf(unit)) {
			after = append(after, d.stops[unit])
		}
	}
	return after
}

// claimsOf are those of a unit as it runs now.
func (d *differ) claimsOf(unit string) []claim {
	current := d.actual.Workloads[unit]
	held := claims(nil, current.UnitText)
	for b := range current.bundles() {
		held = append(held, claims(b, "")...)
	}
	return held
}

// claims are things that two units should not have at once: published ports, the addresses of sockets,
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
