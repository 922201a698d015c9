package check

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func checkVolumes(s *Subject, at string, volumes []v1.PodVolume) {
	names := map[string]bool{}
	for i, volume := range volumes {
		field := fmt.Sprintf("%s.volumes[%d]", at, i)
		checkName(s, field+".name", volume.Name)
		if names[volume.Name] {
			s.errorf(field+".name", "volume %s appears twice", volume.Name)
		}
		names[volume.Name] = true
		checkSource(s, field, volume.VolumeSource)
	}
}

// checkSource checks where the content of a container's own volume comes from.
func checkSource(s *Subject, field string, source v1.VolumeSource) {
	exactlyOne(s, field, choice{"hostPath", source.HostPath != nil}, choice{"emptyDir", source.EmptyDir != nil},
		choice{"configMap", source.ConfigMap != nil}, choice{"secret", source.Secret != nil}, choice{"downwardAPI", source.DownwardAPI != nil},
		choice{"projected", source.Projected != nil}, choice{"persistentVolumeClaim", source.PersistentVolumeClaim != nil},
		choice{"image", source.Image != nil})
	checkVolumeSource(s, field, source.HostPath, source.EmptyDir)
	if from := source.ConfigMap; from != nil {
		checkItems(s, field+".configMap", from.Items)
		checkOwner(s, field+".configMap", from.UID, from.GID)
	}
	if from := source.Secret; from != nil {
		checkItems(s, field+".secret", from.Items)
		checkOwner(s, field+".secret", from.UID, from.GID)
	}
	if from := source.DownwardAPI; from != nil {
		checkDownward(s, field+".downwardAPI", from.Items)
	}
	if from := source.Projected; from != nil {
		checkProjections(s, field+".projected", from.Sources)
	}
	if from := source.Image; from != nil {
		checkReference(s, field+".image.reference", from.Reference)
	}
}

func checkProjections(s *Subject, field string, sources []v1.Projection) {
	for i, source := range sources {
		at := fmt.Sprintf("%s.sources[%d]", field, i)
		exactlyOne(s, at, choice{"configMap", source.ConfigMap != nil}, choice{"secret", source.Secret != nil}, choice{"downwardAPI", source.DownwardAPI != nil})
		if from := source.ConfigMap; from != nil {
			checkItems(s, at+".configMap", from.Items)
		}
		if from := source.Secret; from != nil {
			checkItems(s, at+".secret", from.Items)
		}
		if from := source.DownwardAPI; from != nil {
			checkDownward(s, at+".downwardAPI", from.Items)
		}
	}
}

func checkItems(s *Subject, field string, items []v1.KeyPath) {
	for i, item := range items {
		at := fmt.Sprintf("%s.items[%d]", field, i)
		checkKey(s, at+".key", item.Key)
		relative(s, at+".path", item.Path)
	}
}

func checkDownward(s *Subject, field string, items []v1.DownwardFile) {
	for i, item := range items {
		at := fmt.Sprintf("%s.items[%d]", field, i)
		relative(s, at+".path", item.Path)
		exactlyOne(s, at, choice{"fieldRef", item.FieldRef != nil}, choice{"resourceFieldRef", item.ResourceFieldRef != nil})
		if item.FieldRef != nil {
			checkFieldRef(s, at+".fieldRef", *item.FieldRef)
			if strings.HasPrefix(item.FieldRef.FieldPath, "status.") {
				s.errorf(at+".fieldRef.fieldPath", "%s is known only at start: want it as a variable", item.FieldRef.FieldPath)
			}
		}
		if item.ResourceFieldRef != nil {
			checkResourceFieldRef(s, at+".resourceFieldRef", *item.ResourceFieldRef)
		}
	}
}

func checkOwner(s *Subject, field string, uid, gid *int64) {
	for name, id := range map[string]*int64{"uid": uid, "gid": gid} {
		if id != nil {
			checkID(s, field+"."+name, *id)
		}
	}
}

// relative checks a path inside a volume.
func relative(s *Subject, field, value string) {
	if !filepath.IsLocal(value) || path.Clean(value) != value || value == "." {
		s.errorf(field, "%q: want a path inside the volume, without . and ..", value)
		return
	}
	if checkPath(s, field, value, maxPathInside) {
		checkCharacters(s, field, value)
	}
}

func checkKey(s *Subject, field, key string) {
	if len(validation.IsConfigMapKey(key)) > 0 {
		s.errorf(field, "%q: want a key of letters, digits, '-', '_' and '.'", key)
	}
}

func checkMounts(s *Subject, at string, mounts []v1.VolumeMount) {
	for i, mount := range mounts {
		field := fmt.Sprintf("%s.volumeMounts[%d]", at, i)
		checkName(s, field+".name", mount.Name)
		checkSubPath(s, field, mount)
		checkRecursive(s, field, mount)
		if !absolute(s, field+".mountPath", mount.MountPath) || !checkPath(s, field+".mountPath", mount.MountPath, maxPathInside) {
			continue
		}
		if mount.MountPath == "/" || kernelTree(mount.MountPath) && !below("/dev/shm", mount.MountPath) {
			s.errorf(field+".mountPath", "%q: want a path outside /, /proc, /sys and /dev", mount.MountPath)
		}
		for _, earlier := range mounts[:i] {
			if earlier.MountPath == mount.MountPath {
				s.errorf(field+".mountPath", "%s has a volume already", mount.MountPath)
			}
		}
	}
}

// checkRecursive checks recursiveReadOnly as the API server does
// (https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/3857-rro-mounts).
func checkRecursive(s *Subject, field string, mount v1.VolumeMount) {
	field += ".recursiveReadOnly"
	switch {
	case mount.RecursiveReadOnly == "" || mount.RecursiveReadOnly == v1.RecursiveReadOnlyDisabled:
	case !mount.ReadOnly:
		s.errorf(field, "%s is for a mount that is read-only: add readOnly: true", mount.RecursiveReadOnly)
	case mount.MountPropagation != "" && mount.MountPropagation != "None":
		s.errorf(field, "mounts that mountPropagation: %s brings later are as they are on the node: leave one of the two out", mount.MountPropagation)
	}
}

// checkRootMounts checks how the node's root is mounted: davit's own directories are below it.
func checkRootMounts(s *Subject, at string, mounts []v1.VolumeMount, volumes []v1.PodVolume) {
	for i, mount := range mounts {
		isRoot := slices.ContainsFunc(volumes, func(volume v1.PodVolume) bool {
			return volume.Name == mount.Name && volume.HostPath != nil && volume.HostPath.Path == "/"
		})
		field := fmt.Sprintf("%s.volumeMounts[%d]", at, i)
		switch {
		case !isRoot:
		case !mount.ReadOnly:
			s.errorf(field+".name", "the node's root is mounted read-only only: add readOnly: true")
		case mount.RecursiveReadOnly == v1.RecursiveReadOnlyDisabled:
			s.errorf(field+".recursiveReadOnly", "mounts below the node's root would be writable: leave it out")
		case mount.MountPropagation == "Bidirectional":
			s.errorf(field+".mountPropagation", "the container could mount over the node's root: want None or HostToContainer")
		case mount.SubPath != "" || mount.SubPathExpr != "":
			s.errorf(field+".name", "a path in the node's root is a hostPath itself: leave subPath out")
		}
	}
}

func checkSubPath(s *Subject, field string, mount v1.VolumeMount) {
	if mount.SubPath != "" {
		relative(s, field+".subPath", mount.SubPath)
		if mount.SubPathExpr != "" {
			s.errorf(field+".subPathExpr", "there is a subPath already: want one of the two")
		}
	}
	if mount.SubPathExpr != "" {
		relative(s, field+".subPathExpr", mount.SubPathExpr)
	}
}
