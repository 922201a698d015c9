package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Input is all that [Resolve] looks at.
type Input struct {
	// Objects are the validated manifests.
	Objects []manifests.Object
	// Images are the answers to [Requests].
	Images map[ImageRequest]ImageResult
	// NodeNetworks are the CNI configuration lists that the node's owner installed,
	// by network name.
	NodeNetworks map[string]json.RawMessage
	// Node are facts about the node.
	Node Node
}

// ImageResult is an image, or why there is none.
type ImageResult struct {
	Image Image
	Err   error
}

// Node are the facts about a node that change what its units say.
type Node struct {
	// Launcher is the absolute path of davit-run.
	Launcher string
	// StorageRoot is the directory of the node's image storage.
	StorageRoot string
	// Architecture is Go's name of the node's architecture, such as amd64.
	Architecture string
}

// Resolve turns objects into the desired state. It applies defaults, binds images to
// digests and networks to subnets, and renders bundles and units. An object that cannot
// be resolved becomes a [Problem] and takes no other object with it.
func Resolve(in Input) Desired {
	r := &resolver{
		in:     in,
		images: imageObjects(in.Objects),
		desired: Desired{
			Images:    map[string]Image{},
			Networks:  map[string]Network{},
			Volumes:   map[string]Volume{},
			Workloads: map[string]Workload{},
		},
	}
	r.networks()
	r.volumes()
	for _, object := range in.Objects {
		var err error
		switch value := object.Object.(type) {
		case *v1.Image:
			_, err = r.image(value)
		case *v1.Container:
			err = r.container(value, object.Source)
		}
		if err != nil {
			r.problem(object.Ref(), err)
		}
	}
	return r.desired
}

// resolver carries one pass of [Resolve].
type resolver struct {
	in         Input
	images     map[string]*v1.Image
	volumeSpec map[string]v1.VolumeSpec
	desired    Desired
}

func (r *resolver) problem(ref v1.Ref, err error) {
	r.desired.Problems = append(r.desired.Problems, Problem{ref, err})
}

// image binds an object's image to a digest and makes it desired.
func (r *resolver) image(object v1.Object) (Image, error) {
	request, ok := requestOf(object, r.images)
	if !ok {
		return Image{}, errors.New("its image is not defined: add the Image object, or write image instead of imageRef")
	}
	result, ok := r.in.Images[request]
	if !ok {
		return Image{}, fmt.Errorf("image %s was not resolved", request.Reference)
	}
	if result.Err != nil {
		return Image{}, result.Err
	}
	r.desired.Images[result.Image.Key()] = result.Image
	return result.Image, nil
}

func (r *resolver) container(container *v1.Container, source manifests.Position) error {
	image, err := r.image(container)
	if err != nil {
		return err
	}
	network, networks, err := r.attach(container)
	if err != nil {
		return err
	}
	storage, err := r.mount(container)
	if err != nil {
		return err
	}
	spec, err := ociSpec(container, image, storage.mounts, r.in.Node.Architecture)
	if err != nil {
		return err
	}
	b := &bundle.Bundle{
		Spec: spec,
		Launch: bundle.Launch{
			ID:          container.Metadata.Name,
			Object:      container.Ref().String(),
			Image:       image.Image,
			User:        userOf(container.Spec, image),
			Network:     network,
			HostAliases: hostAliases(container.Spec.HostAliases),
			EmptyDirs:   storage.emptyDirs,
			HostPaths:   storage.hostPaths,
		},
	}
	return r.workload(container, source, b, image, networks, storage)
}

// workload renders the bundle and the unit that starts it.
func (r *resolver) workload(container *v1.Container, source manifests.Position, b *bundle.Bundle, image Image, networks []string, storage storage) error {
	text, err := b.Encode()
	if err != nil {
		return err
	}
	dir := bundle.DirName(b.ID, text)
	stopSignal, err := stopSignal(container.Spec, image)
	if err != nil {
		return err
	}
	unit, err := unitOf(container, b, stopSignal)
	if err != nil {
		return err
	}
	unit.SourcePath = source.File
	unit.Launcher = r.in.Node.Launcher
	unit.Bundle = bundle.Path(dir)
	unit.RequiresMountsFor = append([]string{bundle.StateDir, r.in.Node.StorageRoot}, storage.hostDirs...)
	unitText, err := units.Render(unit)
	if err != nil {
		return err
	}
	r.desired.Workloads[unit.Name] = Workload{
		Ref:        container.Ref(),
		Source:     fmt.Sprintf("%s:%d", source.File, source.Line),
		Unit:       unit,
		UnitText:   unitText,
		Bundle:     b,
		BundleText: text,
		BundleDir:  dir,
		Networks:   networks,
		Volumes:    storage.volumes,
	}
	return nil
}
