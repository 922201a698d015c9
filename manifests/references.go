package manifests

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// maxObjects bounds what one node is asked to run.
const maxObjects = 10_000

// checkReferences checks what only all documents together can show.
func checkReferences(documents []*document) {
	objects := map[v1.Ref][]*document{}
	for i, d := range documents {
		if d.object == nil {
			continue
		}
		if i >= maxObjects {
			d.errorf("", "more than %d objects", maxObjects)
			continue
		}
		objects[d.object.Ref()] = append(objects[d.object.Ref()], d)
	}
	names := map[string][]string{}
	for ref, same := range objects {
		names[ref.Kind] = append(names[ref.Kind], ref.Name)
		reportDuplicates(ref, same)
	}
	broken := brokenNames(documents)
	for _, d := range documents {
		if container, ok := d.object.(*v1.Container); ok {
			d.checkNamed(container.Spec, names, broken)
		}
	}
	checkPublished(documents)
	checkNetworks(documents)
}

// reportDuplicates reports every document of one name, each with the place of another.
func reportDuplicates(ref v1.Ref, same []*document) {
	if len(same) < 2 {
		return
	}
	for i, d := range same {
		other := same[(i+1)%len(same)]
		d.errorf("metadata.name", "%s is defined twice, also in %s", ref, other.position(other.root))
	}
}

// brokenNames are the names of the documents that are there and have an error, by kind.
func brokenNames(documents []*document) map[v1.Ref]bool {
	broken := map[v1.Ref]bool{}
	for _, d := range documents {
		metadata := d.entry("metadata")
		if len(d.diagnostics) == 0 || metadata == nil {
			continue
		}
		if kind, name := d.scalar("kind"), entryOf(metadata, "name"); kind != nil && name != nil {
			broken[v1.Ref{Kind: kind.Value, Name: name.Value}] = true
		}
	}
	return broken
}

// checkNamed checks that what a container names exists. What names a broken document is held
// back without a word: the error is that document's. Networks are not checked here: a
// node may have CNI networks of its own.
func (d *document) checkNamed(spec v1.ContainerSpec, names map[string][]string, broken map[v1.Ref]bool) {
	if ref := spec.ImageRef; broken[v1.Ref{Kind: v1.KindImage, Name: ref}] {
		d.held = true
	} else if ref != "" && !slices.Contains(names[v1.KindImage], ref) {
		d.errorHint("spec.imageRef", didYouMean(ref, names[v1.KindImage]), "there is no Image %q", ref)
	}
	var own []string
	for _, volume := range spec.Volumes {
		own = append(own, volume.Name)
	}
	known := slices.Concat(names[v1.KindVolume], own)
	for i, mount := range spec.VolumeMounts {
		switch {
		case mount.Name == "" || slices.Contains(own, mount.Name):
		case broken[v1.Ref{Kind: v1.KindVolume, Name: mount.Name}]:
			d.held = true
		case !slices.Contains(known, mount.Name):
			d.errorHint(fmt.Sprintf("spec.volumeMounts[%d].name", i), didYouMean(mount.Name, known),
				"there is no volume %q, neither in spec.volumes nor as a Volume", mount.Name)
		}
	}
}

// published are the ports that one entry of a container takes on the node.
type published struct {
	document    *document
	field       string
	protocol    string
	host        netip.Addr // the zero value means every address
	first, last int32
}

// checkPublished reports ports that two containers want. A whole range is one report, and
// each entry is reported against one other: more would only say the same again.
func checkPublished(documents []*document) {
	taken := map[string][]published{}
	for _, d := range documents {
		container, ok := d.object.(*v1.Container)
		if !ok {
			continue
		}
		for i, port := range container.Spec.Ports {
			if p, ok := portsOf(d, fmt.Sprintf("spec.ports[%d]", i), port); ok {
				taken[p.protocol] = append(taken[p.protocol], p)
			}
		}
	}
	for _, protocol := range slices.Sorted(maps.Keys(taken)) {
		for i, p := range taken[protocol] {
			other := func(o published) bool { return o.field != p.field || o.document != p.document }
			if j := slices.IndexFunc(taken[protocol], func(o published) bool { return other(o) && p.overlaps(o) }); j >= 0 {
				taken[protocol][i].reportClash(taken[protocol][j])
			}
		}
	}
}

// portsOf leaves out what has been reported already.
func portsOf(d *document, field string, port v1.ContainerPort) (published, bool) {
	length := int64(max(port.EndPort, port.ContainerPort)) - int64(port.ContainerPort)
	if port.HostPort < 1 || int64(port.HostPort)+length > 65535 {
		return published{}, false
	}
	protocol := port.Protocol
	if protocol == "" {
		protocol = "TCP"
	}
	host, _ := netip.ParseAddr(port.HostIP)
	host = host.Unmap()
	if host.IsUnspecified() {
		host = netip.Addr{}
	}
	return published{d, field + ".hostPort", protocol, host, port.HostPort, port.HostPort + int32(length)}, true
}

func (p published) overlaps(other published) bool {
	if p.host.IsValid() && other.host.IsValid() && p.host != other.host {
		return false
	}
	return p.first <= other.last && other.first <= p.last
}

func (p published) reportClash(other published) {
	p.document.errorf(p.field, "port %d/%s of the node is wanted by %s too, in %s", max(p.first, other.first), p.protocol,
		other.document.object.Ref(), other.document.position(other.document.nodeAt(other.field)))
}

// claim is a bridge or a subnet that a network takes.
type claim struct {
	document *document
	field    string
	bridge   string
	subnet   netip.Prefix
}

func (c claim) overlaps(other claim) bool {
	if c.document == other.document {
		return false
	}
	if c.bridge != "" {
		return c.bridge == other.bridge
	}
	return c.subnet.IsValid() && other.subnet.IsValid() && c.subnet.Overlaps(other.subnet)
}

// checkNetworks reports bridges and subnets that two networks want, each against one other.
func checkNetworks(documents []*document) {
	var claims []claim
	for _, d := range documents {
		network, ok := d.object.(*v1.Network)
		if !ok {
			continue
		}
		if bridge := network.Spec.Interface; bridge != "" {
			claims = append(claims, claim{document: d, field: "spec.interface", bridge: bridge})
		}
		for i, subnet := range network.Spec.Subnets {
			if prefix, err := netip.ParsePrefix(subnet.Subnet); err == nil {
				claims = append(claims, claim{document: d, field: fmt.Sprintf("spec.subnets[%d].subnet", i), subnet: prefix})
			}
		}
	}
	for _, c := range claims {
		i := slices.IndexFunc(claims, c.overlaps)
		if i < 0 {
			continue
		}
		other := claims[i]
		what := c.bridge + " is the bridge"
		if c.bridge == "" {
			what = fmt.Sprintf("%s overlaps %s", c.subnet, other.subnet)
		}
		c.document.errorf(c.field, "%s of %s, in %s", what, other.document.object.Ref(),
			other.document.position(other.document.nodeAt(other.field)))
	}
}
