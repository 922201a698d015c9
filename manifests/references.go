package manifests

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// maxObjects bounds what one node is asked to run.
const maxObjects = 10_000

// checkReferences checks what only documents together can show. All are those too that have an
// error.
func checkReferences(documents, all []*document) {
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
	broken := brokenRefs(all)
	for _, d := range documents {
		for _, c := range d.containers() {
			c.checkNamed(objects, names, broken)
		}
	}
	checkUnits(documents)
	checkPublished(documents)
	checkNetworks(documents)
	checkEndpoints(documents)
	checkOrder(documents, broken)
}

// reportDuplicates reports every document of one name, each with the place of another.
func reportDuplicates(ref v1.Ref, same []*document) {
	same = slices.DeleteFunc(same, func(d *document) bool { return d.elsewhere })
	if len(same) < 2 {
		return
	}
	for i, d := range same {
		other := same[(i+1)%len(same)]
		hint := ""
		if d.object.Meta().Namespace != other.object.Meta().Namespace {
			hint = "namespaces keep nothing apart here: give one of them another name"
		}
		d.errorHint("metadata.name", hint, "%s is defined twice, also in %s", ref, other.position(other.root))
	}
}

// checkNamed checks that what a container names exists. Networks are not checked here: a
// node may have CNI networks of its own.
func (c container) checkNamed(objects map[v1.Ref][]*document, names map[string][]string, broken map[v1.Ref]bool) {
	exists := func(field, kind, name string, optional bool) {
		switch ref := (v1.Ref{Kind: kind, Name: name}); {
		case broken[ref]:
			c.needs = ref
		case name == "" && kind != v1.KindImage && !optional:
			c.errorf(field, "missing")
		case name != "" && !optional && objects[ref] == nil:
			c.errorHint(field, didYouMean(name, names[kind]), "there is no %s %q", kind, name)
		}
	}
	exists(c.at+".imageRef", v1.KindImage, c.ImageRef, false)
	for i, entry := range c.Env {
		field := fmt.Sprintf("%s.env[%d].valueFrom", c.at, i)
		if from := entry.ValueFrom; from != nil && from.ConfigMapKeyRef != nil {
			exists(field+".configMapKeyRef.name", v1.KindConfig, from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Optional)
		} else if from != nil && from.SecretKeyRef != nil {
			exists(field+".secretKeyRef.name", v1.KindSecret, from.SecretKeyRef.Name, from.SecretKeyRef.Optional)
		}
	}
	for i, from := range c.EnvFrom {
		field := fmt.Sprintf("%s.envFrom[%d]", c.at, i)
		if ref := from.ConfigMapRef; ref != nil {
			exists(field+".configMapRef.name", v1.KindConfig, ref.Name, ref.Optional)
		}
		if ref := from.SecretRef; ref != nil {
			exists(field+".secretRef.name", v1.KindSecret, ref.Name, ref.Optional)
		}
	}
	var own []string
	for i, volume := range c.Volumes {
		own = append(own, volume.Name)
		field := fmt.Sprintf("%s.volumes[%d]", c.sandboxAt, i)
		eachReference(field, volume.VolumeSource, c.claims, exists)
	}
	for i, mount := range c.VolumeMounts {
		switch ref := (v1.Ref{Kind: v1.KindVolume, Name: mount.Name}); {
		case mount.Name == "" || slices.Contains(own, mount.Name):
		case broken[ref]:
			c.needs = ref
		case objects[ref] == nil:
			c.errorHint(fmt.Sprintf("%s.volumeMounts[%d].name", c.at, i), didYouMean(mount.Name, slices.Concat(names[v1.KindVolume], own)),
				"there is no volume %q, neither in volumes nor as a Volume", mount.Name)
		}
	}
}

// eachReference calls yield for each object that a volume is made from; claims names the Volumes
// of a claim.
func eachReference(field string, source v1.VolumeSource, claims func(v1.ClaimVolume) []string, yield func(field, kind, name string, optional bool)) {
	if s := source.ConfigMap; s != nil {
		yield(field+".configMap.name", v1.KindConfig, s.Name, s.Optional)
	}
	if s := source.Secret; s != nil {
		yield(field+".secret.secretName", v1.KindSecret, s.SecretName, s.Optional)
	}
	if s := source.PersistentVolumeClaim; s != nil {
		for _, name := range claims(*s) {
			yield(field+".persistentVolumeClaim.claimName", v1.KindVolume, name, false)
		}
	}
	if s := source.Projected; s != nil {
		for i, projection := range s.Sources {
			at := fmt.Sprintf("%s.projected.sources[%d]", field, i)
			if p := projection.ConfigMap; p != nil {
				yield(at+".configMap.name", v1.KindConfig, p.Name, p.Optional)
			}
			if p := projection.Secret; p != nil {
				yield(at+".secret.name", v1.KindSecret, p.Name, p.Optional)
			}
		}
	}
}

// checkUnits reports objects of different names, or kinds, that come to one unit.
func checkUnits(documents []*document) {
	owners := map[string]*document{}
	for _, d := range documents {
		if d.object == nil || d.elsewhere {
			continue
		}
		for _, unit := range slices.Sorted(maps.Keys(d.units())) {
			owner, taken := owners[unit]
			if !taken {
				owners[unit] = d
				continue
			}
			// Two of one name are reported as such.
			if owner.object.Ref() != d.object.Ref() {
				d.sharesUnit(unit, owner)
				owner.sharesUnit(unit, d)
			}
		}
	}
}

// sharesUnit reports that a unit is another document's too.
func (d *document) sharesUnit(unit string, other *document) {
	d.errorf(d.units()[unit], "its unit %s.service is that of %s too, in %s", unit, other.object.Ref(), other.position(other.root))
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
		if d.elsewhere {
			continue
		}
		for _, c := range d.containers() {
			for i, port := range c.Ports {
				if p, ok := portsOf(d, fmt.Sprintf("%s.ports[%d]", c.at, i), port); ok {
					taken[p.protocol] = append(taken[p.protocol], p)
				}
			}
			for _, p := range socketPorts(c) {
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

// socketPorts are the ports of the node that systemd listens on for a container.
func socketPorts(c container) []published {
	var all []published
	for i, socket := range c.Sockets {
		for _, listen := range []struct {
			field, protocol string
			address         v1.ListenAddress
		}{{"listenStream", "TCP", socket.ListenStream}, {"listenDatagram", "UDP", socket.ListenDatagram}} {
			address, err := listen.address.AddrPort()
			if err != nil {
				continue // a path, or reported already
			}
			host := address.Addr().Unmap()
			if host.IsUnspecified() {
				host = netip.Addr{}
			}
			port := int32(address.Port())
			all = append(all, published{c.document, fmt.Sprintf("%s.sockets[%d].%s", c.at, i, listen.field), listen.protocol, host, port, port})
		}
	}
	return all
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
		if !ok || d.elsewhere {
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

// checkEndpoints reports static addresses and hardware addresses that two objects want on
// one network.
func checkEndpoints(documents []*document) {
	type place struct {
		document *document
		field    string
	}
	taken := map[string]place{}
	claim := func(d *document, field, network, address string) {
		key := network + " " + address
		other, twice := taken[key]
		if !twice {
			taken[key] = place{d, field}
			return
		}
		d.errorf(field, "%s is %s's address on network %s already, in %s", address, other.document.object.Ref(), network,
			other.document.position(other.document.nodeAt(other.field)))
	}
	for _, d := range documents {
		containers := d.containers()
		if len(containers) == 0 || d.elsewhere {
			continue
		}
		// The containers of a pod share its addresses.
		for i, attachment := range containers[0].Networks {
			field := fmt.Sprintf("%s.networks[%d]", containers[0].sandboxAt, i)
			for j, text := range attachment.Addresses {
				if address, err := netip.ParseAddr(text); err == nil {
					claim(d, fmt.Sprintf("%s.addresses[%d]", field, j), attachment.Name, address.String())
				}
			}
			if mac := attachment.MACAddress; mac != "" {
				claim(d, field+".macAddress", attachment.Name, strings.ToLower(mac))
			}
		}
	}
}
