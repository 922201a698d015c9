package v1

import (
	"encoding/json"
	"fmt"
	"strings"
)

// VolumeMount mounts a volume into the container.
type VolumeMount struct {
	// Name is that of one of spec.volumes or of a Volume object.
	Name string `json:"name"`
	// MountPath is an absolute path in the container.
	MountPath string `json:"mountPath"`
	// ReadOnly mounts it read-only; the default is read-write.
	ReadOnly bool `json:"readOnly,omitempty"`
	// RecursiveReadOnly says whether readOnly also applies to the mounts below the volume: IfPossible (the
	// default) applies it if the node's kernel can (Linux 5.12), Enabled requires that, and Disabled leaves
	// them as they are on the node. A mount that mountPropagation brings later is as it is on the node.
	RecursiveReadOnly string `json:"recursiveReadOnly,omitempty" enum:"Disabled,IfPossible,Enabled"`
	// SubPath mounts a file or directory inside the volume instead of its root.
	SubPath string `json:"subPath,omitempty"`
	// SubPathExpr is a subPath in which $(NAME) stands for a variable of env.
	SubPathExpr string `json:"subPathExpr,omitempty"`
	// MountPropagation is None (the default), HostToContainer or Bidirectional, as in
	// Kubernetes.
	MountPropagation string `json:"mountPropagation,omitempty" enum:"None,HostToContainer,Bidirectional"`
}

// The values of VolumeMount.RecursiveReadOnly that davit treats apart.
const (
	RecursiveReadOnlyDisabled = "Disabled"
	RecursiveReadOnlyEnabled  = "Enabled"
)

// PodVolume is a volume that belongs to one Container or Pod. Exactly one source is
// required.
type PodVolume struct {
	// Name is the name that volumeMounts refer to.
	Name         string `json:"name"`
	VolumeSource `json:",inline"`
}

// VolumeSource is where a volume's content comes from.
type VolumeSource struct {
	// HostPath is a file or directory of the node.
	HostPath *HostPath `json:"hostPath,omitempty"`
	// EmptyDir is an empty directory that lives as long as one run.
	EmptyDir *EmptyDir `json:"emptyDir,omitempty"`
	// ConfigMap has a file for each key of a Config, or of a Kubernetes ConfigMap.
	ConfigMap *ConfigVolume `json:"configMap,omitempty"`
	// Secret has a file for each key of a Secret.
	Secret *SecretVolume `json:"secret,omitempty"`
	// DownwardAPI has files with fields of the object.
	DownwardAPI *DownwardVolume `json:"downwardAPI,omitempty"`
	// Projected puts several of them into one directory.
	Projected *ProjectedVolume `json:"projected,omitempty"`
	// PersistentVolumeClaim is a Volume object.
	PersistentVolumeClaim *ClaimVolume `json:"persistentVolumeClaim,omitempty"`
	// Image is the read-only content of an image.
	Image *ImageVolume `json:"image,omitempty"`
}

// FileMode is the mode of a file: an octal string such as "0640", or as in Kubernetes a
// decimal number (416 is 0640).
type FileMode string

// UnmarshalJSON takes octal digits as text, or a decimal number.
func (m *FileMode) UnmarshalJSON(data []byte) error {
	var number uint32
	if err := json.Unmarshal(data, &number); err == nil {
		*m = FileMode(fmt.Sprintf("%04o", number))
		return nil
	}
	return json.Unmarshal(data, (*string)(m))
}

// ConfigVolume are files made of a Config's keys.
type ConfigVolume struct {
	// Name is the Config's.
	Name string `json:"name"`
	// Items pick keys and name their files; the default is all keys, each a file of its
	// name.
	Items []KeyPath `json:"items,omitempty"`
	// DefaultMode is the files' mode; the default is "0644".
	DefaultMode FileMode `json:"defaultMode,omitempty"`
	// UID owns the files; default 0.
	UID *int64 `json:"uid,omitempty"`
	// GID is the files' group; default 0.
	GID *int64 `json:"gid,omitempty"`
	// Optional means an empty directory when the Config is not there; otherwise that is an
	// error.
	Optional bool `json:"optional,omitempty"`
}

// SecretVolume are files made of a Secret's keys; the fields mean the same as in
// [ConfigVolume].
type SecretVolume struct {
	// SecretName is the Secret's.
	SecretName string `json:"secretName"`
	// Items pick keys and name their files.
	Items []KeyPath `json:"items,omitempty"`
	// DefaultMode is the files' mode; the default is "0644".
	DefaultMode FileMode `json:"defaultMode,omitempty"`
	// UID owns the files; default 0.
	UID *int64 `json:"uid,omitempty"`
	// GID is the files' group; default 0.
	GID *int64 `json:"gid,omitempty"`
	// Optional means an empty directory when the Secret is not there.
	Optional bool `json:"optional,omitempty"`
}

// KeyPath is one key as a file.
type KeyPath struct {
	// Key is the key.
	Key string `json:"key"`
	// Path is the file's, below the volume's root; no ".." in it.
	Path string `json:"path"`
	// Mode is the file's; the default is the volume's.
	Mode FileMode `json:"mode,omitempty"`
}

// DownwardVolume are files with fields of the object.
type DownwardVolume struct {
	// Items are the files.
	Items []DownwardFile `json:"items,omitempty"`
	// DefaultMode is the files' mode; the default is "0644".
	DefaultMode FileMode `json:"defaultMode,omitempty"`
}

// DownwardFile is one file: exactly one of fieldRef and resourceFieldRef.
type DownwardFile struct {
	// Path is the file's, below the volume's root.
	Path string `json:"path"`
	// FieldRef is a field of the object, metadata.labels and metadata.annotations as a whole
	// too.
	FieldRef *FieldRef `json:"fieldRef,omitempty"`
	// ResourceFieldRef is a container's limit or request.
	ResourceFieldRef *ResourceFieldRef `json:"resourceFieldRef,omitempty"`
	// Mode is the file's; the default is the volume's.
	Mode FileMode `json:"mode,omitempty"`
}

// ProjectedVolume are several sources in one directory.
type ProjectedVolume struct {
	// Sources are the sources; two must not make the same file.
	Sources []Projection `json:"sources"`
	// DefaultMode is the files' mode; the default is "0644".
	DefaultMode FileMode `json:"defaultMode,omitempty"`
}

// Projection is one source of a projected volume: exactly one of the fields.
type Projection struct {
	// ConfigMap are keys of a Config.
	ConfigMap *KeyProjection `json:"configMap,omitempty"`
	// Secret are keys of a Secret.
	Secret *KeyProjection `json:"secret,omitempty"`
	// DownwardAPI are fields of the object.
	DownwardAPI *DownwardProjection `json:"downwardAPI,omitempty"`
}

// KeyProjection are keys of a Config or Secret.
type KeyProjection struct {
	// Name is the object's.
	Name string `json:"name"`
	// Items pick keys and name their files; the default is all keys.
	Items []KeyPath `json:"items,omitempty"`
	// Optional means nothing is added when the object is not there.
	Optional bool `json:"optional,omitempty"`
}

// DownwardProjection are fields of the object.
type DownwardProjection struct {
	// Items are the files.
	Items []DownwardFile `json:"items,omitempty"`
}

// ClaimVolume names a Volume object.
type ClaimVolume struct {
	// ClaimName is the Volume's.
	ClaimName string `json:"claimName"`
	// ReadOnly mounts it read-only everywhere.
	ReadOnly bool `json:"readOnly,omitempty"`
	// PerReplica gives each replica a Volume of its own, <claimName>-<number>.
	PerReplica bool `json:"perReplica,omitempty"`
}

// Replica is the Volume's name for a replica.
func (c ClaimVolume) Replica(number int32) string {
	if !c.PerReplica {
		return c.ClaimName
	}
	return fmt.Sprintf("%s-%d", c.ClaimName, number)
}

// ImageVolume is an image's content.
type ImageVolume struct {
	// Reference is an image reference as in a container's image.
	Reference string `json:"reference"`
	// PullPolicy is as a container's imagePullPolicy.
	PullPolicy PullPolicy `json:"pullPolicy,omitempty" enum:"Always,IfNotPresent,Never"`
}

// Device is a device of the node.
type Device struct {
	// Path is the device's on the node: /dev/ttyUSB0, a directory of devices such as /dev/snd, or the name of
	// a CDI device, VENDOR/CLASS=NAME such as nvidia.com/gpu=0.
	Path string `json:"path"`
	// ContainerPath is where it appears in the container; the default is path.
	ContainerPath string `json:"containerPath,omitempty"`
	// Permissions are r(ead), w(rite) and m(knod); the default is rw.
	Permissions string `json:"permissions,omitempty"`
	// Optional lets the container start without the device.
	Optional bool `json:"optional,omitempty"`
}

// IsCDI reports whether the path is the name of a device of the Container Device Interface, which has a domain and no path.
func (d Device) IsCDI() bool { return !strings.HasPrefix(d.Path, "/") && strings.Contains(d.Path, "=") }
