package v1

// Kinds of apiVersion davit/v1.
const (
	KindContainer = "Container"
	KindPod       = "Pod"
	KindJob       = "Job"
	KindCronJob   = "CronJob"
	KindNetwork   = "Network"
	KindVolume    = "Volume"
	KindImage     = "Image"
	KindConfig    = "Config"
	KindSecret    = "Secret"
)

// Kinds makes an empty object of each kind.
var Kinds = map[string]func() Object{
	KindContainer: func() Object { return &Container{} },
	KindPod:       func() Object { return &Pod{} },
	KindJob:       func() Object { return &Job{} },
	KindCronJob:   func() Object { return &CronJob{} },
	KindNetwork:   func() Object { return &Network{} },
	KindVolume:    func() Object { return &Volume{} },
	KindImage:     func() Object { return &Image{} },
	KindConfig:    func() Object { return &Config{} },
	KindSecret:    func() Object { return &Secret{} },
}

// PruneAnnotation says with [PruneDisabled] that the object stays on the node though its manifest goes.
const (
	PruneAnnotation = "davit.io/prune"
	PruneDisabled   = "disabled"
)

// Object is any document of this package.
type Object interface {
	// Ref names the object; Kind and Name together are unique on a node.
	Ref() Ref
	// Meta is the object's metadata.
	Meta() ObjectMeta
}

// Ref names one object.
type Ref struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// String returns "Kind/name", as plans, logs and units show it.
func (r Ref) String() string { return r.Kind + "/" + r.Name }

// TypeMeta says which type a document is of.
type TypeMeta struct {
	// APIVersion is davit/v1.
	APIVersion string `json:"apiVersion"`
	// Kind is one of Container, Pod, Job, CronJob, Network, Volume, Image, Config, Secret.
	Kind string `json:"kind"`
}

// ObjectMeta names and describes an object.
type ObjectMeta struct {
	// Name is an RFC 1123 label: 1 to 63 of a-z, 0-9 and '-', beginning and
	// ending with a letter or digit. A Container's name is its unit's name.
	Name string `json:"name" pattern:"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"`
	// Namespace is shown by the downward API as metadata.namespace; the default is default. It keeps nothing apart: an
	// object's kind and name are unique on a node.
	Namespace string `json:"namespace,omitempty"`
	// Labels are for people and tools, and for the downward API.
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations are for people and tools, and for the downward API. davit.io/prune: disabled
	// keeps the object on the node though its manifest goes.
	Annotations map[string]string `json:"annotations,omitempty"`
	// NodeSelector limits the object to nodes that have all these labels; elsewhere it is
	// as if it were not there.
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// Disabled takes the object out without deleting its file.
	Disabled bool `json:"disabled,omitempty"`
}
