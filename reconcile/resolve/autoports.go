package resolve

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units/bundle"
)

// PortsInUse are the ports of the node that have an owner, as far as autoHostPort can choose them.
type PortsInUse struct {
	// Published are the ports that bundles on the node publish, by the objects that the bundles are of.
	Published map[string][]bundle.Port
	// Listening are the ports on which programs of the node listen, by protocol.
	Listening map[string][]int32
}

// HasAutoPorts reports whether an object has a port that davit is to choose: only then [PortsInUse] are needed.
func HasAutoPorts(objects []object.Object) bool {
	return slices.ContainsFunc(objects, func(one object.Object) bool {
		return slices.ContainsFunc(portLists(one.Object), func(ports []v1.ContainerPort) bool { return slices.ContainsFunc(ports, isAuto) })
	})
}

func isAuto(port v1.ContainerPort) bool { return port.AutoHostPort }

// assignPorts returns the objects with a port of the node for each autoHostPort. An object keeps the port that its bundle on the
// node publishes, so no file has to remember it. Otherwise the port follows from the object's name: a node that has lost all of its
// state chooses the same again, unless the port has another owner by then. A port that remains 0 has none left to choose.
func assignPorts(objects []object.Object, allowed []policy.PortRange, used PortsInUse) []object.Object {
	if !HasAutoPorts(objects) {
		return objects
	}
	c := newPortChooser(objects, allowed, used)
	kept := c.assign(objects, c.keep)
	c.avoid(used)
	return c.assign(kept, c.choose)
}

// assign returns the objects with the result of a function for each port that has no number yet.
func (c *portChooser) assign(objects []object.Object, choose func(object string, port v1.ContainerPort) int32) []object.Object {
	assigned := slices.Clone(objects)
	for i, one := range assigned {
		if HasAutoPorts([]object.Object{one}) {
			assigned[i].Object = withPorts(one.Object, func(port v1.ContainerPort) int32 { return choose(one.Ref().String(), port) })
		}
	}
	return assigned
}

// portChooser chooses ports of the node, each once.
type portChooser struct {
	published  map[string][]bundle.Port
	candidates []int32 // in order
	taken      map[portKey]bool
}

type portKey struct {
	protocol string
	number   int32
}

func newPortChooser(objects []object.Object, allowed []policy.PortRange, used PortsInUse) *portChooser {
	c := &portChooser{published: used.Published, taken: map[portKey]bool{}}
	for number := v1.MinAutoHostPort; number <= v1.MaxAutoHostPort; number++ {
		if len(allowed) == 0 || slices.ContainsFunc(allowed, func(r policy.PortRange) bool { return r.Min <= number && number <= r.Max }) {
			c.candidates = append(c.candidates, number)
		}
	}
	for _, object := range objects {
		for _, list := range portLists(object.Object) {
			for _, port := range ports(list) {
				c.take(port)
			}
		}
		for _, socket := range socketsOf(object.Object) {
			for protocol, address := range map[string]v1.ListenAddress{"tcp": socket.ListenStream, "udp": socket.ListenDatagram} {
				if at, err := address.AddrPort(); err == nil {
					c.taken[portKey{protocol, int32(at.Port())}] = true
				}
			}
		}
	}
	return c
}

func (c *portChooser) take(port bundle.Port) {
	for number := max(port.HostPort, v1.MinAutoHostPort); number <= min(port.Last(), v1.MaxAutoHostPort); number++ {
		c.taken[portKey{port.Protocol, number}] = true
	}
}

// keep is the port that the object's bundle publishes now, 0 for none that it may keep: a port that a manifest names goes to that
// object.
func (c *portChooser) keep(object string, port v1.ContainerPort) int32 {
	for _, before := range bundle.Split(c.published[object]) {
		key := portKey{before.Protocol, before.HostPort}
		if before.Protocol != protocolOf(port) || before.ContainerPort != port.ContainerPort || c.taken[key] {
			continue
		}
		if _, ok := slices.BinarySearch(c.candidates, before.HostPort); ok {
			c.taken[key] = true
			return before.HostPort
		}
	}
	return 0
}

// choose returns the first free port from the one on that follows from the object's name, 0 if none is free.
func (c *portChooser) choose(object string, port v1.ContainerPort) int32 {
	if len(c.candidates) == 0 {
		return 0
	}
	sum := fnv.New32a()
	fmt.Fprintf(sum, "%s %d/%s", object, port.ContainerPort, protocolOf(port))
	first := int(sum.Sum32() % uint32(len(c.candidates)))
	for i := range c.candidates {
		key := portKey{protocolOf(port), c.candidates[(first+i)%len(c.candidates)]}
		if !c.taken[key] {
			c.taken[key] = true
			return key.number
		}
	}
	return 0
}

// avoid takes the ports that have another owner on the node.
func (c *portChooser) avoid(used PortsInUse) {
	for _, published := range used.Published {
		for _, port := range published {
			c.take(port)
		}
	}
	for protocol, numbers := range used.Listening {
		for _, number := range numbers {
			c.taken[portKey{protocol, number}] = true
		}
	}
}

func protocolOf(port v1.ContainerPort) string {
	return strings.ToLower(cmp.Or(port.Protocol, "TCP"))
}

// checkAssigned reports a port that davit could not choose.
func checkAssigned(declared []v1.ContainerPort) error {
	for _, port := range declared {
		if port.AutoHostPort && port.HostPort == 0 {
			return fmt.Errorf("port %d/%s: of the node's ports from %d to %d that its policy allows, none is free",
				port.ContainerPort, protocolOf(port), v1.MinAutoHostPort, v1.MaxAutoHostPort)
		}
	}
	return nil
}

// portLists are the ports of each container of an object.
func portLists(object v1.Object) [][]v1.ContainerPort {
	var lists [][]v1.ContainerPort
	for _, fields := range containersOf(object) {
		lists = append(lists, fields.Ports)
	}
	return lists
}

func socketsOf(object v1.Object) []v1.Socket {
	var sockets []v1.Socket
	for _, fields := range containersOf(object) {
		sockets = append(sockets, fields.Sockets...)
	}
	return sockets
}

// containersOf are the containers of an object, which the result refers to.
func containersOf(object v1.Object) []*v1.ContainerFields {
	var all []*v1.ContainerFields
	of := func(pod *v1.PodSpec) {
		for _, list := range [][]v1.PodContainer{pod.InitContainers, pod.Containers} {
			for i := range list {
				all = append(all, &list[i].ContainerFields)
			}
		}
	}
	switch object := object.(type) {
	case *v1.Container:
		return []*v1.ContainerFields{&object.Spec.ContainerFields}
	case *v1.Pod:
		of(&object.Spec)
	case *v1.Job:
		of(&object.Spec.Template.Spec)
	case *v1.CronJob:
		of(&object.Spec.JobTemplate.Spec.Template.Spec)
	}
	return all
}

// withPorts is a copy of an object in which each autoHostPort that has no port yet has the chosen one.
func withPorts(object v1.Object, choose func(port v1.ContainerPort) int32) v1.Object {
	copied := copyContainers(object)
	for _, fields := range containersOf(copied) {
		fields.Ports = slices.Clone(fields.Ports)
		for i, port := range fields.Ports {
			if port.AutoHostPort && port.HostPort == 0 {
				fields.Ports[i].HostPort = choose(port)
			}
		}
	}
	return copied
}

// copyContainers is an object with containers of its own; all else is the given one's.
func copyContainers(object v1.Object) v1.Object {
	pod := func(spec v1.PodSpec) v1.PodSpec {
		spec.InitContainers, spec.Containers = slices.Clone(spec.InitContainers), slices.Clone(spec.Containers)
		return spec
	}
	switch object := object.(type) {
	case *v1.Container:
		copied := *object
		return &copied
	case *v1.Pod:
		copied := *object
		copied.Spec = pod(object.Spec)
		return &copied
	case *v1.Job:
		copied := *object
		copied.Spec.Template.Spec = pod(object.Spec.Template.Spec)
		return &copied
	case *v1.CronJob:
		copied := *object
		copied.Spec.JobTemplate.Spec.Template.Spec = pod(object.Spec.JobTemplate.Spec.Template.Spec)
		return &copied
	}
	return object
}
