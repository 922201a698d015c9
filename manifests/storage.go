package manifests

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"tags.cncf.io/container-device-interface/pkg/parser"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func (d *document) checkVolumes(at string, volumes []v1.PodVolume) {
	names := map[string]bool{}
	for i, volume := range volumes {
		field := fmt.Sprintf("%s.volumes[%d]", at, i)
		d.checkName(field+".name", volume.Name)
		if names[volume.Name] {
			d.errorf(field+".name", "volume %s appears twice", volume.Name)
		}
		names[volume.Name] = true
		d.checkSource(field, volume.VolumeSource)
	}
}

// checkSource checks where the content of a container's own volume comes from.
func (d *document) checkSource(field string, source v1.VolumeSource) {
	d.exactlyOne(field, choice{"hostPath", source.HostPath != nil}, choice{"emptyDir", source.EmptyDir != nil},
		choice{"configMap", source.ConfigMap != nil}, choice{"secret", source.Secret != nil}, choice{"downwardAPI", source.DownwardAPI != nil},
		choice{"projected", source.Projected != nil}, choice{"persistentVolumeClaim", source.PersistentVolumeClaim != nil},
		choice{"image", source.Image != nil})
	d.checkVolumeSource(field, source.HostPath, source.EmptyDir)
	if s := source.ConfigMap; s != nil {
		d.checkItems(field+".configMap", s.Items)
		d.checkOwner(field+".configMap", s.UID, s.GID)
	}
	if s := source.Secret; s != nil {
		d.checkItems(field+".secret", s.Items)
		d.checkOwner(field+".secret", s.UID, s.GID)
	}
	if s := source.DownwardAPI; s != nil {
		d.checkDownward(field+".downwardAPI", s.Items)
	}
	if s := source.Projected; s != nil {
		d.checkProjections(field+".projected", s.Sources)
	}
	if s := source.Image; s != nil {
		d.checkReference(field+".image.reference", s.Reference)
	}
}

func (d *document) checkProjections(field string, sources []v1.Projection) {
	for i, source := range sources {
		at := fmt.Sprintf("%s.sources[%d]", field, i)
		d.exactlyOne(at, choice{"configMap", source.ConfigMap != nil}, choice{"secret", source.Secret != nil}, choice{"downwardAPI", source.DownwardAPI != nil})
		if s := source.ConfigMap; s != nil {
			d.checkItems(at+".configMap", s.Items)
		}
		if s := source.Secret; s != nil {
			d.checkItems(at+".secret", s.Items)
		}
		if s := source.DownwardAPI; s != nil {
			d.checkDownward(at+".downwardAPI", s.Items)
		}
	}
}

func (d *document) checkItems(field string, items []v1.KeyPath) {
	for i, item := range items {
		at := fmt.Sprintf("%s.items[%d]", field, i)
		d.checkKey(at+".key", item.Key)
		d.relative(at+".path", item.Path)
	}
}

func (d *document) checkDownward(field string, items []v1.DownwardFile) {
	for i, item := range items {
		at := fmt.Sprintf("%s.items[%d]", field, i)
		d.relative(at+".path", item.Path)
		d.exactlyOne(at, choice{"fieldRef", item.FieldRef != nil}, choice{"resourceFieldRef", item.ResourceFieldRef != nil})
		if item.FieldRef != nil {
			d.checkFieldRef(at+".fieldRef", *item.FieldRef)
			if strings.HasPrefix(item.FieldRef.FieldPath, "status.") {
				d.errorf(at+".fieldRef.fieldPath", "%s is known only at start: want it as a variable", item.FieldRef.FieldPath)
			}
		}
		if item.ResourceFieldRef != nil {
			d.checkResourceFieldRef(at+".resourceFieldRef", *item.ResourceFieldRef)
		}
	}
}

func (d *document) checkOwner(field string, uid, gid *int64) {
	for name, id := range map[string]*int64{"uid": uid, "gid": gid} {
		if id != nil {
			d.checkID(field+"."+name, *id)
		}
	}
}

// relative checks a path inside a volume.
func (d *document) relative(field, value string) {
	if !filepath.IsLocal(value) || path.Clean(value) != value || value == "." {
		d.errorf(field, "%q: want a path inside the volume, without . and ..", value)
		return
	}
	if d.checkPath(field, value, maxPathInside) {
		d.checkCharacters(field, value)
	}
}

func (d *document) checkKey(field, key string) {
	if len(validation.IsConfigMapKey(key)) > 0 {
		d.errorf(field, "%q: want a key of letters, digits, '-', '_' and '.'", key)
	}
}

func (d *document) checkMounts(at string, mounts []v1.VolumeMount) {
	for i, mount := range mounts {
		field := fmt.Sprintf("%s.volumeMounts[%d]", at, i)
		d.checkName(field+".name", mount.Name)
		d.checkSubPath(field, mount)
		d.checkRecursive(field, mount)
		if !d.absolute(field+".mountPath", mount.MountPath) || !d.checkPath(field+".mountPath", mount.MountPath, maxPathInside) {
			continue
		}
		if mount.MountPath == "/" || kernelTree(mount.MountPath) && !below("/dev/shm", mount.MountPath) {
			d.errorf(field+".mountPath", "%q: want a path outside /, /proc, /sys and /dev", mount.MountPath)
		}
		for _, earlier := range mounts[:i] {
			if earlier.MountPath == mount.MountPath {
				d.errorf(field+".mountPath", "%s has a volume already", mount.MountPath)
			}
		}
	}
}

// checkRecursive checks recursiveReadOnly as the API server does
// (https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/3857-rro-mounts).
func (d *document) checkRecursive(field string, mount v1.VolumeMount) {
	field += ".recursiveReadOnly"
	switch {
	case mount.RecursiveReadOnly == "" || mount.RecursiveReadOnly == v1.RecursiveReadOnlyDisabled:
	case !mount.ReadOnly:
		d.errorf(field, "%s is for a mount that is read-only: add readOnly: true", mount.RecursiveReadOnly)
	case mount.MountPropagation != "" && mount.MountPropagation != "None":
		d.errorf(field, "mounts that mountPropagation: %s brings later are as they are on the node: leave one of the two out", mount.MountPropagation)
	}
}

// checkRootMounts checks how the node's root is mounted: davit's own directories are below it.
func (d *document) checkRootMounts(at string, mounts []v1.VolumeMount, volumes []v1.PodVolume) {
	for i, mount := range mounts {
		isRoot := slices.ContainsFunc(volumes, func(volume v1.PodVolume) bool {
			return volume.Name == mount.Name && volume.HostPath != nil && volume.HostPath.Path == "/"
		})
		field := fmt.Sprintf("%s.volumeMounts[%d]", at, i)
		switch {
		case !isRoot:
		case !mount.ReadOnly:
			d.errorf(field+".name", "the node's root is mounted read-only only: add readOnly: true")
		case mount.RecursiveReadOnly == v1.RecursiveReadOnlyDisabled:
			d.errorf(field+".recursiveReadOnly", "mounts below the node's root would be writable: leave it out")
		case mount.MountPropagation == "Bidirectional":
			d.errorf(field+".mountPropagation", "the container could mount over the node's root: want None or HostToContainer")
		case mount.SubPath != "" || mount.SubPathExpr != "":
			d.errorf(field+".name", "a path in the node's root is a hostPath itself: leave subPath out")
		}
	}
}

func (d *document) checkSubPath(field string, mount v1.VolumeMount) {
	if mount.SubPath != "" {
		d.relative(field+".subPath", mount.SubPath)
		if mount.SubPathExpr != "" {
			d.errorf(field+".subPathExpr", "there is a subPath already: want one of the two")
		}
	}
	if mount.SubPathExpr != "" {
		d.relative(field+".subPathExpr", mount.SubPathExpr)
	}
}

var devicePermissions = regexp.MustCompile(`^(r|w|m|rw|rm|wm|rwm)$`)

func (d *document) checkDevices(at string, devices []v1.Device) {
	for i, device := range devices {
		field := fmt.Sprintf("%s.devices[%d]", at, i)
		if device.IsCDI() {
			d.checkCDIDevice(field, device)
			continue
		}
		if d.absolute(field+".path", device.Path) && (!below("/dev", device.Path) || device.Path == "/dev") {
			d.errorf(field+".path", "%q: want a device below /dev", device.Path)
		}
		if device.ContainerPath != "" && d.absolute(field+".containerPath", device.ContainerPath) && !below("/dev", device.ContainerPath) {
			d.errorf(field+".containerPath", "%q: want a path below /dev", device.ContainerPath)
		}
		if device.Permissions != "" && !devicePermissions.MatchString(device.Permissions) {
			d.errorf(field+".permissions", "%q: want r, w and m, in this order", device.Permissions)
		}
	}
}

// checkCDIDevice checks a device whose specification on the node says where it appears and what may be done with it.
func (d *document) checkCDIDevice(field string, device v1.Device) {
	d.checkCDIName(field+".path", device.Path)
	for name, value := range map[string]string{"containerPath": device.ContainerPath, "permissions": device.Permissions} {
		if value != "" {
			d.errorf(field+"."+name, "the CDI specification of %s says this: leave it out", device.Path)
		}
	}
}

// checkCDIName checks the name of a CDI device
// (https://github.com/cncf-tags/container-device-interface/blob/v1.1.0/SPEC.md#kind).
func (d *document) checkCDIName(field, name string) {
	if !parser.IsQualifiedName(name) {
		d.errorf(field, "%q: want the name of a CDI device such as nvidia.com/gpu=0", name)
	}
}
