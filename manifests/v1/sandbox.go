package v1

// SandboxFields are shared by the containers of a pod; a Container has them to
// itself. Names and meanings follow Kubernetes' PodSpec.
type SandboxFields struct {
	// HostNetwork runs in the node's own network namespace.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// HostPID shows all processes of the node.
	HostPID bool `json:"hostPID,omitempty"`
	// HostIPC shares the node's System V IPC objects and POSIX message queues.
	HostIPC bool `json:"hostIPC,omitempty"`
	// HostUsers false runs in a user namespace: root inside is none of the node's users, and no
	// other workload's, even if it breaks out. Files of images and volumes keep the owners they
	// have inside. The default is true.
	HostUsers *bool `json:"hostUsers,omitempty"`
	// UserNamespace names users of the node that the workload has among users of its own; hostUsers
	// is then false by default.
	UserNamespace *UserNamespace `json:"userNamespace,omitempty"`
	// Networks are the networks to attach to, in order: eth0, eth1, … The default is
	// the bridge network "default". A single entry named none gives a loopback device
	// only.
	Networks []NetworkAttachment `json:"networks,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
	// Hostname is the host name inside; the default is the object's name.
	Hostname string `json:"hostname,omitempty"`
	// HostAliases are further lines of /etc/hosts.
	HostAliases []HostAlias `json:"hostAliases,omitempty" patchStrategy:"merge" patchMergeKey:"ip"`
	// DNSPolicy is Default (the node's name servers, then those of dnsConfig) or None
	// (those of dnsConfig alone). ClusterFirst and ClusterFirstWithHostNet mean Default.
	DNSPolicy string `json:"dnsPolicy,omitempty" enum:"Default,None,ClusterFirst,ClusterFirstWithHostNet"`
	// DNSConfig is added to /etc/resolv.conf.
	DNSConfig DNSConfig `json:"dnsConfig,omitzero"`
	// TimeZone is a name of the IANA database such as Europe/Berlin, from the
	// node's /usr/share/zoneinfo; the default is the image's own.
	TimeZone string `json:"timeZone,omitempty"`
	// ShmSize bounds /dev/shm; the default is 64Mi.
	ShmSize Quantity `json:"shmSize,omitempty"`
	// Volumes are volumes for volumeMounts. A volumeMount that names none of them means
	// the Volume object of that name.
	Volumes []PodVolume `json:"volumes,omitempty" patchStrategy:"merge,retainKeys" patchMergeKey:"name"`

	// Runtime is the OCI runtime of the node that runs the containers, by name (crun, runc,
	// runsc) or absolute path; the default is davit's own. See docs/runtimes.md.
	Runtime string `json:"runtime,omitempty"`

	// RestartPolicy is Always (the default), OnFailure (the default with sockets) or Never:
	// systemd's Restart=.
	RestartPolicy RestartPolicy `json:"restartPolicy,omitempty" enum:"Always,OnFailure,Never"`
	// MaxRestarts is how often systemd restarts a container before its unit stays
	// failed; a manual systemctl reset-failed starts the count again. The default is no
	// limit.
	MaxRestarts *int32 `json:"maxRestarts,omitempty"`
	// TerminationGracePeriodSeconds is how long a stop waits before it kills, in
	// seconds; the default is 10, and 30 in Kubernetes' kinds.
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
	// ActiveDeadlineSeconds is how long a start may live, in seconds, before it is
	// ended as failed; the default is no limit.
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`
	// UpdatePolicy says how a change is made, and when its version is confirmed.
	UpdatePolicy UpdatePolicy `json:"updatePolicy,omitzero"`
	// DependsOn orders the start after that of other workloads.
	DependsOn []Dependency `json:"dependsOn,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
}

// UpdatePolicy says how a change is made, and when its version is confirmed. A version that fails is taken back: the last
// confirmed one runs again, until the manifest changes.
type UpdatePolicy struct {
	// ProgressDeadlineSeconds is how long a new version may take from its start until it is ready, in seconds; the
	// default is 120. The wait for other units that are starting does not count.
	ProgressDeadlineSeconds *int32 `json:"progressDeadlineSeconds,omitempty"`
	// MinReadySeconds is how long it must then be ready without ending by itself until it is confirmed, in
	// seconds; the default is the node's (docs/fleet.md), which is 10.
	MinReadySeconds *int32 `json:"minReadySeconds,omitempty"`
	// Strategy is RollingUpdate (the default), which restarts a pod's replicas a few at a time, the next
	// ones when those before are ready, or Recreate, which restarts all at once. StopThenPull stops the running
	// version before its new image is fetched, where there is no memory for both; DeleteThenPull also
	// deletes the old image before, where there is no disk for both. With both, the workload is down while the image is
	// fetched.
	Strategy string `json:"strategy,omitempty" enum:"RollingUpdate,Recreate,StopThenPull,DeleteThenPull"`
	// MaxUnavailable is how many replicas may be missing at a time; the default is 1, or 0 with
	// maxSurge.
	MaxUnavailable *int32 `json:"maxUnavailable,omitempty"`
	// MaxSurge is how many of the new version are started beside those that run, and stand in for
	// them while they are restarted: with 1, also a single container answers all the time. It
	// can have no port of the node, no address of its own, and no volume that it writes to. The
	// default is 0, and Kubernetes' 25% for a Deployment that can have some.
	MaxSurge *int32 `json:"maxSurge,omitempty"`
	// Atomic is Object (the default), which takes back this object, or Set, which also takes back the other objects
	// with Set that changed with it.
	Atomic string `json:"atomic,omitempty" enum:"Object,Set"`
}

// The values of strategy.
const (
	StrategyRollingUpdate  = "RollingUpdate"
	StrategyRecreate       = "Recreate"
	StrategyStopThenPull   = "StopThenPull"
	StrategyDeleteThenPull = "DeleteThenPull"
)

// The values of atomic.
const (
	AtomicObject = "Object"
	AtomicSet    = "Set"
)

// NetworkAttachment attaches to one network.
type NetworkAttachment struct {
	// Name is a Network object's, a CNI network's of /etc/cni/net.d, "default", or
	// "none".
	Name string `json:"name"`
	// Aliases are further names under which other containers of the network reach
	// this one.
	Aliases []string `json:"aliases,omitempty"`
	// Addresses are static addresses out of the network's subnets, at most one of each
	// family; the default is any free one.
	Addresses []string `json:"addresses,omitempty"`
	// MACAddress is the device's hardware address, such as 02:42:ac:11:00:02; the default
	// is one that follows from the IPv4 address or is drawn at random.
	MACAddress string `json:"macAddress,omitempty"`
}

// HostAlias is a line of /etc/hosts.
type HostAlias struct {
	// IP is the address.
	IP string `json:"ip"`
	// Hostnames are its names.
	Hostnames []string `json:"hostnames"`
}

// DNSConfig is Kubernetes' PodDNSConfig.
type DNSConfig struct {
	// Nameservers are addresses, at most three.
	Nameservers []string `json:"nameservers,omitempty"`
	// Searches are domains to complete short names with, at most 32.
	Searches []string `json:"searches,omitempty"`
	// Options are resolver options of resolv.conf(5).
	Options []DNSOption `json:"options,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
}

// DNSOption is one resolver option.
type DNSOption struct {
	// Name is the option's, such as ndots.
	Name string `json:"name"`
	// Value is its value, where it has one.
	Value string `json:"value,omitempty"`
}

// Dependency is a workload that has to come first.
type Dependency struct {
	// Kind is Container (the default), Pod or Job.
	Kind string `json:"kind,omitempty" enum:"Container,Pod,Job"`
	// Name is the workload's.
	Name string `json:"name"`
	// Condition is Started (the default): it was started; Ready: it is ready, and when it
	// stops so does this one; or Completed: it has run to its end with success.
	Condition string `json:"condition,omitempty" enum:"Started,Ready,Completed"`
}

// The conditions of a dependency.
const (
	DependencyStarted   = "Started"
	DependencyReady     = "Ready"
	DependencyCompleted = "Completed"
)
