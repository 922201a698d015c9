package v1

// Container is one container, run as the service <name>.service.
type Container struct {
	TypeMeta `json:",inline"`
	// Metadata names the container and its unit.
	Metadata ObjectMeta `json:"metadata"`
	// Spec describes the container.
	Spec ContainerSpec `json:"spec"`
}

// Ref implements [Object].
func (c *Container) Ref() Ref { return Ref{KindContainer, c.Metadata.Name} }

// Meta implements [Object].
func (c *Container) Meta() ObjectMeta { return c.Metadata }

// ContainerSpec describes a container and the namespaces that it has to itself.
type ContainerSpec struct {
	ContainerFields `json:",inline"`
	SandboxFields   `json:",inline"`
	// SecurityContext tightens or loosens the container's confinement.
	SecurityContext SecurityContext `json:"securityContext,omitzero"`
	// Oneshot marks a container that runs to completion: its unit is starting
	// until the process has ended and stays active (exited) after success, so
	// units ordered after it wait for it. Needs restartPolicy OnFailure or Never;
	// the default is then Never.
	Oneshot bool `json:"oneshot,omitempty"`
}

// ContainerFields are the fields of a Container and of a Pod's containers. Names and
// meanings follow Kubernetes' Container.
type ContainerFields struct {
	// Image is a fully qualified reference: docker.io/library/nginx:1.27, or one
	// with a transport of containers-transports(5): docker://, oci:, oci-archive:,
	// docker-archive:, dir:, containers-storage:. Exactly one of image,
	// imageRef and rootfs is required.
	Image string `json:"image,omitempty"`
	// ImageRef names an Image object, whose reference and pull settings are used.
	ImageRef string `json:"imageRef,omitempty"`
	// Rootfs is a directory tree of the node that the container has in the place of an image, as with podman run
	// --rootfs PATH:O: the container's writes go to a layer above it, which goes with the run, and the tree stays as it is. It has no
	// configuration, so command is required.
	Rootfs string `json:"rootfs,omitempty"`
	// ImagePullPolicy is Always, IfNotPresent or Never. The default is Always for
	// the tag latest or none, IfNotPresent otherwise.
	ImagePullPolicy PullPolicy `json:"imagePullPolicy,omitempty" enum:"Always,IfNotPresent,Never"`
	// Platform is os/arch[/variant], such as linux/arm64/v8; the default is the
	// node's own.
	Platform string `json:"platform,omitempty"`
	// AuthFile is the absolute path of a containers-auth.json(5) on the node, used
	// to pull this image. The default is the node's own (see docs/images.md).
	AuthFile string `json:"authFile,omitempty"`

	// Command replaces the image's entry point, and then the image's cmd is not
	// used either. $(NAME) stands for a variable of env and $$ for a dollar sign, as in
	// Kubernetes; a name that is not there is left as it is.
	Command []string `json:"command,omitempty"`
	// Args replaces the image's cmd; $(NAME) as in command.
	Args []string `json:"args,omitempty"`
	// WorkingDir is an absolute path in the container; the default is the image's.
	WorkingDir string `json:"workingDir,omitempty"`
	// User is user[:group], names or ids of the image's own /etc/passwd; the
	// default is the image's. securityContext.runAsUser wins over it.
	User string `json:"user,omitempty"`
	// Env is added to the image's environment; later entries win, and entries win over
	// envFrom.
	Env []EnvVar `json:"env,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
	// EnvFrom adds a variable for each key of a Config or Secret, but for a Config's binaryData; later
	// ones win. A value that is not text is an error.
	EnvFrom []EnvFromSource `json:"envFrom,omitempty"`
	// EnvFiles are files of the node with NAME=value lines, read at each start as podman run
	// --env-file reads them: no quotes, no expansion, # for comments. Later files win, and
	// env and envFrom win over them.
	EnvFiles []EnvFile `json:"envFiles,omitempty"`
	// HTTPProxy gives the container the proxies of the node (proxy in /etc/davit/config.yaml) as variables: HTTP_PROXY, HTTPS_PROXY,
	// FTP_PROXY and NO_PROXY, in lower case too. They replace the image's; env, envFrom and envFiles win over them. The default
	// is proxy.allContainers of the node's configuration.
	HTTPProxy *bool `json:"httpProxy,omitempty"`
	// TTY gives the container a terminal for its standard input and output. One small
	// process then copies the terminal to the journal.
	TTY bool `json:"tty,omitempty"`
	// Init runs a small init process as the container's first, which reaps processes
	// that lost their parent and passes signals on.
	Init bool `json:"init,omitempty"`

	// Ports are the ports to publish on the node.
	Ports []ContainerPort `json:"ports,omitempty" patchStrategy:"merge" patchMergeKey:"containerPort"`
	// Sockets are sockets of the node on which systemd listens in the container's stead. The
	// first connection starts the container, which gets them as sd_listen_fds(3) says; it is
	// not started at boot, and starts again at the next connection after it has ended.
	Sockets []Socket `json:"sockets,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
	// VolumeMounts say where volumes appear in the container, in any order: a volume below the path of
	// another one is mounted after it.
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty" patchStrategy:"merge" patchMergeKey:"mountPath"`
	// Devices are devices of the node that the container may use.
	Devices []Device `json:"devices,omitempty" patchStrategy:"merge" patchMergeKey:"path"`

	// Resources bound the container's use of the node; a change of them alone restarts nothing.
	Resources Resources `json:"resources,omitzero"`
	// OOMScoreAdj makes its processes more (up to 1000) or less (down to -1000) likely to be
	// killed when the node is out of memory: OOMScoreAdjust=; default 0.
	OOMScoreAdj *int32 `json:"oomScoreAdj,omitempty"`
	// Ulimits are the process' limits (setrlimit(2)); the default is the one of systemd's
	// services.
	Ulimits []Ulimit `json:"ulimits,omitempty" patchStrategy:"merge" patchMergeKey:"name"`

	// StartupProbe holds the other probes back until it has succeeded once; the unit is
	// starting until then.
	StartupProbe *Probe `json:"startupProbe,omitempty"`
	// ReadinessProbe shows when the container can serve: its unit is started then.
	ReadinessProbe *Probe `json:"readinessProbe,omitempty"`
	// LivenessProbe restarts the container when it fails.
	LivenessProbe *Probe `json:"livenessProbe,omitempty"`
	// ImageHealthcheck is the use of the HEALTHCHECK of the image, if the manifest has no probe: Ignore; Readiness, which
	// shows when the container can serve, as in Docker, Podman and Compose; or ReadinessAndLiveness, which also restarts a
	// container that fails it. The default is to ignore it, as Kubernetes does, and to say so in davit plan.
	ImageHealthcheck string `json:"imageHealthcheck,omitempty" enum:"Ignore,Readiness,ReadinessAndLiveness"`
	// Lifecycle are hooks that run after the start and before the stop.
	Lifecycle Lifecycle `json:"lifecycle,omitzero"`
	// Reload is done by systemctl reload, and in place of a restart if only mounted Configs and Secrets
	// have changed; the default is that the unit has no reload.
	Reload Reload `json:"reload,omitzero"`
	// Notify is Started (the default: ready when the process runs) or Container: the
	// container says READY=1 itself, by sd_notify(3).
	Notify string `json:"notify,omitempty" enum:"Started,Container"`
	// StopSignal is the signal that asks the container to stop, such as SIGQUIT; the
	// default is the image's, or SIGTERM.
	StopSignal string `json:"stopSignal,omitempty"`
	// Logging says where standard output and error go.
	Logging Logging `json:"logging,omitzero"`

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

// The values of imageHealthcheck that have an effect.
const (
	HealthcheckReadiness = "Readiness"
	HealthcheckBoth      = "ReadinessAndLiveness"
)

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
