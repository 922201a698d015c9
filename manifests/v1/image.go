package v1

// Image is an image to have on the node before anything needs it.
type Image struct {
	TypeMeta `json:",inline"`
	// Metadata names the object; a Container's imageRef refers to it.
	Metadata ObjectMeta `json:"metadata"`
	// Spec says which image.
	Spec ImageSpec `json:"spec"`
}

// Ref implements [Object].
func (i *Image) Ref() Ref { return Ref{KindImage, i.Metadata.Name} }

// Meta implements [Object].
func (i *Image) Meta() ObjectMeta { return i.Metadata }

// ImageSpec is an image and how to pull it. The fields mean the same as in
// [ContainerSpec].
type ImageSpec struct {
	// Image is a reference as in a Container.
	Image string `json:"image"`
	// ImagePullPolicy is Always, IfNotPresent or Never, with a Container's default.
	ImagePullPolicy PullPolicy `json:"imagePullPolicy,omitempty" enum:"Always,IfNotPresent,Never"`
	// Platform is os/arch[/variant]; the default is the node's own.
	Platform string `json:"platform,omitempty"`
	// AuthFile is the absolute path of a containers-auth.json(5) on the node.
	AuthFile string `json:"authFile,omitempty"`
}
