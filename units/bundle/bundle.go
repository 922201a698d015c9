// Package bundle is the contract between a unit and its launcher: an OCI runtime
// bundle, that is a config.json of the OCI runtime specification whose annotations
// carry what the specification has no words for (image, networks, user).
//
// davit writes bundles, davit-run reads them. Both import this package and it
// imports nothing but the specification's own types, so that the launcher stays
// small. It knows nothing of manifests, registries or systemd.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Bundle is one container as its launcher needs it. Spec.Annotations is left to
// this package: [Bundle.Encode] fills it in, [Decode] reads it back.
type Bundle struct {
	// Spec is the OCI configuration. Its root path, cgroup path, user ids and
	// network namespace are the launcher's to fill in: they exist only at start.
	Spec *specs.Spec
	Launch
}

// Launch is what the launcher needs beside the OCI configuration.
type Launch struct {
	// ID is the container's id and its unit's name without ".service".
	ID string `json:"id"`
	// Object is the manifest's object, "Container/web".
	Object string `json:"object"`
	// Image is what the root filesystem is made of.
	Image Image `json:"image"`
	// User is user[:group], names or ids to look up in the root filesystem; empty
	// means Spec.Process.User as it stands.
	User string `json:"user,omitempty"`
	// Network is what the container is attached to.
	Network Network `json:"network"`
	// HostAliases are further lines of /etc/hosts: an address and its names.
	HostAliases []HostAlias `json:"hostAliases,omitempty"`
	// EmptyDirs are directories the launcher makes for each run.
	EmptyDirs []EmptyDir `json:"emptyDirs,omitempty"`
	// HostPaths are checked, or created, before the container starts.
	HostPaths []HostPath `json:"hostPaths,omitempty"`
}

// Image names an image in the node's storage.
type Image struct {
	// Reference is what the manifest says.
	Reference string `json:"reference"`
	// Digest is the digest of the image's manifest, "sha256:…", as resolved once.
	Digest string `json:"digest"`
	// ID is the digest of the image's configuration, 64 hexadecimal digits: the
	// image's id in containers/storage and the name of its [Rootfs] record.
	ID string `json:"id"`
}

// Modes of a container's network.
const (
	NetworkCNI  = "cni"  // a namespace of its own, attached to networks
	NetworkHost = "host" // the node's namespace
	NetworkNone = "none" // a namespace of its own, loopback only
)

// Network says how a container reaches the world.
type Network struct {
	// Mode is one of NetworkCNI, NetworkHost and NetworkNone.
	Mode string `json:"mode"`
	// Attachments are the networks of mode cni, in order: eth0, eth1, …
	Attachments []Attachment `json:"attachments,omitempty"`
	// Ports are published on the node, through the first attachment.
	Ports []Port `json:"ports,omitempty"`
}

// Attachment attaches a container to one CNI network.
type Attachment struct {
	// Network is the network's name.
	Network string `json:"network"`
	// Conflist is the network's whole CNI configuration list. It travels with the
	// bundle so that a bundle means the same network for as long as it exists.
	Conflist json.RawMessage `json:"conflist"`
	// Masquerade lists the subnets whose traffic leaves the node under the node's own
	// address. The launcher sets that up once a network, not once a container.
	Masquerade []string `json:"masquerade,omitempty"`
	// Names are what other containers of the network call this one.
	Names []string `json:"names,omitempty"`
}

// Port publishes one port. The JSON is the portMappings capability of CNI
// (https://www.cni.dev/docs/conventions/).
type Port struct {
	HostPort      int32  `json:"hostPort"`
	ContainerPort int32  `json:"containerPort"`
	Protocol      string `json:"protocol"` // tcp, udp or sctp
	HostIP        string `json:"hostIP,omitempty"`
}

// HostAlias is one line of /etc/hosts.
type HostAlias struct {
	IP    string   `json:"ip"`
	Names []string `json:"names"`
}

// EmptyDir is a directory that exists for one run of the container.
type EmptyDir struct {
	// Name is the directory's name below the container's own directory; a mount of the
	// Spec whose source is [EmptyDirSource] of it becomes that directory.
	Name string `json:"name"`
}

// HostPath is a path of the node that must be there, with the check's name as in
// Kubernetes' hostPath.type.
type HostPath struct {
	Path string `json:"path"`
	Type string `json:"type"`
}

// emptyDirScheme marks the mounts whose source is known only at start.
const emptyDirScheme = "emptydir:"

// EmptyDirSource is the mount source that stands for the empty directory name.
func EmptyDirSource(name string) string { return emptyDirScheme + name }

// EmptyDirName is the reverse of [EmptyDirSource]; ok is false for any other source.
func EmptyDirName(source string) (name string, ok bool) {
	return strings.CutPrefix(source, emptyDirScheme)
}

// annotationLaunch holds [Launch] as JSON in config.json's annotations.
const annotationLaunch = "io.davit.launch"

// ConfigFile is the name of the OCI configuration inside a bundle.
const ConfigFile = "config.json"

// Encode returns the bundle as the text of a config.json. The same bundle always
// gives the same bytes.
func (b *Bundle) Encode() ([]byte, error) {
	launch, err := json.Marshal(b.Launch)
	if err != nil {
		return nil, fmt.Errorf("encode bundle %s: %w", b.ID, err)
	}
	spec := *b.Spec
	spec.Annotations = map[string]string{annotationLaunch: string(launch)}
	text, err := json.MarshalIndent(&spec, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("encode bundle %s: %w", b.ID, err)
	}
	return append(text, '\n'), nil
}

// Decode reads the text of a config.json that [Bundle.Encode] wrote.
func Decode(text []byte) (*Bundle, error) {
	b := &Bundle{Spec: &specs.Spec{}}
	if err := json.Unmarshal(text, b.Spec); err != nil {
		return nil, fmt.Errorf("decode %s: %w", ConfigFile, err)
	}
	launch, ok := b.Spec.Annotations[annotationLaunch]
	if !ok {
		return nil, fmt.Errorf("decode %s: no annotation %s: not a bundle of davit's", ConfigFile, annotationLaunch)
	}
	if err := json.Unmarshal([]byte(launch), &b.Launch); err != nil {
		return nil, fmt.Errorf("decode %s: annotation %s: %w", ConfigFile, annotationLaunch, err)
	}
	b.Spec.Annotations = nil
	return b, nil
}

// DirName is the name of the directory that holds a bundle of this id and text. It
// changes with the text, so a bundle on disk is never rewritten.
func DirName(id string, text []byte) string {
	sum := sha256.Sum256(text)
	return id + "-" + hex.EncodeToString(sum[:8])
}

// Path is where the bundle of this directory name lies on the node.
func Path(dirName string) string { return filepath.Join(BundlesDir, dirName) }
