package v1

import "fmt"

// Pod is one container or several that share namespaces: each runs as a service of its
// own, <pod>-<container>.service.
type Pod struct {
	TypeMeta `json:",inline"`
	// Metadata names the pod.
	Metadata ObjectMeta `json:"metadata"`
	// Spec describes the pod.
	Spec PodSpec `json:"spec"`
}

// Ref implements [Object].
func (p *Pod) Ref() Ref { return Ref{KindPod, p.Metadata.Name} }

// Meta implements [Object].
func (p *Pod) Meta() ObjectMeta { return p.Metadata }

// PodSpec describes a pod as Kubernetes' PodSpec does, and the number of its replicas.
type PodSpec struct {
	SandboxFields `json:",inline"`
	// InitContainers run one after another, each to its end, before the others start. One
	// whose restartPolicy is Always is a sidecar: it starts in its turn and stays.
	InitContainers []PodContainer `json:"initContainers,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
	// Containers are the containers, at least one.
	Containers []PodContainer `json:"containers" patchStrategy:"merge" patchMergeKey:"name"`
	// ShareProcessNamespace lets the containers see each other's processes.
	ShareProcessNamespace bool `json:"shareProcessNamespace,omitempty"`
	// Resources hold for all containers together, in addition to those of each.
	Resources Resources `json:"resources,omitzero"`
	// SecurityContext holds for all containers.
	SecurityContext PodSecurityContext `json:"securityContext,omitzero"`
	// Replicas is how many of the pod run; the default is 1. Several are numbered, the units
	// <pod>@1.service and so on, with the host names <pod>-1 and so on, and grouped by
	// <pod>.target.
	Replicas *int32 `json:"replicas,omitempty"`
	// Ordinals says how replicas are numbered. With it a single one has a numbered host name
	// too, as in a StatefulSet.
	Ordinals *Ordinals `json:"ordinals,omitempty"`
}

// Ordinals numbers replicas.
type Ordinals struct {
	// Start is the first replica's number; default 0.
	Start int32 `json:"start,omitempty"`
}

// FirstReplica is the number of the first replica: 1 without ordinals.
func (p PodSpec) FirstReplica() int32 {
	if p.Ordinals == nil {
		return 1
	}
	return p.Ordinals.Start
}

// ReplicaName is the host name of a replica of the pod name, where the manifest has none.
func (p PodSpec) ReplicaName(name string, number int32) string {
	if p.Ordinals == nil && (p.Replicas == nil || *p.Replicas == 1) {
		return name
	}
	return fmt.Sprintf("%s-%d", name, number)
}

// PodContainer is one container of a pod.
type PodContainer struct {
	// Name is an RFC 1123 label, unique in the pod.
	Name            string `json:"name"`
	ContainerFields `json:",inline"`
	// RestartPolicy Always makes an init container a sidecar; not for others.
	RestartPolicy RestartPolicy `json:"restartPolicy,omitempty" enum:"Always"`
	// StartWithPod false leaves the container to be started by hand, or by another unit; the
	// default is true.
	StartWithPod *bool `json:"startWithPod,omitempty"`
	// SecurityContext tightens or loosens this container's confinement.
	SecurityContext ContainerSecurityContext `json:"securityContext,omitzero"`
}

// PodTemplate is the pod that a Job makes.
type PodTemplate struct {
	// Metadata has the labels and annotations of the pods; a name has no meaning.
	Metadata TemplateMeta `json:"metadata,omitzero"`
	// Spec describes the pod.
	Spec PodSpec `json:"spec"`
}

// TemplateMeta describes the pods of a template.
type TemplateMeta struct {
	// Labels are for people and tools, and for the downward API.
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations are for people and tools, and for the downward API.
	Annotations map[string]string `json:"annotations,omitempty"`
}
