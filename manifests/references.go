package manifests

import (
	"fmt"
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
	for _, d := range documents {
		if container, ok := d.object.(*v1.Container); ok {
			d.checkNamed(container.Spec, names)
		}
	}
	checkPublished(documents)
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

// checkNamed checks that what a container names exists. Networks are not checked here: a
// node may have CNI networks of its own.
func (d *document) checkNamed(spec v1.ContainerSpec, names map[string][]string) {
	if ref := spec.ImageRef; ref != "" && !slices.Contains(names[v1.KindImage], ref) {
		d.errorHint("spec.imageRef", didYouMean(ref, names[v1.KindImage]), "there is no Image %q", ref)
	}
	known := slices.Clone(names[v1.KindVolume])
	for _, volume := range spec.Volumes {
		known = append(known, volume.Name)
	}
	for i, mount := range spec.VolumeMounts {
		if mount.Name != "" && !slices.Contains(known, mount.Name) {
			d.errorHint(fmt.Sprintf("spec.volumeMounts[%d].name", i), didYouMean(mount.Name, known),
				"there is no volume %q, neither in spec.volumes nor as a Volume", mount.Name)
		}
	}
}

// published is one port that a container takes on the node.
type published struct {
	document *document
	field    string
	protocol string
	host     netip.Addr // the zero value means every address
	port     int32
}

// checkPublished reports ports that two containers want.
func checkPublished(documents []*document) {
	taken := map[string][]published{}
	for _, d := range documents {
		container, ok := d.object.(*v1.Container)
		if !ok {
			continue
		}
		for i, port := range container.Spec.Ports {
			for _, p := range portsOf(d, fmt.Sprintf("spec.ports[%d]", i), port) {
				key := fmt.Sprintf("%d/%s", p.port, p.protocol)
				for _, other := range taken[key] {
					p.reportClash(other)
				}
				taken[key] = append(taken[key], p)
			}
		}
	}
}

func portsOf(d *document, field string, port v1.ContainerPort) []published {
	if port.HostPort == 0 {
		return nil
	}
	protocol := port.Protocol
	if protocol == "" {
		protocol = "TCP"
	}
	// An address that does not parse has been reported already.
	host, _ := netip.ParseAddr(port.HostIP)
	if host.IsUnspecified() {
		host = netip.Addr{}
	}
	var ports []published
	for offset := range min(max(port.EndPort-port.ContainerPort, 0), 65535) + 1 {
		ports = append(ports, published{d, field + ".hostPort", protocol, host, port.HostPort + offset})
	}
	return ports
}

func (p published) reportClash(other published) {
	if p.host.IsValid() && other.host.IsValid() && p.host != other.host {
		return
	}
	for _, pair := range [][2]published{{p, other}, {other, p}} {
		own, their := pair[0], pair[1]
		own.document.errorf(own.field, "port %d/%s of the node is wanted by %s too, in %s", own.port, own.protocol,
			their.document.object.Ref(), their.document.position(their.document.nodeAt(their.field)))
	}
}
