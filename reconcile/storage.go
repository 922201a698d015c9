package reconcile

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"k8s.io/apimachinery/pkg/api/resource"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units/bundle"
)

// storage is what a container's volumeMounts come to.
type storage struct {
	mounts    []specs.Mount
	emptyDirs []bundle.EmptyDir
	hostPaths []bundle.HostPath
	hostDirs  []string // host paths that must be mounted before the unit starts
	volumes   []string // named volumes
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
			r.problem(declared.Ref(), err)
			continue
		}
		r.desired.Volumes[name] = Volume{
			Ref: declared.Ref(), UID: int(value(spec.UID)), GID: int(value(spec.GID)), Mode: mode,
		}
	}
}

// mount turns a container's volumeMounts into mounts of its bundle.
func (r *resolver) mount(container *v1.Container) (storage, error) {
	own := map[string]v1.PodVolume{}
	for _, volume := range container.Spec.Volumes {
		own[volume.Name] = volume
	}
	var s storage
	for _, mount := range container.Spec.VolumeMounts {
		var err error
		if volume, ok := own[mount.Name]; ok {
			err = s.add(mount, v1.VolumeSpec{HostPath: volume.HostPath, EmptyDir: volume.EmptyDir})
		} else if spec, ok := r.volumeSpec[mount.Name]; ok {
			err = s.add(mount, spec)
		} else {
			err = fmt.Errorf("volume %s is not defined: add a Volume object or an entry of spec.volumes", mount.Name)
		}
		if err != nil {
			return storage{}, fmt.Errorf("mount %s: %w", mount.MountPath, err)
		}
	}
	if zone := container.Spec.TimeZone; zone != "" {
		s.bind(filepath.Join("/usr/share/zoneinfo", zone), "/etc/localtime", true)
	}
	return s, nil
}

func (s *storage) add(mount v1.VolumeMount, spec v1.VolumeSpec) error {
	switch {
	case spec.HostPath != nil:
		s.bind(spec.HostPath.Path, mount.MountPath, mount.ReadOnly)
		s.hostDirs = append(s.hostDirs, spec.HostPath.Path)
		if spec.HostPath.Type != "" {
			s.hostPaths = append(s.hostPaths, bundle.HostPath{Path: spec.HostPath.Path, Type: spec.HostPath.Type})
		}
	case spec.EmptyDir != nil && spec.EmptyDir.Medium == v1.MediumMemory:
		return s.tmpfs(mount, spec)
	case spec.EmptyDir != nil:
		s.bind(bundle.EmptyDirSource(mount.Name), mount.MountPath, mount.ReadOnly)
		s.emptyDirs = append(s.emptyDirs, bundle.EmptyDir{Name: mount.Name})
	default:
		s.bind(filepath.Join(bundle.VolumesDir, mount.Name), mount.MountPath, mount.ReadOnly)
		s.volumes = append(s.volumes, mount.Name)
	}
	return nil
}

// bind mounts a path of the node. nosuid and nodev are on: data is no place for set-id
// programs and devices.
func (s *storage) bind(source, destination string, readOnly bool) {
	options := []string{"rbind", "rprivate", "nosuid", "nodev"}
	if readOnly {
		options = append(options, "ro")
	}
	s.mounts = append(s.mounts, specs.Mount{
		Type: "bind", Source: source, Destination: destination, Options: options,
	})
}

func (s *storage) tmpfs(mount v1.VolumeMount, spec v1.VolumeSpec) error {
	mode, err := modeOf(spec.Mode)
	if err != nil {
		return err
	}
	options := []string{
		"nosuid", "nodev",
		fmt.Sprintf("mode=%04o", mode),
		fmt.Sprintf("uid=%d", value(spec.UID)), fmt.Sprintf("gid=%d", value(spec.GID)),
	}
	if limit := spec.EmptyDir.SizeLimit; limit != "" {
		size, err := resource.ParseQuantity(string(limit))
		if err != nil {
			return fmt.Errorf("sizeLimit %s: %w", limit, err)
		}
		options = append(options, fmt.Sprintf("size=%d", size.Value()))
	}
	if mount.ReadOnly {
		options = append(options, "ro")
	}
	s.mounts = append(s.mounts, specs.Mount{
		Type: "tmpfs", Source: "tmpfs", Destination: mount.MountPath, Options: options,
	})
	return nil
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
