package resolve

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// storage is the result for a container's volumeMounts.
type storage struct {
	mounts    []specs.Mount
	emptyDirs []bundle.EmptyDir
	subPaths  []bundle.SubPath
	images    []bundle.Image
	hostPaths []bundle.HostPath
	files     []bundle.File
	hostDirs  []string // host paths that must be mounted before the unit starts
	volumes   []string // named volumes
	limits    []bundle.DiskLimit
	masked    []string // paths that the container does not see
}

// volumes makes the declared named volumes desired and remembers all declared volumes.
func (r *resolver) volumes() {
	r.volumeSpec = map[string]v1.VolumeSpec{}
	for _, object := range r.in.Objects {
		declared, ok := object.Object.(*v1.Volume)
		if !ok {
			continue
		}
		name, spec := declared.Metadata.Name, declared.Spec
		r.volumeSpec[name] = spec
		if spec.HostPath != nil || spec.EmptyDir != nil {
			continue
		}
		mode, err := modeOf(spec.Mode)
		if err != nil {
			r.problem(object, err)
			continue
		}
		r.desired.Volumes[name] = reconcile.Volume{
			Ref: declared.Ref(), UID: int(value(spec.UID)), GID: int(value(spec.GID)), Mode: mode,
			Filled: spec.UID == nil && spec.GID == nil && spec.Mode == "",
			Delete: spec.ReclaimPolicy == v1.ReclaimDelete,
		}
	}
}

// mount turns a container's volumeMounts into mounts of its bundle.
func (r *resolver) mount(run runnable, image reconcile.Image, environment *environment) (storage, error) {
	own := map[string]v1.PodVolume{}
	for _, volume := range run.Volumes {
		own[volume.Name] = volume
	}
	s := storage{}
	for i, mount := range run.VolumeMounts {
		source, err := r.source(own, mount.Name)
		if err == nil {
			err = r.addMount(&s, run, mount, source, environment)
		}
		if err != nil {
			return storage{}, at(fmt.Sprintf("volumeMounts[%d]", i), fmt.Errorf("mount %s: %w", mount.MountPath, err))
		}
		// The launcher maps the layers of an image; an overlay of them cannot be mapped itself.
		if last := &s.mounts[len(s.mounts)-1]; run.OwnUsers() && source.Image == nil && last.Type == "bind" && !keepsOwners(run, source) {
			last.Options = append(last.Options, reconcile.MappedMount)
		}
	}
	if zone := run.TimeZone; zone != "" {
		s.mounts = append(s.mounts, bind(path.Join("/usr/share/zoneinfo", zone), v1.VolumeMount{MountPath: "/etc/localtime", ReadOnly: true}))
	}
	if run.SecurityContext.ReadOnlyRootFilesystem {
		if err := s.openImageVolumes(image); err != nil {
			return storage{}, err
		}
	}
	slices.SortStableFunc(s.mounts, byDepth)
	var err error
	s.limits, err = r.diskLimits(run)
	return s, err
}

// keepsOwners reports whether the files of a volume have the owners inside that they have on the node: paths of the node do where
// a workload names users of the node.
func keepsOwners(run runnable, source volume) bool {
	return source.HostPath != nil && run.UserNamespace != nil
}

// maxImageVolumes is how many directories an image may declare as volumes; few have more than one.
const maxImageVolumes = 64

// openImageVolumes keeps the directories writable that an image declares as its volumes, under a read-only root file system:
// their content goes with the run, like the root file system's. The manifest's own mounts take precedence.
func (s *storage) openImageVolumes(image reconcile.Image) error {
	declared := slices.Sorted(maps.Keys(image.Config.Volumes))
	if len(declared) > maxImageVolumes {
		return fmt.Errorf("image %s declares %d volumes: davit takes at most %d", image.Reference, len(declared), maxImageVolumes)
	}
	for _, volume := range declared {
		dir := path.Clean("/" + volume)
		covered := slices.ContainsFunc(s.mounts, func(mount specs.Mount) bool { return isBelow(dir, mount.Destination) })
		if dir == "/" || covered || underKernelTree(dir) {
			continue
		}
		s.subPaths = append(s.subPaths, bundle.SubPath{Volume: bundle.RootfsSource, Path: dir[1:]})
		s.mounts = append(s.mounts, bind(bundle.SubPathSource(len(s.subPaths)-1), v1.VolumeMount{MountPath: dir}))
	}
	return nil
}

// isBelow reports whether a path is a directory or lies in it.
func isBelow(file, dir string) bool {
	dir = path.Clean(dir)
	return file == dir || strings.HasPrefix(file, dir+"/")
}

// byDepth orders mounts so that none hides another one that lies below it, whatever the order in the manifest: a runtime makes
// them one after the other (https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config.md#mounts). Docker, Podman and
// containerd do so too.
func byDepth(a, b specs.Mount) int { return cmp.Compare(depth(a.Destination), depth(b.Destination)) }

// depth is how many directories lead to a path.
func depth(file string) int { return strings.Count(path.Clean(file), "/") }

// volume is a volume of any origin: a Volume object, or one of the container's own.
type volume struct {
	v1.VolumeSource
	name string         // of the Volume object
	spec *v1.VolumeSpec // of the Volume object
	// readOnly holds for every mount.
	readOnly bool
}

// source finds the volume that a volumeMount names.
func (r *resolver) source(own map[string]v1.PodVolume, name string) (volume, error) {
	found, ok := own[name]
	if claim := found.PersistentVolumeClaim; claim != nil {
		declared, err := r.declaredVolume(claim.ClaimName)
		declared.readOnly = claim.ReadOnly
		return declared, err
	}
	if ok {
		return volume{VolumeSource: found.VolumeSource}, nil
	}
	return r.declaredVolume(name)
}

func (r *resolver) declaredVolume(name string) (volume, error) {
	spec, ok := r.volumeSpec[name]
	if !ok {
		return volume{}, fmt.Errorf("volume %s is not defined: add a Volume object or an entry of spec.volumes", name)
	}
	return volume{VolumeSource: v1.VolumeSource{HostPath: spec.HostPath, EmptyDir: spec.EmptyDir}, name: name, spec: &spec}, nil
}

// addMount adds one mount, of the volume or of a path inside it.
func (r *resolver) addMount(s *storage, run runnable, mount v1.VolumeMount, from volume, environment *environment) error {
	mount.ReadOnly = mount.ReadOnly || from.readOnly
	subPath, err := subPathOf(mount, environment)
	if err != nil {
		return err
	}
	if tree, ok, err := r.files(run, from.VolumeSource); ok || err != nil {
		volume := slices.IndexFunc(run.Volumes, func(declared v1.PodVolume) bool { return declared.Name == mount.Name })
		return s.addFiles(mount, tree, subPath, at(fmt.Sprintf("%s.volumes[%d]", run.podAt, volume), err))
	}
	var source string
	switch {
	case from.Image != nil:
		if source, err = r.imageVolume(s, *from.Image); err != nil {
			return err
		}
		mount.ReadOnly = true
	case from.HostPath != nil:
		source = r.hostPath(s, *from.HostPath, mount.ReadOnly)
	case from.EmptyDir != nil && from.name == "" && run.sandbox != "":
		source = bundle.EmptyDirSource(mount.Name) // the sandbox makes it
	case from.EmptyDir != nil && from.EmptyDir.Medium == v1.MediumMemory:
		if subPath != "" {
			return errors.New("a tmpfs has no subPath: it is empty")
		}
		return s.tmpfs(mount, from, run.fsGroup)
	case from.EmptyDir != nil:
		source = bundle.EmptyDirSource(mount.Name)
		if err := s.addEmptyDir(mount.Name, *from.EmptyDir, run.hugePages, run.fsGroup); err != nil {
			return err
		}
	default:
		source = path.Join(bundle.VolumesDir, from.name)
		s.volumes = append(s.volumes, from.name)
	}
	if subPath != "" {
		s.subPaths = append(s.subPaths, bundle.SubPath{Volume: source, Path: subPath})
		source = bundle.SubPathSource(len(s.subPaths) - 1)
	}
	bound := bind(source, mount)
	if bound.Options, err = r.recursively(bound.Options, mount); err != nil {
		return err
	}
	s.mounts = append(s.mounts, bound)
	if from.HostPath != nil && from.HostPath.Path == "/" {
		s.masked = append(s.masked, r.ownTrees(mount.MountPath)...)
	}
	return nil
}

// recursiveOptions make the mounts below a bind mount read-only, too, and give no way to devices and set-id programs of
// the node (https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config.md#linux-mount-options).
var recursiveOptions = []string{"rro", "rnosuid", "rnodev"}

func isRecursive(option string) bool { return slices.Contains(recursiveOptions, option) }

// recursively adds the recursive options to those of a bind mount that is read-only.
func (r *resolver) recursively(options []string, mount v1.VolumeMount) ([]string, error) {
	switch {
	case !mount.ReadOnly, mount.RecursiveReadOnly == v1.RecursiveReadOnlyDisabled:
		return options, nil
	case r.in.Node.RecursiveReadOnly:
		return append(options, recursiveOptions...), nil
	case mount.RecursiveReadOnly == v1.RecursiveReadOnlyEnabled:
		return nil, errors.New("recursiveReadOnly: Enabled needs Linux 5.12 or later on the node")
	}
	return options, nil
}

// ownTrees are the directories and sockets in the node's root, mounted at a path, that no container sees.
func (r *resolver) ownTrees(root string) []string {
	var paths []string
	for _, tree := range append(slices.Clone(policy.OwnTrees), r.in.Node.StorageRoot) {
		paths = append(paths, filepath.Join(root, tree))
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// addEmptyDir has the launcher make a directory. It mounts huge pages itself, because no user
// namespace can.
func (s *storage) addEmptyDir(name string, declared v1.EmptyDir, limits hugePages, fsGroup int64) error {
	if slices.ContainsFunc(s.emptyDirs, func(dir bundle.EmptyDir) bool { return dir.Name == name }) {
		return nil
	}
	dir := bundle.EmptyDir{Name: name, GID: int(fsGroup)}
	if declared.IsHugePages() {
		var err error
		if dir.HugePages, err = limits.options(declared); err != nil {
			return err
		}
	}
	s.emptyDirs = append(s.emptyDirs, dir)
	return nil
}

// hostPath is the mount source of a path of the node. Where the policy bounds such paths, a
// container that can write to one could put a link there that leads another one out of it: then
// the launcher finds the path below the directory that is allowed.
func (r *resolver) hostPath(s *storage, declared v1.HostPath, readOnly bool) string {
	path := bundle.HostPath{Path: declared.Path, Type: declared.Type}
	path.Root, path.Guarded = r.hostRoot(declared.Path, !readOnly || strings.HasSuffix(declared.Type, "OrCreate"))
	s.hostDirs = append(s.hostDirs, path.Path)
	if path.Type != "" || path.Root != "" {
		s.hostPaths = append(s.hostPaths, path)
	}
	if path.Root == "" {
		return path.Path
	}
	return bundle.HostSource(len(s.hostPaths) - 1)
}

// imageVolume is the mount source of an image's content.
func (r *resolver) imageVolume(s *storage, volume v1.ImageVolume) (string, error) {
	image, err := r.image(volumeRequest(volume))
	if err != nil {
		return "", err
	}
	index := slices.Index(s.images, image.Image)
	if index < 0 {
		index = len(s.images)
		s.images = append(s.images, image.Image)
	}
	return bundle.ImageSource(index), nil
}

// subPathOf is the path inside the volume, "" for the volume itself.
func subPathOf(mount v1.VolumeMount, environment *environment) (string, error) {
	subPath := mount.SubPath
	if mount.SubPathExpr != "" {
		expanded := environment.expand(mount.SubPathExpr)
		if expanded.secret {
			return "", fmt.Errorf("subPathExpr %q has the value of a secret", mount.SubPathExpr)
		}
		subPath = expanded.text
	}
	if subPath != "" && !filepath.IsLocal(subPath) {
		return "", fmt.Errorf("subPath %q leads out of the volume", subPath)
	}
	return subPath, nil
}

// addFiles mounts files that the bundle brings along, read-only as in Kubernetes: they are
// the manifest's.
func (s *storage) addFiles(mount v1.VolumeMount, tree fileTree, subPath string, err error) error {
	if err != nil {
		return err
	}
	dir := bundle.VolumePath(mount.Name)
	for _, file := range tree.files {
		file.Path = path.Join(dir, file.Path)
		if !slices.ContainsFunc(s.files, func(other bundle.File) bool { return other.Path == file.Path }) {
			s.files = append(s.files, file)
		}
	}
	mount.ReadOnly = true
	if len(tree.files) == 0 && subPath == "" {
		// A bundle has files, and only directories that hold one.
		s.mounts = append(s.mounts, specs.Mount{
			Type: "tmpfs", Source: "tmpfs", Destination: mount.MountPath, Options: []string{"nosuid", "nodev", "noexec", "ro", "mode=0755"},
		})
		return nil
	}
	source := path.Join(dir, subPath)
	if subPath != "" && !slices.ContainsFunc(s.files, func(file bundle.File) bool {
		return isBelow(file.Path, source)
	}) {
		return fmt.Errorf("the volume has no file %s", subPath)
	}
	s.mounts = append(s.mounts, bind(bundle.OwnSource(source), mount))
	return nil
}

// propagation maps Kubernetes' mount propagation to mount(8)'s.
var propagation = map[string]string{"": "rprivate", "None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}

// bind mounts a path of the node. nosuid and nodev are on: data is no place for set-id
// programs and devices.
func bind(source string, mount v1.VolumeMount) specs.Mount {
	options := []string{"rbind", propagation[mount.MountPropagation], "nosuid", "nodev"}
	if mount.ReadOnly {
		options = append(options, "ro")
	}
	return specs.Mount{Type: "bind", Source: source, Destination: mount.MountPath, Options: options}
}

func (s *storage) tmpfs(mount v1.VolumeMount, from volume, fsGroup int64) error {
	spec := openSpec(fsGroup)
	if from.spec != nil {
		spec = *from.spec
	}
	options, err := tmpfsOptions(spec, *from.EmptyDir)
	if err != nil {
		return err
	}
	if mount.ReadOnly {
		options = append(options, "ro")
	}
	s.mounts = append(s.mounts, specs.Mount{
		Type: "tmpfs", Source: "tmpfs", Destination: mount.MountPath, Options: options,
	})
	return nil
}

// openSpec returns the owner and mode of Kubernetes' emptyDir, which any user can write to, and whose new files belong to the
// pod's fsGroup.
func openSpec(fsGroup int64) v1.VolumeSpec {
	if fsGroup == 0 {
		return v1.VolumeSpec{Mode: "0777"}
	}
	return v1.VolumeSpec{Mode: "2777", GID: &fsGroup}
}

// tmpfsOptions are the mount options of a volume in memory.
func tmpfsOptions(spec v1.VolumeSpec, declared v1.EmptyDir) ([]string, error) {
	mode, err := modeOf(spec.Mode)
	if err != nil {
		return nil, err
	}
	options := []string{
		"nosuid", "nodev",
		fmt.Sprintf("mode=%04o", mode),
		fmt.Sprintf("uid=%d", value(spec.UID)), fmt.Sprintf("gid=%d", value(spec.GID)),
	}
	if limit := declared.SizeLimit; limit != "" {
		size, err := resource.ParseQuantity(string(limit))
		if err != nil {
			return nil, fmt.Errorf("sizeLimit %s: %w", limit, err)
		}
		options = append(options, fmt.Sprintf("size=%d", size.Value()))
	}
	return options, nil
}

// modeOf parses a volume's mode; the default is 0755.
func modeOf(octal string) (uint32, error) {
	if octal == "" {
		return 0o755, nil
	}
	mode, err := strconv.ParseUint(octal, 8, 12)
	if err != nil {
		return 0, fmt.Errorf("mode %s: want an octal number such as 0750", octal)
	}
	return uint32(mode), nil
}

// value is the number p points to, or 0.
func value(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}
