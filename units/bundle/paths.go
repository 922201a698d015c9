package bundle

import (
	"path"
	"strings"
)

// Paths of a node. Files below StateDir survive a reboot, files
// below RunDir do not; both belong to root alone (mode 0700).
const (
	StateDir = "/var/lib/davit"
	RunDir   = "/run/davit"

	// UnitsDir holds the unit files that davit writes: a directory of systemd's search path (systemd.unit(5)) that is
	// kept over reboots and comes after /etc/systemd/system, so that systemctl mask and systemctl edit --full work on
	// them.
	UnitsDir = "/etc/systemd/system.attached"
	// BundlesDir holds one directory a bundle, named by [DirName].
	BundlesDir = StateDir + "/bundles"
	// CurrentDir holds one link a unit with a bundle: to the directory of the bundle that the unit starts.
	CurrentDir = StateDir + "/current"
	// RootfsDir holds one [Rootfs] record an image.
	RootfsDir = StateDir + "/images"
	// NetworkRecordsDir holds one [NetworkRecord] a network.
	NetworkRecordsDir = StateDir + "/networks"
	// VolumesDir holds the data of named volumes, one directory each.
	VolumesDir = StateDir + "/volumes"
	// CompletedDir holds one empty file for each bundle with RunOnce that has ended well, named
	// as the bundle's directory.
	CompletedDir = StateDir + "/completed"
	// ContainersDir holds, for each container while it runs, all that it can write and that nothing else has: its
	// writable layer, its empty directories and its files of /etc.
	ContainersDir = StateDir + "/containers"

	// MountsDir holds an empty directory for each running container with users of its own, where
	// its root file system is mounted in its own mount namespace. Those users cannot enter RunDir
	// and StateDir.
	MountsDir = "/run/davit-rootfs"
	// RuntimeDir is libcontainer's state, one directory a container; see [RuntimeID].
	RuntimeDir = RunDir + "/runtime"
	// AttachmentsDir holds, for each container, a record for the launcher's clean-up.
	AttachmentsDir = RunDir + "/containers"
	// LastRunsDir holds one [LastRun] a container that has ended since boot.
	LastRunsDir = RunDir + "/last-runs"
	// backOffDir holds one file for each container that is to wait before it starts again, see [BackOffFile].
	backOffDir = RunDir + "/back-off"
	// MembersDir holds one file a container that is attached to networks: its names and addresses.
	MembersDir = RunDir + "/members"
	// NamesDir holds one file a network with members: their names and addresses.
	NamesDir = RunDir + "/names"
	// NetworksDir holds each network's lock.
	NetworksDir = RunDir + "/networks"
	// CNIDataDir is host-local's leases. They lie on a tmpfs because host-local
	// never frees those of a node that lost power.
	CNIDataDir = RunDir + "/cni/networks"
	// CNICacheDir is libcni's cache of results.
	CNICacheDir = RunDir + "/cni"
	// UserPluginDir is the directory in which a node's owner installs CNI plugins; it comes before davit's own.
	UserPluginDir = "/opt/cni/bin"
)

// EtcFiles are the files that davit writes and a container sees in /etc, see [EtcFile].
var EtcFiles = []string{"hosts", "hostname", "resolv.conf"}

// Groups below a unit's own control group: systemd owns that one, and a group that hands
// controllers down must hold no process itself.
const (
	// PayloadGroup holds the container.
	PayloadGroup = "payload"
	// LauncherGroup holds the launcher.
	LauncherGroup = "launcher"
)

// NetworkLock is the file a network's ADD and DEL lock shared, and its garbage
// collection exclusively: CNI forbids that they overlap
// (https://www.cni.dev/docs/spec/#gc-clean-up-any-stale-resources).
func NetworkLock(network string) string { return path.Join(NetworksDir, network, "lock") }

// NetworkRecordFile returns the path of the record of a network.
func NetworkRecordFile(network string) string {
	return path.Join(NetworkRecordsDir, network+".json")
}

// CurrentBundle is the link of a unit to the bundle that it starts, by the container's id.
func CurrentBundle(id string) string { return path.Join(CurrentDir, id) }

// CompletedFile exists when the bundle of this directory name must not run again.
func CompletedFile(dirName string) string { return path.Join(CompletedDir, dirName) }

// PutAside ends the name of a record in [CompletedDir] that does not count now: no object has the version.
const PutAside = ".put-aside"

// SandboxFile is a file of a running sandbox: a namespace of that name, which is pinned there.
func SandboxFile(id, name string) string { return path.Join(AttachmentsDir, id, name) }

// AddressFile has the first address of a running container or sandbox; one that is attached to no
// network has no such file.
func AddressFile(id string) string { return path.Join(AttachmentsDir, id, "address") }

// RecordFile is the configuration that a container or sandbox was started with, for its clean-up. Launchers lock
// it while they start the container, and while they clean up after it.
func RecordFile(id string) string { return path.Join(AttachmentsDir, id, ConfigFile) }

// EmptyDirPath returns the path of an [EmptyDir] of a running container or sandbox.
func EmptyDirPath(id, name string) string { return path.Join(ContainersDir, id, "volumes", name) }

// EtcFile returns the path of one of [EtcFiles] of a running container or sandbox. The container may write to it: it lies
// where the writable layer does, because a file in RunDir could fill a file system that the whole node needs.
func EtcFile(id, name string) string { return path.Join(ContainersDir, id, name) }

// MemberFile has the addresses of a container that is attached to networks, and its names for its neighbours.
func MemberFile(id string) string { return path.Join(MembersDir, id) }

// FreshVolume marks a volume that davit has made and that no container has had: the first one fills it from its image.
func FreshVolume(name string) string { return path.Join(VolumesDir, FreshMark+name) }

// FreshMark begins the name of that mark. No volume's name begins with a dot.
const FreshMark = ".fresh-"

// RunningBundle is the symbolic link that names the bundle a container was started
// from. It exists while the container runs, and has its version if a unit was
// rewritten and not restarted.
func RunningBundle(id string) string { return path.Join(AttachmentsDir, id, "bundle") }

// RuntimeID is a container's id for libcontainer and CNI, which know no @. No object's name has a dot.
func RuntimeID(id string) string { return strings.ReplaceAll(id, "@", ".") }

// FromRuntimeID is the reverse of [RuntimeID].
func FromRuntimeID(id string) string { return strings.ReplaceAll(id, ".", "@") }

// WaitFIFO is where libcontainer keeps a created container's process waiting (execFifoFilename of runc's
// libcontainer): a process that opens it lets the waiting one go on. It is gone then.
func WaitFIFO(id string) string { return path.Join(RuntimeDir, RuntimeID(id), "exec.fifo") }
