package v1

// EnvVar is one environment variable.
type EnvVar struct {
	// Name has no '=' and no NUL.
	Name string `json:"name"`
	// Value is the value, in which $(NAME) stands for a variable defined before and $$
	// for a dollar sign; the default is empty.
	Value string `json:"value,omitempty"`
	// ValueFrom takes the value from elsewhere; not together with value.
	ValueFrom *EnvVarSource `json:"valueFrom,omitempty"`
}

// EnvVarSource is where a variable's value comes from: exactly one of the fields.
type EnvVarSource struct {
	// ConfigMapKeyRef is a key of a Config, or of a Kubernetes ConfigMap.
	ConfigMapKeyRef *KeyRef `json:"configMapKeyRef,omitempty"`
	// SecretKeyRef is a key of a Secret. The value reaches the process alone: neither the
	// bundle nor the unit holds it.
	SecretKeyRef *KeyRef `json:"secretKeyRef,omitempty"`
	// FieldRef is a field of the object: metadata.name, metadata.namespace, metadata.uid (which follows from its kind, its
	// name and the node), metadata.labels['KEY'], metadata.annotations['KEY'], spec.nodeName, status.podIP, …
	FieldRef *FieldRef `json:"fieldRef,omitempty"`
	// ResourceFieldRef is one of the container's limits or requests.
	ResourceFieldRef *ResourceFieldRef `json:"resourceFieldRef,omitempty"`
	// HostEnv is a variable of systemd's own environment on the node, which
	// DefaultEnvironment= and ManagerEnvironment= of systemd-system.conf(5) set.
	HostEnv *HostEnv `json:"hostEnv,omitempty"`
}

// KeyRef names a key of a Config or Secret.
type KeyRef struct {
	// Name is the object's.
	Name string `json:"name"`
	// Key is the key.
	Key string `json:"key"`
	// Optional leaves the variable out when the object or key is not there; otherwise
	// that is an error.
	Optional bool `json:"optional,omitempty"`
}

// FieldRef names a field of the object.
type FieldRef struct {
	// APIVersion is v1, and may be left out.
	APIVersion string `json:"apiVersion,omitempty" enum:"v1"`
	// FieldPath is the field's path.
	FieldPath string `json:"fieldPath"`
}

// ResourceFieldRef names a limit or request.
type ResourceFieldRef struct {
	// ContainerName is the pod's container; in env the container itself is the default.
	ContainerName string `json:"containerName,omitempty"`
	// Resource is limits.cpu, limits.memory, requests.cpu or requests.memory.
	Resource string `json:"resource" enum:"limits.cpu,limits.memory,requests.cpu,requests.memory"`
	// Divisor is the unit of the result, rounded up; the default is 1: whole CPUs, bytes.
	Divisor Quantity `json:"divisor,omitempty"`
}

// HostEnv names a variable of the node.
type HostEnv struct {
	// Name is the variable's on the node.
	Name string `json:"name"`
	// Optional leaves the variable out when the node has none; otherwise the start fails.
	Optional bool `json:"optional,omitempty"`
}

// EnvFromSource is a Config or Secret whose keys become variables: exactly one of
// configMapRef and secretRef.
type EnvFromSource struct {
	// Prefix is put before each key.
	Prefix string `json:"prefix,omitempty"`
	// ConfigMapRef is a Config.
	ConfigMapRef *ObjectRef `json:"configMapRef,omitempty"`
	// SecretRef is a Secret.
	SecretRef *ObjectRef `json:"secretRef,omitempty"`
}

// ObjectRef names a Config or Secret.
type ObjectRef struct {
	// Name is the object's.
	Name string `json:"name"`
	// Optional means nothing is added when it is not there; otherwise that is an error.
	Optional bool `json:"optional,omitempty"`
}

// EnvFile is a file of the node with variables.
type EnvFile struct {
	// Path is absolute.
	Path string `json:"path"`
	// Optional lets the container start without the file.
	Optional bool `json:"optional,omitempty"`
}
