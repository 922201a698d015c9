package v1

// Volume is storage that outlives the containers that use it, and its own manifest.
type Volume struct {
	TypeMeta `json:",inline"`
	// Metadata names the volume.
	Metadata ObjectMeta `json:"metadata"`
	// Spec says where it is; empty means a directory that davit keeps.
	Spec VolumeSpec `json:"spec,omitzero"`
}

// Ref implements [Object].
func (v *Volume) Ref() Ref { return Ref{KindVolume, v.Metadata.Name} }

// Meta implements [Object].
func (v *Volume) Meta() ObjectMeta { return v.Metadata }

// VolumeSpec says where a volume's data is. Without a source the volume is named: a
// directory below /var/lib/davit/volumes, kept when the manifest is deleted unless
// reclaimPolicy says otherwise. At most one source may be given.
type VolumeSpec struct {
	// HostPath is a file or directory of the node (a bind mount).
	HostPath *HostPath `json:"hostPath,omitempty"`
	// EmptyDir with medium Memory is a tmpfs of its own for each container.
	EmptyDir *EmptyDir `json:"emptyDir,omitempty"`
	// UID owns the volume's root directory; default 0. Given for a named volume or
	// a tmpfs. A named volume that has neither uid, gid nor mode takes its owner, its mode and
	// its first content from the image of the container that mounts it first, as with Podman
	// and Docker, if that image has a directory there.
	UID *int64 `json:"uid,omitempty"`
	// GID is the root directory's group; default 0.
	GID *int64 `json:"gid,omitempty"`
	// Mode is the root directory's mode as an octal string such as "0750"; the default
	// is "0755".
	Mode string `json:"mode,omitempty"`
	// ReclaimPolicy is Retain (the default), which keeps a named volume when its manifest is
	// deleted, or Delete, which deletes it and all that is in it, once no manifest has a Volume of its
	// name and no container has it any more.
	ReclaimPolicy string `json:"reclaimPolicy,omitempty" enum:"Retain,Delete"`
}

// ReclaimDelete is the reclaimPolicy that deletes a volume.
const ReclaimDelete = "Delete"

// HostPath is a file or directory of the node.
type HostPath struct {
	// Path is absolute.
	Path string `json:"path"`
	// Type is the kind of file that must exist before the container starts: "" (no check),
	// Directory, DirectoryOrCreate, File, FileOrCreate, Socket, CharDevice or
	// BlockDevice, as in Kubernetes.
	Type string `json:"type,omitempty" enum:",Directory,DirectoryOrCreate,File,FileOrCreate,Socket,CharDevice,BlockDevice"`
}

// EmptyDir is an empty directory.
type EmptyDir struct {
	// Medium is "" (a directory on disk), Memory (a tmpfs), or HugePages-2Mi or HugePages-1Gi
	// (a hugetlbfs), or HugePages where only one size has a limit.
	Medium string `json:"medium,omitempty" enum:",Memory,HugePages,HugePages-2Mi,HugePages-1Gi"`
	// SizeLimit bounds the directory, as a Kubernetes quantity. On the disk a write beyond it fails where the file system
	// enforces project quotas; otherwise the agent ends the containers that mount it when it has more, as with
	// limits.ephemeral-storage. A tmpfs or a hugetlbfs is never larger. Without a limit the kernel's default holds for a
	// tmpfs, half of the memory; for a hugetlbfs the limits of the containers hold in any case.
	SizeLimit Quantity `json:"sizeLimit,omitempty"`
}

// MediumMemory is the medium of a tmpfs, MediumHugePages that of a hugetlbfs, or how it begins.
const (
	MediumMemory    = "Memory"
	MediumHugePages = "HugePages"
)
