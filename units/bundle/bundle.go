// Package bundle is the contract between a unit and its launcher: an OCI runtime
// bundle, that is a config.json of the OCI runtime specification whose annotations
// have the rest (image, networks, user).
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
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Bundle is one container as its launcher needs it. Spec.Annotations is left to
// this package: [Bundle.Encode] fills it in, [Decode] reads it back.
type Bundle struct {
	// Spec is the OCI configuration. Its root path, cgroup path, user ids and
	// network namespace are the launcher's to fill in: they exist only at start.
	// Without an AppArmor profile the container gets [AppArmorDefault] where the node
	// has AppArmor.
	Spec *specs.Spec
	Launch
}

// Launch is the launcher's part of a bundle beside the OCI configuration.
type Launch struct {
	// ID is the container's id and its unit's name without ".service".
	ID string `json:"id"`
	// Object is the manifest's object, "Container/web".
	Object string `json:"object"`
	// Image is the source of the root filesystem.
	Image Image `json:"image"`
	// Rootfs is a directory of the node that is the root filesystem in the place of Image, which then has a
	// reference alone, its path.
	Rootfs *HostPath `json:"rootfs,omitempty"`
	// Runtime is the absolute path of the OCI runtime that runs the container; empty is davit's
	// own.
	Runtime string `json:"runtime,omitempty"`
	// User is user[:group], names or ids to look up in the root filesystem; empty
	// means Spec.Process.User as it stands.
	User string `json:"user,omitempty"`
	// UIDMappings and GIDMappings are ids of the node that a user namespace has beside those of the
	// range that the launcher draws.
	UIDMappings []specs.LinuxIDMapping `json:"uidMappings,omitempty"`
	GIDMappings []specs.LinuxIDMapping `json:"gidMappings,omitempty"`
	// Output says where standard output and error go: empty is the journal's own socket,
	// OutputPipe a pipe that is copied there, OutputNone nowhere. A terminal of
	// Spec.Process.Terminal is copied too.
	Output string `json:"output,omitempty"`
	// Replica is set for one of several that answer to one name: until it is ready, and from before
	// it stops, it leaves the name to those that are ready, so that who asks for it reaches them.
	Replica bool `json:"replica,omitempty"`
	// Sandbox is the id of the sandbox that the container runs in, with its network, its files
	// of /etc and its empty directories; empty means that it has its own.
	Sandbox string `json:"sandbox,omitempty"`
	// RunOnce is set when the container must not run again once it has ended well.
	RunOnce bool `json:"runOnce,omitempty"`
	// Due says when a start by a timer comes too late; the zero value means never.
	Due Due `json:"due,omitzero"`
	// Network is the container's attachment to networks.
	Network Network `json:"network"`
	// Sockets are the names of the listening sockets that systemd hands over, in their order.
	Sockets []string `json:"sockets,omitempty"`
	// HostAliases are further lines of /etc/hosts: an address and its names.
	HostAliases []HostAlias `json:"hostAliases,omitempty"`
	// RunAsNonRoot refuses to start when the user turns out to be root.
	RunAsNonRoot bool `json:"runAsNonRoot,omitempty"`
	// SELinux changes the labels that the node's policy has for containers.
	SELinux SELinux `json:"seLinux,omitzero"`
	// Init runs the node's init program as the container's first process.
	Init bool `json:"init,omitempty"`
	// Env is added to the environment by the launcher.
	Env Env `json:"env,omitzero"`
	// DNS is added to /etc/resolv.conf by the launcher.
	DNS DNS `json:"dns,omitzero"`
	// Devices are devices of the node.
	Devices []Device `json:"devices,omitempty"`
	// AllDevices gives the container every device of the node.
	AllDevices bool `json:"allDevices,omitempty"`
	// AllCapabilities gives the container those of the Spec's capabilities that the node has.
	AllCapabilities bool `json:"allCapabilities,omitempty"`
	// Files are the files of the bundle, in addition to its config.json.
	Files []File `json:"files,omitempty"`
	// Reload is the action of a reload of the unit.
	Reload Reload `json:"reload,omitzero"`
	// Notify is set when the container says itself how it is, by sd_notify(3).
	Notify bool `json:"notify,omitempty"`
	// OwnCalls leaves the Spec's filter with the first of its architectures, the node's own, where the
	// image has no programs of the others.
	OwnCalls bool `json:"ownCalls,omitempty"`
	// Health is how the container is probed, and its hooks.
	Health Health `json:"health,omitzero"`
	// EmptyDirs are directories the launcher makes for each run.
	EmptyDirs []EmptyDir `json:"emptyDirs,omitempty"`
	// DiskLimits bound the container's data on the disk.
	DiskLimits []DiskLimit `json:"diskLimits,omitempty"`
	// SubPaths are files and directories inside volumes that are mounted in their stead.
	SubPaths []SubPath `json:"subPaths,omitempty"`
	// ImageVolumes are images whose files are mounted; a mount of the Spec whose source is
	// [ImageSource] of an index becomes that image's content.
	ImageVolumes []Image `json:"imageVolumes,omitempty"`
	// HostPaths are checked, or created, before the container starts; a mount of the Spec whose
	// source is [HostSource] of an index becomes that path.
	HostPaths []HostPath `json:"hostPaths,omitempty"`
}

// Images are all images that the bundle needs on the node, that of the root filesystem first;
// a sandbox needs none, and a tree of the node is none.
func (l *Launch) Images() []Image {
	if l.Image.ID == "" {
		return l.ImageVolumes
	}
	return append([]Image{l.Image}, l.ImageVolumes...)
}

// AdministersNetwork reports whether the container may change its own network; a sandbox runs nothing.
func (b *Bundle) AdministersNetwork() bool {
	if b.Spec.Process == nil {
		return false
	}
	capabilities := b.Spec.Process.Capabilities
	return b.AllCapabilities || capabilities != nil && slices.Contains(capabilities.Bounding, "CAP_NET_ADMIN")
}

// Due are times at which a container is to start, and how late it may start, in seconds.
type Due struct {
	// Events are calendar events of systemd.time(7).
	Events  []string `json:"events"`
	Seconds int64    `json:"seconds"`
}

// Image names an image in the node's storage.
type Image struct {
	// Reference is the reference of the manifest.
	Reference string `json:"reference"`
	// Digest is the digest of the image's manifest, "sha256:…", as resolved once.
	Digest string `json:"digest"`
	// ID is the digest of the image's configuration, 64 hexadecimal digits: the
	// image's id in containers/storage and the name of its [Rootfs] record.
	ID string `json:"id"`
}

// AppArmor profiles: davit's own, and the name for none.
const (
	AppArmorDefault    = "davit-default"
	AppArmorUnconfined = "unconfined"
)

// SELinux are the parts of a process's label, and the type of its files, that are not the policy's; Disabled leaves the process
// where the policy lets the launcher's children be, which no label confines.
type SELinux struct {
	User     string `json:"user,omitempty"`
	Role     string `json:"role,omitempty"`
	Type     string `json:"type,omitempty"`
	Level    string `json:"level,omitempty"`
	FileType string `json:"fileType,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
}

// Outputs of a container beside the journal's own socket.
const (
	OutputPipe = "pipe"
	OutputNone = "none"
)

// Modes of a container's network.
const (
	NetworkCNI  = "cni"  // a namespace of its own, attached to networks
	NetworkHost = "host" // the node's namespace
	NetworkNone = "none" // a namespace of its own, loopback only
	// NetworkSandbox is the namespace of the container's sandbox.
	NetworkSandbox = "sandbox"
)

// Network says how a container reaches the world.
type Network struct {
	// Mode is one of NetworkCNI, NetworkHost, NetworkNone and NetworkSandbox.
	Mode string `json:"mode"`
	// Attachments are the networks of mode cni, in order: eth0, eth1, …
	Attachments []Attachment `json:"attachments,omitempty"`
	// Ports are published on the node, through the first attachment.
	Ports []Port `json:"ports,omitempty"`
	// Keep has a container that crashes find its network as it was when it starts again: systemd keeps
	// the namespace meanwhile, as [KeptNetwork].
	Keep bool `json:"keep,omitempty"`
}

// KeptNetwork is the name by which systemd keeps a network namespace (FDNAME= of sd_notify(3)).
const KeptNetwork = "davit-network"

// Attachment attaches a container to one CNI network.
type Attachment struct {
	// Network is the network's name.
	Network string `json:"network"`
	// Conflist is the network's whole CNI configuration list. It travels with the
	// bundle so that a bundle means the same network for as long as it exists.
	Conflist json.RawMessage `json:"conflist"`
	// Names are the names by which other containers of the network find this one.
	Names []string `json:"names,omitempty"`
	// Addresses are static addresses with their prefixes, "10.1.0.5/24".
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	// MAC is the device's hardware address; empty means any.
	MAC string `json:"mac,omitempty"`
}

// HostAlias is one line of /etc/hosts.
type HostAlias struct {
	IP    string   `json:"ip"`
	Names []string `json:"names"`
}

// EmptyDir is a directory that exists for one run of the container, or of its sandbox.
type EmptyDir struct {
	// Name is the directory's name below the container's own directory; a mount of the
	// Spec whose source is [EmptyDirSource] of it becomes that directory.
	Name string `json:"name"`
	// Tmpfs are the mount options of a file system in memory; none means a directory on the
	// disk.
	Tmpfs []string `json:"tmpfs,omitempty"`
	// GID is the group of a directory on the disk and of new files in it; 0 is as any other.
	GID int `json:"gid,omitempty"`
	// HugePages are the mount options of a file system of huge pages.
	HugePages []string `json:"hugePages,omitempty"`
}

// FileSystem is the type and the options of the file system that the directory is; the type of one
// on the disk is empty.
func (e EmptyDir) FileSystem() (kind string, options []string) {
	switch {
	case len(e.HugePages) > 0:
		return "hugetlbfs", e.HugePages
	case len(e.Tmpfs) > 0:
		return "tmpfs", e.Tmpfs
	}
	return "", nil
}

// ShmDir is the name of the empty directory that the containers of a sandbox have as /dev/shm.
// No volume can have it.
const ShmDir = ".shm"

// SandboxPath is the path, in the Spec's list of namespaces, of a namespace that is the
// sandbox's.
const SandboxPath = "sandbox:"

// HostPath is a path of the node that must be there, with the check's name as in
// Kubernetes' hostPath.type; an empty one checks nothing.
type HostPath struct {
	Path string `json:"path"`
	Type string `json:"type,omitempty"`
	// Root is a directory that links on the way do not lead out of, and that has none on its way; empty means the
	// node's.
	Root string `json:"root,omitempty"`
	// Guarded are directories below the root that links do not lead to either.
	Guarded []string `json:"guarded,omitempty"`
}

// Env is the part of the environment that only the launcher can add.
type Env struct {
	// Files are files of the node with NAME=value lines; Fixed are the names they do not
	// replace.
	Files []EnvFile `json:"files,omitempty"`
	Fixed []string  `json:"fixed,omitempty"`
	// Dynamic are values that are known only at start.
	Dynamic []DynamicEnv `json:"dynamic,omitempty"`
}

// EnvFile is a file of the node with variables; Root is as a [HostPath]'s.
type EnvFile struct {
	Path     string `json:"path"`
	Root     string `json:"root,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

// DynamicEnv is a variable of systemd's own environment, or a field of the running
// container: status.podIP or status.podIPs.
type DynamicEnv struct {
	Name     string `json:"name"`
	HostEnv  string `json:"hostEnv,omitempty"`
	Field    string `json:"field,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

// DNS is added to /etc/resolv.conf, or with Only replaces it.
type DNS struct {
	Only     bool     `json:"only,omitempty"`
	Servers  []string `json:"servers,omitempty"`
	Searches []string `json:"searches,omitempty"`
	Options  []string `json:"options,omitempty"`
}

// Device is a device of the node, or a directory of devices.
type Device struct {
	Path          string `json:"path"`
	ContainerPath string `json:"containerPath"`
	Permissions   string `json:"permissions"`
	Optional      bool   `json:"optional,omitempty"`
	// Single refuses a directory: containers may write into it.
	Single bool `json:"single,omitempty"`
	// Node is set for a device of the Container Device Interface; then empty Permissions allow nothing.
	Node *DeviceNode `json:"node,omitempty"`
}

// DeviceNode describes a device of the Container Device Interface in the container. Unset fields are as for the device at
// the path, but for the owner, which is then the container's user.
type DeviceNode struct {
	// Type is b, c or p.
	Type  string  `json:"type,omitempty"`
	Major int64   `json:"major,omitempty"`
	Minor int64   `json:"minor,omitempty"`
	Mode  *uint32 `json:"mode,omitempty"`
	UID   *uint32 `json:"uid,omitempty"`
	GID   *uint32 `json:"gid,omitempty"`
}

// IsWhole reports whether the device needs no path of the node to be made.
func (n *DeviceNode) IsWhole() bool {
	return n != nil && (n.Type == "p" || n.Type != "" && n.Major != 0)
}

// Reload is a signal to the container's main process, or a command in the container.
type Reload struct {
	Signal string   `json:"signal,omitempty"`
	Exec   []string `json:"exec,omitempty"`
}

// SubPath is a path inside a volume; a mount of the Spec whose source is [SubPathSource]
// of its index becomes it.
type SubPath struct {
	// Volume is the volume's own mount source.
	Volume string `json:"volume"`
	// Path is relative, and resolved below the volume.
	Path string `json:"path"`
}

// emptyDirScheme marks the mounts whose source is known only at start.
const emptyDirScheme = "emptydir:"

// EmptyDirSource is the mount source that stands for the empty directory name.
func EmptyDirSource(name string) string { return emptyDirScheme + name }

// EmptyDirName is the reverse of [EmptyDirSource]; ok is false for any other source.
func EmptyDirName(source string) (name string, ok bool) {
	return strings.CutPrefix(source, emptyDirScheme)
}

// subPathScheme marks the mounts whose source is inside a volume.
const subPathScheme = "subpath:"

// SubPathSource is the mount source that stands for the sub-path of this index.
func SubPathSource(index int) string { return subPathScheme + strconv.Itoa(index) }

// SubPathIndex is the reverse of [SubPathSource]; ok is false for any other source.
func SubPathIndex(source string) (index int, ok bool) { return indexAfter(subPathScheme, source) }

// RootfsSource is the mount source that stands for the container's own root file system, for a [SubPath].
const RootfsSource = "rootfs:"

// hostScheme marks the mounts whose source is a path of the node that is found below its root.
const hostScheme = "host:"

// HostSource is the mount source that stands for the host path of this index.
func HostSource(index int) string { return hostScheme + strconv.Itoa(index) }

// HostIndex is the reverse of [HostSource]; ok is false for any other source.
func HostIndex(source string) (index int, ok bool) { return indexAfter(hostScheme, source) }

// imageScheme marks the mounts whose source is the content of an image.
const imageScheme = "image:"

// ImageSource is the mount source that stands for the image volume of this index.
func ImageSource(index int) string { return imageScheme + strconv.Itoa(index) }

// ImageIndex is the reverse of [ImageSource]; ok is false for any other source.
func ImageIndex(source string) (index int, ok bool) { return indexAfter(imageScheme, source) }

func indexAfter(scheme, source string) (index int, ok bool) {
	text, ok := strings.CutPrefix(source, scheme)
	if !ok {
		return 0, false
	}
	index, err := strconv.Atoi(text)
	return index, err == nil
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
		return nil, fmt.Errorf("decode %s: no annotation %s: not one of davit's bundles", ConfigFile, annotationLaunch)
	}
	if err := json.Unmarshal([]byte(launch), &b.Launch); err != nil {
		return nil, fmt.Errorf("decode %s: annotation %s: %w", ConfigFile, annotationLaunch, err)
	}
	b.Spec.Annotations = nil
	b.Network.Ports = Merge(b.Network.Ports) // a davit before format 5 wrote each port of a range
	return b, nil
}

// DirName is the name of the directory that holds a bundle of this id and text. It
// changes with the text, so a bundle on disk is never rewritten.
func DirName(id string, text []byte) string {
	sum := sha256.Sum256(text)
	return id + "-" + hex.EncodeToString(sum[:8])
}

// IDOf is the id of the bundle whose directory has this name; "" when no bundle's has.
func IDOf(dirName string) string {
	dash := strings.LastIndexByte(dirName, '-')
	return dirName[:max(dash, 0)]
}

// Path returns the path of the bundle of this directory name on the node.
func Path(dirName string) string { return path.Join(BundlesDir, dirName) }
