// Package namespaces makes the kernel's namespaces for containers and sandboxes, and pins those of sandboxes.
//
// It knows the kernel, and which ids of the node are taken. It knows nothing of their content: mounts, network
// devices, processes.
package namespaces

import "C" // for holder.c and reaper.c

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
)

// Set are the namespaces that a start has made before the container. It keeps them open: their paths lead to them as
// long as this process uses the set.
type Set struct {
	// Users is the user namespace; nil for the node's.
	Users *Users
	// Network is the path of the network namespace; empty if there is none yet.
	Network string
	// Reaper is the first process of a sandbox's process namespace; 0 if there is none yet.
	Reaper int
	files  map[specs.LinuxNamespaceType]*os.File
}

// Users is the user namespace of a container or a sandbox. The ids that it has of the node are drawn at each start and
// are on no disk: layers and volumes are mounted with their owners mapped (mount_setattr(2), MOUNT_ATTR_IDMAP), so their
// files keep the ids that they have inside.
type Users struct {
	file       *os.File
	uids, gids []syscall.SysProcIDMap
}

// Path leads to the namespace.
func (u *Users) Path() string { return Path(u.file) }

// Fd is a descriptor of the namespace.
func (u *Users) Fd() uintptr { return u.file.Fd() }

// Root has the ids of the node that root has inside.
func (u *Users) Root() (uid, gid int) {
	return u.uids[0].HostID, u.gids[0].HostID // the first mapping begins at 0
}

// Inside has the ids inside of ids of the node; -1 for one that is not mapped.
func (u *Users) Inside(uid, gid uint32) (insideUID, insideGID int) {
	return inside(u.uids, uid), inside(u.gids, gid)
}

// MakeUsers makes the user namespace of a container or a sandbox, or opens that of its sandbox. The other namespaces that
// the launcher has to make come with it: a namespace belongs to the user namespace in which it is made.
func MakeUsers(b *bundle.Bundle) (*Set, error) {
	set := &Set{}
	if !Has(b, specs.UserNamespace) {
		return set, nil
	}
	if err := set.openUsers(b); err != nil {
		return nil, fmt.Errorf("make a user namespace: %w", err)
	}
	return set, nil
}

func (s *Set) openUsers(b *bundle.Bundle) error {
	if err := os.MkdirAll(bundle.MountsDir, 0o711); err != nil {
		return err
	}
	ids, err := idsOf(b)
	if err != nil {
		return err
	}
	s.Users = &Users{uids: idMap(b.UIDMappings, ids.uid), gids: idMap(b.GIDMappings, ids.gid)}
	switch {
	case b.Sandbox != "":
		s.Users.file, err = os.Open(bundle.SandboxFile(b.Sandbox, string(specs.UserNamespace)))
		return err
	case !record.IsSandbox(b) && b.Network.Mode == bundle.NetworkCNI:
		return s.makeUsersAndNetwork()
	case !record.IsSandbox(b):
		return s.holdUsers(0)
	case Has(b, specs.PIDNamespace):
		// The process namespace needs a process in any case, and has to belong to the users too.
		if s.Reaper, err = startReaper(b.ID, s.Users.attributes(unix.CLONE_NEWPID|unix.CLONE_NEWNS|flagsOf(b))); err != nil {
			return err
		}
		return s.open(s.Reaper)
	default:
		return s.holdUsers(flagsOf(b))
	}
}

// idsOf are the ids of a container: those of its sandbox, or a range that no other container has.
func idsOf(b *bundle.Bundle) (idRange, error) {
	if b.Sandbox != "" {
		return readRange(bundle.SandboxFile(b.Sandbox, usersFile))
	}
	return claimRange(b)
}

func (s *Set) makeUsersAndNetwork() error {
	if err := s.holdUsers(unix.CLONE_NEWNET); err != nil {
		return err
	}
	namespace := s.files[specs.NetworkNamespace]
	s.Network = Path(namespace)
	return inNamespaces([]*os.File{namespace}, upLoopback)
}

// holdUsers makes a user namespace, and others that belong to it, and opens them.
func (s *Set) holdUsers(flags uintptr) error {
	keep, release, err := os.Pipe()
	if err != nil {
		return err
	}
	defer release.Close()
	holder := exec.Command("/proc/self/exe", "hold")
	holder.Args[0], holder.Stdin, holder.Env = "davit-run", keep, []string{}
	holder.SysProcAttr = s.Users.attributes(flags)
	err = holder.Start()
	keep.Close()
	if err != nil {
		return err
	}
	err = s.open(holder.Process.Pid)
	release.Close()
	return errors.Join(err, holder.Wait())
}

// open opens the namespaces of a process that shares them with no other yet.
func (s *Set) open(pid int) error {
	var err error
	if s.Users.file, err = os.Open(fmt.Sprintf("/proc/%d/ns/user", pid)); err != nil {
		return err
	}
	s.files = map[specs.LinuxNamespaceType]*os.File{}
	for kind := range unshareFlags {
		if s.files[kind], err = os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, Files[kind])); err != nil {
			return err
		}
	}
	return nil
}

// attributes start a process in a new user namespace with these ids.
func (u *Users) attributes(flags uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:                 unix.CLONE_NEWUSER | flags,
		UidMappings:                u.uids,
		GidMappings:                u.gids,
		GidMappingsEnableSetgroups: true,
		// Root of the node has no id in it, and a process without an id loses all capabilities at execve(2).
		Credential: &syscall.Credential{Uid: 0, Gid: 0},
	}
}
