package resolve

import (
	"maps"
	"reflect"
	"slices"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// Memory resolves inputs that follow each other: the result for an object is used again if none of its inputs has changed. The
// zero value is empty. It is not safe for several goroutines at once.
type Memory struct {
	in       Input
	networks map[string]reconcile.Network
	objects  map[v1.Ref]resolution
}

// resolution is the result for an object, and its inputs beyond its manifest and the node.
type resolution struct {
	words     []string // all of its manifest: the names of other objects are among them
	images    map[reconcile.ImageRequest]reconcile.Image
	networks  map[string]reconcile.Network
	units     []string // in the order in which they were claimed
	workloads map[string]reconcile.Workload
	spares    map[string]reconcile.Workload
	notice    string // the ignored part of its image; empty for none
}

// Resolve is [Resolve] of an input.
func (m *Memory) Resolve(in Input) reconcile.Desired {
	in.Objects = assignPorts(in.Objects, in.HostPorts, in.InUse)
	r := newResolver(in)
	r.networks()
	r.volumes()
	r.collectData()
	known, objects, isKept := m.unchanged(in), make(map[v1.Ref]resolution, len(in.Objects)), map[v1.Ref]bool{}
	for _, object := range in.Objects {
		ref := object.Ref()
		before, ok := known[ref]
		if isKept[ref] = ok && r.again(before, ref); isKept[ref] {
			objects[ref] = before
			continue
		}
		made, err := r.anew(object)
		if err != nil {
			r.problem(object, err)
			continue
		}
		objects[ref] = made
	}
	if !reflect.DeepEqual(r.desired.Networks, m.networks) {
		clear(isKept) // the inputs of all objects say which networks there are
	}
	for _, object := range in.Objects {
		made := objects[object.Ref()]
		if len(made.workloads) > 0 && !isKept[object.Ref()] {
			objects[object.Ref()] = r.noteInputs(object, made)
		}
	}
	m.in, m.networks, m.objects = in, r.desired.Networks, objects
	return r.desired
}

// unchanged are the resolutions of objects that are as they were, and name none that is not.
func (m *Memory) unchanged(in Input) map[v1.Ref]resolution {
	node := func(in Input) Input {
		return Input{HostPaths: in.HostPaths, NodeNetworks: in.NodeNetworks, Node: in.Node}
	}
	if len(m.objects) == 0 || !reflect.DeepEqual(node(m.in), node(in)) {
		return nil
	}
	names := namesOfChanged(m.in.Objects, in.Objects)
	isNamed := func(word string) bool { return names[word] }
	known := maps.Clone(m.objects)
	maps.DeleteFunc(known, func(ref v1.Ref, before resolution) bool {
		return names[ref.Name] || slices.ContainsFunc(before.words, isNamed)
	})
	return known
}

// namesOfChanged are the names of the objects that are not the same in both lists.
func namesOfChanged(before, now []object.Object) map[string]bool {
	names, earlier := map[string]bool{}, make(map[v1.Ref]object.Object, len(before))
	for _, object := range before {
		earlier[object.Ref()] = object
	}
	for _, object := range now {
		if !reflect.DeepEqual(earlier[object.Ref()], object) {
			names[object.Ref().Name] = true
		}
		delete(earlier, object.Ref())
	}
	for ref := range earlier {
		names[ref.Name] = true
	}
	return names
}

// again adds the earlier result for an object to the desired state, unless its images, its networks or the owners of its units'
// names have changed.
func (r *resolver) again(before resolution, ref v1.Ref) bool {
	taken := func(unit string) bool { return r.owners[unit] != v1.Ref{} }
	if slices.ContainsFunc(before.units, taken) {
		return false
	}
	for request, image := range before.images {
		if now := r.in.Images[request]; now.Err != nil || !reflect.DeepEqual(now.Image, image) {
			return false
		}
	}
	for name, network := range before.networks {
		if now, _, err := r.ownNetwork(name); err != nil || !reflect.DeepEqual(now, network) {
			return false
		}
	}
	for _, image := range before.images {
		r.desired.Images[image.Key()] = image
	}
	for _, unit := range before.units {
		r.owners[unit] = ref
	}
	maps.Copy(r.desired.Workloads, before.workloads)
	maps.Copy(r.desired.Spares, before.spares)
	if before.notice != "" {
		r.desired.Notices[ref] = before.notice
	}
	return true
}

// anew resolves an object, and records the other objects that its result depends on.
func (r *resolver) anew(object object.Object) (resolution, error) {
	r.made = resolution{
		images: map[reconcile.ImageRequest]reconcile.Image{}, networks: map[string]reconcile.Network{}, workloads: map[string]reconcile.Workload{}, spares: map[string]reconcile.Workload{},
	}
	if err := r.object(object); err != nil {
		return resolution{}, err
	}
	for _, unit := range r.made.units {
		if workload, ok := r.desired.Workloads[unit]; ok {
			r.made.workloads[unit] = workload
		} else if spare, ok := r.desired.Spares[unit]; ok {
			r.made.spares[unit] = spare
		}
	}
	return r.made, nil
}
