package v1

// SecurityContext is that of a Container: Kubernetes' fields of a container and of a
// pod.
type SecurityContext struct {
	ContainerSecurityContext `json:",inline"`
	// SupplementalGroups are further gids.
	SupplementalGroups []int64 `json:"supplementalGroups,omitempty"`
	// Sysctls are kernel settings of the container's own namespaces: kernel.shm*,
	// kernel.msg*, kernel.sem, fs.mqueue.* and net.*. In a network of its own, every user may listen on
	// ports below 1024 and open the sockets of ping, as with Docker, unless
	// net.ipv4.ip_unprivileged_port_start and net.ipv4.ping_group_range say otherwise here.
	Sysctls []Sysctl `json:"sysctls,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
}

// PodSecurityContext is that of a Pod; the fields of a container win over it.
type PodSecurityContext struct {
	// RunAsUser is the uid of the containers that name none.
	RunAsUser *int64 `json:"runAsUser,omitempty"`
	// RunAsGroup is the gid of the containers that name none.
	RunAsGroup *int64 `json:"runAsGroup,omitempty"`
	// RunAsNonRoot refuses to start containers whose user is root.
	RunAsNonRoot *bool `json:"runAsNonRoot,omitempty"`
	// SupplementalGroups are further gids.
	SupplementalGroups []int64 `json:"supplementalGroups,omitempty"`
	// FSGroup is a further gid of the containers. The pod's emptyDirs and new files in them
	// belong to it, and it can read the pod's Configs and Secrets.
	FSGroup *int64 `json:"fsGroup,omitempty"`
	// Sysctls are kernel settings of the pod's own namespaces.
	Sysctls []Sysctl `json:"sysctls,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
	// SeccompProfile is that of the containers that name none.
	SeccompProfile SeccompProfile `json:"seccompProfile,omitzero"`
	// AppArmorProfile is that of the containers that name none.
	AppArmorProfile *AppArmorProfile `json:"appArmorProfile,omitempty"`
	// SELinuxOptions are those of the containers that have none.
	SELinuxOptions *SELinuxOptions `json:"seLinuxOptions,omitempty"`
}

// ContainerSecurityContext is Kubernetes' SecurityContext.
type ContainerSecurityContext struct {
	// RunAsUser is the uid; the default is user, then the image's.
	RunAsUser *int64 `json:"runAsUser,omitempty"`
	// RunAsGroup is the gid; the default is the user's primary group in the image.
	RunAsGroup *int64 `json:"runAsGroup,omitempty"`
	// RunAsNonRoot refuses to start when the user is root; default false.
	RunAsNonRoot *bool `json:"runAsNonRoot,omitempty"`
	// Privileged gives all capabilities and devices and takes seccomp, AppArmor, masks and
	// no_new_privs away: root in the container is root on the node. Default false.
	Privileged bool `json:"privileged,omitempty"`
	// ReadOnlyRootFilesystem makes / read-only, with /etc/hosts, /etc/hostname and /etc/resolv.conf, which davit itself
	// goes on writing; default false.
	ReadOnlyRootFilesystem bool `json:"readOnlyRootFilesystem,omitempty"`
	// AllowPrivilegeEscalation false sets no_new_privs, and that is the default:
	// stricter than Kubernetes, Docker and Podman.
	AllowPrivilegeEscalation bool `json:"allowPrivilegeEscalation,omitempty"`
	// Capabilities are added to and dropped from Podman's default set.
	Capabilities Capabilities `json:"capabilities,omitzero"`
	// SeccompProfile is the system call filter; default RuntimeDefault.
	SeccompProfile SeccompProfile `json:"seccompProfile,omitzero"`
	// AppArmorProfile is the AppArmor profile; default RuntimeDefault.
	AppArmorProfile *AppArmorProfile `json:"appArmorProfile,omitempty"`
	// SELinuxOptions change the SELinux label, which has no meaning on a node without SELinux;
	// the default is the policy's for containers, with categories of the workload's own.
	SELinuxOptions *SELinuxOptions `json:"seLinuxOptions,omitempty"`
	// ProcMount is Default or Unmasked, which shows all of /proc and makes it writable.
	ProcMount string `json:"procMount,omitempty" enum:"Default,Unmasked"`
	// MaskedPaths are hidden in addition to the paths that davit hides.
	MaskedPaths []string `json:"maskedPaths,omitempty"`
	// UnmaskedPaths are not hidden and not read-only; ALL means none are.
	UnmaskedPaths []string `json:"unmaskedPaths,omitempty"`
}

// Capabilities are capabilities(7) without the CAP_ prefix, or ALL.
type Capabilities struct {
	// Add is added after drop was applied.
	Add []string `json:"add,omitempty"`
	// Drop is removed from the default set.
	Drop []string `json:"drop,omitempty"`
}

// SeccompProfile selects a system call filter.
type SeccompProfile struct {
	// Type is RuntimeDefault (the default), Unconfined or Localhost.
	Type string `json:"type,omitempty" enum:"RuntimeDefault,Unconfined,Localhost"`
	// LocalhostProfile is, for Localhost, a profile in JSON below /etc/davit/seccomp on the
	// node, read at each start.
	LocalhostProfile string `json:"localhostProfile,omitempty"`
}

// AppArmorProfile selects an AppArmor profile.
type AppArmorProfile struct {
	// Type is RuntimeDefault, Unconfined or Localhost. RuntimeDefault is davit-default where
	// the node has AppArmor, and nothing where it has not or the container is privileged.
	Type string `json:"type" enum:"RuntimeDefault,Unconfined,Localhost"`
	// LocalhostProfile is, for Localhost, the name of a profile that the node's kernel has
	// loaded; without it the container does not start.
	LocalhostProfile string `json:"localhostProfile,omitempty"`
}

// SELinuxOptions are the parts of an SELinux label; a missing part is that of the default label.
type SELinuxOptions struct {
	// User is the label's user.
	User string `json:"user,omitempty"`
	// Role is the label's role.
	Role string `json:"role,omitempty"`
	// Type is the type of the container's process, container_t by default.
	Type string `json:"type,omitempty"`
	// Level is the level of the process and of its files, such as s0:c123,c456.
	Level string `json:"level,omitempty"`
	// FileType is the type of the container's files, container_file_t by default: of its root file system, its empty directories, its
	// Configs and Secrets, and the named volumes that it mounts.
	FileType string `json:"fileType,omitempty"`
	// Disabled leaves the process without a label of its own, so that SELinux does not confine it: Podman's label=disable. It
	// goes with no other option.
	Disabled bool `json:"disabled,omitempty"`
}

// Sysctl is one kernel setting.
type Sysctl struct {
	// Name is the setting's with dots, net.core.somaxconn.
	Name string `json:"name"`
	// Value is its value.
	Value string `json:"value"`
}

// The profile types, seccomp's and AppArmor's.
const (
	SeccompRuntimeDefault = "RuntimeDefault"
	SeccompUnconfined     = "Unconfined"
	SeccompLocalhost      = "Localhost"
)

// The values of procMount.
const (
	ProcMountDefault  = "Default"
	ProcMountUnmasked = "Unmasked"
)
