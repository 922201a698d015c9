package v1

// Resources bound the use of the node by a container, or by all of a pod together: settings of
// systemd.resource-control(5). A change of them alone restarts nothing.
type Resources struct {
	// Limits are hard: cpu becomes CPUQuota=, memory MemoryMax=, swap (beside the memory,
	// 0 for none) MemorySwapMax=, pids TasksMax=. hugepages-2Mi and hugepages-1Gi bound the
	// emptyDirs of such pages. ephemeral-storage bounds a container's files on the disk: its writable layer, its files of
	// /etc and the emptyDirs on the disk that it mounts. Where the file system enforces project quotas, a write beyond the
	// limit fails. Otherwise the agent measures, and ends a container that has more; its restart policy decides whether it is restarted.
	// A Pod as a whole has no such limit.
	Limits ResourceList `json:"limits,omitempty"`
	// Requests are shares: cpu becomes CPUWeight=, memory MemoryLow=. Huge pages are requested as
	// they are limited, or not at all.
	Requests ResourceList `json:"requests,omitempty"`
	// CPUSet are the processors to run on, such as 0-3,8: AllowedCPUs=. The default is all.
	CPUSet string `json:"cpuset,omitempty"`
	// MemoryNodes are the NUMA nodes to take memory from, such as 0: AllowedMemoryNodes=. The
	// default is all.
	MemoryNodes string `json:"memoryNodes,omitempty"`
	// IO shares and bounds the reads and writes of disks.
	IO IO `json:"io,omitzero"`
}

// ResourceList maps resources to quantities: "500m", "256Mi".
type ResourceList map[string]Quantity

// EphemeralStorage is a container's data on the disk that is removed when it ends.
const EphemeralStorage = "ephemeral-storage"

// Quantity is a number with a suffix as Kubernetes writes them: 1, 500m, 256Mi, 1G
// (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).
type Quantity string

// IO shares and bounds the reads and writes of disks.
type IO struct {
	// Weight is the share against others, 1 to 10000; the default is 100: IOWeight=. It counts
	// where the disk's scheduler is bfq, or the kernel's io.cost is set up.
	Weight int32 `json:"weight,omitempty"`
	// Devices bounds the reads and writes of single disks.
	Devices []IODevice `json:"devices,omitempty" patchStrategy:"merge" patchMergeKey:"path"`
}

// IODevice bounds the reads and writes of one disk. At least one bound is required.
type IODevice struct {
	// Path is the disk's device, or any file on its file system.
	Path string `json:"path"`
	// ReadBandwidth is in bytes a second: IOReadBandwidthMax=.
	ReadBandwidth Quantity `json:"readBandwidth,omitempty"`
	// WriteBandwidth is in bytes a second: IOWriteBandwidthMax=.
	WriteBandwidth Quantity `json:"writeBandwidth,omitempty"`
	// ReadIOPS is in operations a second: IOReadIOPSMax=.
	ReadIOPS Quantity `json:"readIOPS,omitempty"`
	// WriteIOPS is in operations a second: IOWriteIOPSMax=.
	WriteIOPS Quantity `json:"writeIOPS,omitempty"`
}
