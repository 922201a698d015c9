// Package resolve lowers manifests into the desired state of a node: workloads with their units and bundles, networks, volumes
// and images. The same input always gives the same result.
package resolve

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"go.podman.io/common/pkg/seccomp"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Input is all that [Resolve] looks at.
type Input struct {
	// Objects are the validated manifests.
	Objects []object.Object
	// HostPaths are the directories that host paths may come from; none means any.
	HostPaths []policy.HostPath
	// HostPorts are the ports that containers may publish; none means any. InUse are those that have an owner, where
	// [HasAutoPorts] says that they are needed.
	HostPorts []policy.PortRange
	InUse     PortsInUse
	// Images are the answers to [Requests].
	Images map[reconcile.ImageRequest]ImageResult
	// NodeNetworks are the CNI configuration lists that the node's owner installed,
	// by network name.
	NodeNetworks map[string]json.RawMessage
	// Node are facts about the node.
	Node Node
}

// ImageResult is an image, or why there is none.
type ImageResult struct {
	Image reconcile.Image
	Err   error
}

// Node are the facts about a node that units depend on.
type Node struct {
	// Launcher is the absolute path of davit-run.
	Launcher string
	// StorageRoot is the directory of the node's image storage.
	StorageRoot string
	// Architecture is Go's name of the node's architecture, such as amd64.
	Architecture string
	// Hostname is the node's host name.
	Hostname string
	// Systemd is the version of the node's systemd, such as 252: some settings came later.
	Systemd int
	// RecursiveReadOnly reports whether the kernel changes options of a mount and of all mounts below it
	// (mount_setattr(2), Linux 5.12).
	RecursiveReadOnly bool
	// Runtimes are the programs of the OCI runtimes that manifests name and the node has,
	// absolute paths by the manifests' names.
	Runtimes map[string]string
	// Zone is the node's time zone; nil means UTC.
	Zone *time.Location
	// MinReadySeconds is how long a version must be ready before it counts as working, where its manifest
	// does not say; nil means the default.
	MinReadySeconds *int32
	// Proxy are the node's proxies.
	Proxy Proxy
	// DefaultSeccomp is the profile of Podman, from which that of containers without one of their own follows; nil only for
	// objects that are not to run.
	DefaultSeccomp *seccomp.Seccomp
	// SeccompProfiles are the node's own, in JSON, by path below /etc/davit/seccomp.
	SeccompProfiles map[string][]byte
	// CDI are the devices of [CDIDevices], by name.
	CDI map[string]CDIDevice
	// Ranges are the addresses that the node uses itself.
	Ranges []Range
	// Devices are those of [Bridges] that the node has and davit did not make.
	Devices []string
}

// Resolve turns objects into the desired state. It applies defaults, binds images to
// digests and networks to subnets, and renders bundles and units. An object that cannot
// be resolved becomes a [Problem] and takes no other object with it.
func Resolve(in Input) reconcile.Desired { return new(Memory).Resolve(in) }

func newResolver(in Input) *resolver {
	r := &resolver{
		in:      in,
		images:  imageObjects(in.Objects),
		configs: map[string]contents{},
		texts:   map[string]contents{},
		secrets: map[string]contents{},
		kept:    map[v1.Ref]bool{},
		owners:  map[string]v1.Ref{},
		filters: map[string]*specs.LinuxSeccomp{},
		skips:   map[string]skip{},
		lowered: map[v1.Ref]lowered{},
		byName:  map[string][]object.Object{},
		desired: reconcile.Desired{
			Images:    map[string]reconcile.Image{},
			Networks:  map[string]reconcile.Network{},
			Volumes:   map[string]reconcile.Volume{},
			Workloads: map[string]reconcile.Workload{},
			Spares:    map[string]reconcile.Workload{},
			Notices:   map[v1.Ref]string{},
		},
	}
	for _, object := range in.Objects {
		name := object.Meta().Name
		r.byName[name] = append(r.byName[name], object)
		r.kept[object.Ref()] = object.Meta().Annotations[v1.PruneAnnotation] == v1.PruneDisabled
	}
	return r
}

// resolver carries one pass of [Resolve].
type resolver struct {
	in         Input
	images     map[string]*v1.Image
	kept       map[v1.Ref]bool // the objects that stay though their manifests go
	volumeSpec map[string]v1.VolumeSpec
	configs    map[string]contents
	texts      map[string]contents // values of Configs for variables: not their binary data
	secrets    map[string]contents
	owners     map[string]v1.Ref              // by unit name
	lowered    map[v1.Ref]lowered             // lookups of other objects
	byName     map[string][]object.Object     // the objects of each name
	made       resolution                     // of the object that is resolved
	claimed    []reconcile.Network            // the networks whose devices and subnets are taken
	filters    map[string]*specs.LinuxSeccomp // the usual ones, by the capabilities that they are for
	skips      map[string]skip                // skipped times of time zones, by their names
	rehearses  bool                           // nothing is to be run, and no bundle to be written
	desired    reconcile.Desired
}

func (r *resolver) object(object object.Object) error {
	if image, ok := object.Object.(*v1.Image); ok {
		_, err := r.image(imageRequest(image.Spec))
		return err
	}
	return r.lower(object)
}

func (r *resolver) problem(object object.Object, err error) {
	part := reconcile.PartManifest
	if e, ok := errors.AsType[partError](err); ok {
		part = e.part
	}
	l, _ := r.other(object.Ref())
	r.desired.Problems = append(r.desired.Problems, reconcile.Problem{
		Ref: object.Ref(), Source: object.Source, Part: part, Err: err, Units: l.units(),
	})
}

// image binds a request to a digest and makes the image desired.
func (r *resolver) image(request reconcile.ImageRequest) (reconcile.Image, error) {
	result, ok := r.in.Images[request]
	if !ok {
		return reconcile.Image{}, fmt.Errorf("image %s was not resolved", request.Reference)
	}
	if result.Err != nil {
		return reconcile.Image{}, in(reconcile.PartImage, result.Err)
	}
	r.desired.Images[result.Image.Key()] = result.Image
	r.made.images[request] = result.Image
	return result.Image, nil
}

// imageOf is the image of a container. A tree of the node stands for one that has no configuration and no id.
func (r *resolver) imageOf(run runnable) (reconcile.Image, error) {
	if run.Rootfs != "" {
		return reconcile.Image{Image: bundle.Image{Reference: run.Rootfs}}, nil
	}
	request, ok := containerRequest(run.ContainerSpec, r.images)
	if !ok {
		return reconcile.Image{}, errors.New("its image is not defined: add the Image object, or write image instead of imageRef")
	}
	return r.image(request)
}

// container resolves one container to a bundle and a unit.
func (r *resolver) container(run runnable, source object.Position) error {
	if err := r.claimUnit(run.unit(), run.ref); err != nil {
		return at("name", err)
	}
	image, err := r.imageOf(run)
	if err != nil {
		return err
	}
	run = r.healthcheck(run, image)
	network, networks := bundle.Network{Mode: bundle.NetworkSandbox}, []string(nil)
	if run.sandbox == "" {
		if network, networks, err = r.attach(run.SandboxFields, run.Ports, run.names); err != nil {
			return in(reconcile.PartNetwork, at(run.podAt, err))
		}
	}
	environment, err := r.environmentOf(run, image)
	if err != nil {
		return err
	}
	if err := checkEnding(run); err != nil {
		return err
	}
	edits, err := r.cdiEdits(run)
	if err != nil {
		return in(reconcile.PartNode, err)
	}
	environment.edit(edits.Env)
	storage, err := r.mount(run, image, environment)
	if err != nil {
		return in(reconcile.PartVolume, err)
	}
	storage.edit(edits.Mounts)
	spec, err := r.ociSpec(run, image, environment, storage)
	if err != nil {
		return err
	}
	secrets, ok, err := environment.secretFile()
	if err != nil {
		return err
	}
	if ok {
		storage.files = append(storage.files, secrets)
	}
	editSpec(spec, edits)
	b := &bundle.Bundle{Spec: spec, Launch: r.launchOf(run, image, environment, storage)}
	b.Devices = append(b.Devices, cdiNodes(edits)...)
	b.Network = network
	b.Network.Keep = keepsNetwork(run, b)
	if b.Runtime, err = r.runtime(run.Runtime); err != nil {
		return in(reconcile.PartNode, err)
	}
	signal, err := stopSignal(run.ContainerSpec, image)
	if err != nil {
		return err
	}
	unit, err := r.unitOf(run, b, signal)
	if err != nil {
		return err
	}
	unit.RequiresMountsFor = append([]string{bundle.StateDir, r.in.Node.StorageRoot}, storage.hostDirs...)
	if run.Rootfs != "" {
		unit.RequiresMountsFor = append(unit.RequiresMountsFor, run.Rootfs)
	}
	workload := reconcile.Workload{Ref: run.ref, Keep: run.keep, Unit: &unit, Bundle: b, Networks: networks, Volumes: storage.volumes}
	workload.Update = updateOf(run.UpdatePolicy, r.in.Node.MinReadySeconds)
	if run.role != units.RoleContainer { // its start is its whole run: there is nothing to wait for
		workload.Update.Deadline, workload.Update.Soak, workload.Update.AtOnce, workload.Update.Whole = 0, 0, 0, false
	}
	if run.ttl != nil {
		ttl := time.Duration(*run.ttl) * time.Second
		workload.TTL = &ttl
	}
	return r.workload(workload, source)
}

// launchOf returns the launcher's settings beside the OCI configuration.
func (r *resolver) launchOf(run runnable, image reconcile.Image, environment *environment, storage storage) bundle.Launch {
	launch := bundle.Launch{
		ID:           run.name,
		Object:       run.ref.String(),
		Image:        image.Image,
		User:         userOf(run.ContainerSpec, image),
		UIDMappings:  idMappings(run.UserNamespace.UIDs()),
		GIDMappings:  idMappings(run.UserNamespace.GIDs()),
		SELinux:      seLinux(run.SecurityContext.SELinuxOptions, run.SecurityContext.Privileged),
		RunAsNonRoot: run.SecurityContext.RunAsNonRoot != nil && *run.SecurityContext.RunAsNonRoot,
		Init:         run.Init,
		Sandbox:      run.sandbox,
		Replica:      run.replica,
		RunOnce:      run.role == units.RoleJob,
		Due:          run.due,
		Sockets:      socketNames(run.Sockets),
		Output:       outputs[run.Logging.Driver],
		HostAliases:  hostAliases(run.HostAliases),
		DNS:          dnsOf(run.SandboxFields),
		Devices:      r.devicesOf(run.Devices),
		AllDevices:   run.SecurityContext.Privileged,
		// ALL means all that exist; a capability requested by name must exist.
		AllCapabilities: run.SecurityContext.Privileged || slices.Contains(run.SecurityContext.Capabilities.Add, "ALL"),
		Files:           storage.files,
		EmptyDirs:       storage.emptyDirs,
		DiskLimits:      storage.limits,
		SubPaths:        storage.subPaths,
		ImageVolumes:    storage.images,
		HostPaths:       storage.hostPaths,
		Env:             bundle.Env{Dynamic: environment.dynamic},
		Reload:          bundle.Reload{Signal: run.Reload.Signal},
		Notify:          run.Notify == v1.NotifyContainer,
		// A profile of the node's owner stands as it is written.
		OwnCalls: filterOf(run.SecurityContext) == v1.SeccompRuntimeDefault,
		Health:   healthOf(run),
	}
	if run.Rootfs != "" {
		root, _ := r.hostRoot(run.Rootfs, false)
		launch.Rootfs = &bundle.HostPath{Path: run.Rootfs, Type: "Directory", Root: root}
	}
	if run.Reload.Exec != nil {
		launch.Reload.Exec = run.Reload.Exec.Command
	}
	for _, file := range run.EnvFiles {
		root, _ := r.hostRoot(file.Path, false)
		launch.Env.Files = append(launch.Env.Files, bundle.EnvFile{Path: file.Path, Root: root, Optional: file.Optional})
		launch.Env.Fixed = environment.fixed()
	}
	return launch
}

// stamp returns the marks by which davit recognises a unit of the object.
func (r *resolver) stamp(ref v1.Ref) units.Stamp {
	return units.Stamp{Object: ref.String(), Keep: r.kept[ref]}
}

// outputs maps the log drivers to where a bundle sends output.
var outputs = map[string]string{v1.LogPipe: bundle.OutputPipe, v1.LogNone: bundle.OutputNone}

// workload renders the bundle and the unit that starts it, and makes them desired.
func (r *resolver) workload(w reconcile.Workload, source object.Position) error {
	var text []byte
	var err error
	if !r.rehearses {
		text, err = w.Bundle.Encode()
	}
	if err != nil {
		return err
	}
	w.BundleDir = bundle.DirName(w.Bundle.ID, text)
	w.Source = fmt.Sprintf("%s:%d", source.File, source.Line)
	unit := w.Unit
	unit.SourcePath, unit.Stamp = source.File, r.stamp(w.Ref)
	unit.Launcher, unit.Bundle = r.in.Node.Launcher, bundle.Path(w.BundleDir)
	if unit.Role == units.RoleJob {
		unit.CompletedFile = bundle.CompletedFile(w.BundleDir)
	}
	if w.UnitText, err = units.Render(*unit); err != nil {
		return err
	}
	r.desired.Workloads[unit.Name] = w
	return nil
}

// partError is an error with the part that it lies in.
type partError struct {
	part reconcile.Part
	error
}

func (e partError) Unwrap() error { return e.error }

// in gives an error its part; nil stays nil.
func in(part reconcile.Part, err error) error {
	if err == nil {
		return nil
	}
	return partError{part, err}
}
