package v1

// Container is one container, run as the service <name>.service.
type Container struct {
	TypeMeta `json:",inline"`
	// Metadata names the container and its unit.
	Metadata ObjectMeta `json:"metadata"`
	// Spec is what runs.
	Spec ContainerSpec `json:"spec"`
}

// Ref implements [Object].
func (c *Container) Ref() Ref { return Ref{KindContainer, c.Metadata.Name} }

// ContainerSpec says what runs and how. Names and meanings follow Kubernetes'
// Container and PodSpec.
type ContainerSpec struct {
	// Image is a fully qualified reference: docker.io/library/nginx:1.27, or one
	// with a transport of containers-transports(5): docker://, oci:, oci-archive:,
	// docker-archive:, dir:, containers-storage:. Exactly one of image and
	// imageRef is required.
	Image string `json:"image,omitempty"`
	// ImageRef names an Image object, whose reference and pull settings are used.
	ImageRef string `json:"imageRef,omitempty"`
	// ImagePullPolicy is Always, IfNotPresent or Never. The default is Always for
	// the tag latest or none, IfNotPresent otherwise.
	ImagePullPolicy PullPolicy `json:"imagePullPolicy,omitempty"`
	// Platform is os/arch[/variant], such as linux/arm64/v8; the default is the
	// node's own.
	Platform string `json:"platform,omitempty"`
	// AuthFile is the absolute path of a containers-auth.json(5) on the node, used
	// to pull this image. The default is the node's own (see docs/images.md).
	AuthFile string `json:"authFile,omitempty"`

	// Command replaces the image's entry point, and then the image's cmd is not
	// used either.
	Command []string `json:"command,omitempty"`
	// Args replaces the image's cmd.
	Args []string `json:"args,omitempty"`
	// WorkingDir is an absolute path in the container; the default is the image's.
	WorkingDir string `json:"workingDir,omitempty"`
	// Env is added to the image's environment, later entries win.
	Env []EnvVar `json:"env,omitempty"`
	// User is user[:group], names or ids of the image's own /etc/passwd; the
	// default is the image's. securityContext.runAsUser wins over it.
	User string `json:"user,omitempty"`

	// Ports are the ports to publish on the node.
	Ports []ContainerPort `json:"ports,omitempty"`
	// HostNetwork runs the container in the node's own network namespace.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Networks are the networks to attach to, in order: eth0, eth1, … The default is
	// the bridge network "default". A single entry named none gives the
	// container a loopback device only.
	Networks []NetworkAttachment `json:"networks,omitempty"`
	// Hostname is the host name inside; the default is the object's name.
	Hostname string `json:"hostname,omitempty"`
	// HostAliases are further lines of /etc/hosts.
	HostAliases []HostAlias `json:"hostAliases,omitempty"`
	// TimeZone is a name of the IANA database such as Europe/Berlin, from the
	// node's /usr/share/zoneinfo; the default is the image's own.
	TimeZone string `json:"timeZone,omitempty"`

	// VolumeMounts say where volumes appear in the container.
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty"`
	// Volumes are this container's own volumes. A volumeMount that names none of
	// them means the Volume object of that name.
	Volumes []ContainerVolume `json:"volumes,omitempty"`

	// Resources are limits and requests, which become systemd's MemoryMax=,
	// CPUQuota=, MemoryLow= and CPUWeight=.
	Resources Resources `json:"resources,omitzero"`
	// SecurityContext tightens or loosens the container's confinement.
	SecurityContext SecurityContext `json:"securityContext,omitzero"`

	// RestartPolicy is Always (the default), OnFailure or Never: systemd's Restart=.
	RestartPolicy RestartPolicy `json:"restartPolicy,omitempty"`
	// MaxRestarts is how often systemd restarts the container before the unit
	// stays failed; a manual systemctl reset-failed starts the count again. The
	// default is no limit.
	MaxRestarts *int32 `json:"maxRestarts,omitempty"`
	// Oneshot marks a container that runs to completion: its unit is starting
	// until the process has ended and stays active (exited) after success, so
	// units ordered after it wait for it. Needs restartPolicy OnFailure or Never;
	// the default is then Never.
	Oneshot bool `json:"oneshot,omitempty"`
	// TerminationGracePeriodSeconds is how long a stop waits before it kills, in
	// seconds; the default is 10.
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
	// StopSignal is the signal that asks the container to stop, such as SIGQUIT; the
	// default is the image's, or SIGTERM.
	StopSignal string `json:"stopSignal,omitempty"`

	// Unit, Service and Install are added to the unit's sections of that name. A
	// setting davit sets itself is replaced, unless the launcher depends on it or it
	// would hand out the node (see docs/manifests.md): that is an error.
	Unit UnitSection `json:"unit,omitempty"`
	// Service is added to the section [Service].
	Service UnitSection `json:"service,omitempty"`
	// Install is added to the section [Install]; a WantedBy= here replaces the
	// default multi-user.target.
	Install UnitSection `json:"install,omitempty"`
}

// PullPolicy says when a registry is asked.
type PullPolicy string

// The pull policies of Kubernetes.
const (
	PullAlways       PullPolicy = "Always"
	PullIfNotPresent PullPolicy = "IfNotPresent"
	PullNever        PullPolicy = "Never"
)

// RestartPolicy says when systemd starts the container again.
type RestartPolicy string

// The restart policies of Kubernetes.
const (
	RestartAlways    RestartPolicy = "Always"
	RestartOnFailure RestartPolicy = "OnFailure"
	RestartNever     RestartPolicy = "Never"
)

// EnvVar is one environment variable.
type EnvVar struct {
	// Name has no '=' and no NUL.
	Name string `json:"name"`
	// Value is taken literally; the default is empty.
	Value string `json:"value,omitempty"`
}

// ContainerPort publishes a port, or a range of them, on the node.
type ContainerPort struct {
	// Name is for people.
	Name string `json:"name,omitempty"`
	// ContainerPort is the port inside, 1 to 65535.
	ContainerPort int32 `json:"containerPort"`
	// EndPort makes it a range, containerPort to endPort, published at hostPort and
	// the ports that follow it.
	EndPort int32 `json:"endPort,omitempty"`
	// HostPort is the port on the node; without it the port is only documented.
	HostPort int32 `json:"hostPort,omitempty"`
	// HostIP is the node's address to publish on, IPv4 or IPv6; the default is all.
	HostIP string `json:"hostIP,omitempty"`
	// Protocol is TCP (the default), UDP or SCTP.
	Protocol string `json:"protocol,omitempty"`
}

// NetworkAttachment attaches the container to one network.
type NetworkAttachment struct {
	// Name is a Network object's, a CNI network's of /etc/cni/net.d, "default", or
	// "none".
	Name string `json:"name"`
	// Aliases are further names under which other containers of the network reach
	// this one.
	Aliases []string `json:"aliases,omitempty"`
}

// HostAlias is a line of /etc/hosts.
type HostAlias struct {
	// IP is the address.
	IP string `json:"ip"`
	// Hostnames are its names.
	Hostnames []string `json:"hostnames"`
}

// VolumeMount mounts a volume into the container.
type VolumeMount struct {
	// Name is that of one of spec.volumes or of a Volume object.
	Name string `json:"name"`
	// MountPath is an absolute path in the container.
	MountPath string `json:"mountPath"`
	// ReadOnly mounts it read-only; the default is read-write.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// ContainerVolume is a volume that belongs to this container alone. Exactly one
// source is required.
type ContainerVolume struct {
	// Name is what volumeMounts refer to.
	Name string `json:"name"`
	// HostPath is a file or directory of the node.
	HostPath *HostPath `json:"hostPath,omitempty"`
	// EmptyDir is an empty directory that lives as long as one run of the container.
	EmptyDir *EmptyDir `json:"emptyDir,omitempty"`
}

// Resources are limits and requests by resource name: cpu, memory.
type Resources struct {
	// Limits are hard: cpu becomes CPUQuota=, memory MemoryMax=.
	Limits ResourceList `json:"limits,omitempty"`
	// Requests are shares: cpu becomes CPUWeight=, memory MemoryLow=.
	Requests ResourceList `json:"requests,omitempty"`
}

// ResourceList maps cpu and memory to quantities: "500m", "256Mi".
type ResourceList map[string]Quantity

// Quantity is a number with a suffix as Kubernetes writes them: 1, 500m, 256Mi, 1G
// (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).
type Quantity string

// SecurityContext is Kubernetes' of the same name, as far as it concerns one
// container.
type SecurityContext struct {
	// RunAsUser is the uid; the default is user, then the image's.
	RunAsUser *int64 `json:"runAsUser,omitempty"`
	// RunAsGroup is the gid; the default is the user's primary group in the image.
	RunAsGroup *int64 `json:"runAsGroup,omitempty"`
	// SupplementalGroups are further gids.
	SupplementalGroups []int64 `json:"supplementalGroups,omitempty"`
	// ReadOnlyRootFilesystem makes / read-only; default false.
	ReadOnlyRootFilesystem bool `json:"readOnlyRootFilesystem,omitempty"`
	// AllowPrivilegeEscalation false sets no_new_privs, and that is the default:
	// stricter than Kubernetes, Docker and Podman.
	AllowPrivilegeEscalation bool `json:"allowPrivilegeEscalation,omitempty"`
	// Capabilities are added to and dropped from Podman's default set.
	Capabilities Capabilities `json:"capabilities,omitzero"`
	// SeccompProfile is the system call filter; default RuntimeDefault.
	SeccompProfile SeccompProfile `json:"seccompProfile,omitzero"`
}

// Capabilities are capabilities(7) without the CAP_ prefix, or ALL.
type Capabilities struct {
	// Add is added after Drop was applied.
	Add []string `json:"add,omitempty"`
	// Drop is removed from the default set.
	Drop []string `json:"drop,omitempty"`
}

// SeccompProfile selects a system call filter.
type SeccompProfile struct {
	// Type is RuntimeDefault (the default) or Unconfined.
	Type string `json:"type,omitempty"`
}

// The seccomp profile types.
const (
	SeccompRuntimeDefault = "RuntimeDefault"
	SeccompUnconfined     = "Unconfined"
)
