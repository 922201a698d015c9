// Package transfer copies files between the node and its containers, and between containers.
//
// A container is hostile: it may exchange any of its files for a symbolic link while it is
// copied, or have devices and pipes where files are expected. Each path of a container's is
// resolved by the kernel below the container's root (openat2(2), RESOLVE_IN_ROOT), each entry
// of a tree by handles that follow no link, and a file that is opened for reading was seen to be a
// regular file through the same handle. The content of a tar stream is put below one
// directory with [os.Root]. Libraries that pack and unpack by paths would have to be locked up
// in a chroot for that, and a chroot keeps no /proc/PID/root from leading out of it.
package transfer

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
)

// Place is a file system to copy from or to. The zero value is the node's own.
type Place struct {
	// root is the container's; nil is the node.
	root *os.File
	// ids are the container's user namespace.
	ids user.IdentityMapping
	// uid and gid are those of the container's main process, as the node sees them.
	uid, gid int
}

// Container is the file system of the process pid, which must be in a cgroup below the given
// one: the number may be another process's by now. The place is the caller's to close.
func Container(pid uint32, cgroup string) (*Place, error) {
	process, err := os.OpenFile(fmt.Sprintf("/proc/%d", pid), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("not running: %w", err)
	}
	// All that is read below this handle is this process's, or cannot be read.
	defer process.Close()
	own := untrusted.Path(process)
	member, err := os.ReadFile(own + "/cgroup")
	if err != nil {
		return nil, fmt.Errorf("not running: %w", err)
	}
	// cgroups(7): the unified hierarchy is the line that begins with 0::.
	if cgroup == "" || !strings.Contains("\n"+string(member), "\n0::"+cgroup+"/") {
		return nil, errors.New("not running")
	}
	p := &Place{}
	if err := p.readIDs(own); err != nil {
		return nil, err
	}
	p.root, err = os.OpenFile(own+"/root", unix.O_PATH|unix.O_DIRECTORY, 0)
	return p, err
}

// readIDs reads whom a process runs as, and its user namespace.
func (p *Place) readIDs(process string) error {
	status, err := os.ReadFile(process + "/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		// proc_pid_status(5): the real id comes first.
		_, _ = fmt.Sscanf(line, "Uid: %d", &p.uid)
		_, _ = fmt.Sscanf(line, "Gid: %d", &p.gid)
	}
	if p.ids.UIDMaps, err = user.ParseIDMapFile(process + "/uid_map"); err != nil {
		return err
	}
	p.ids.GIDMaps, err = user.ParseIDMapFile(process + "/gid_map")
	return err
}

// Close lets go of a container's file system.
func (p *Place) Close() error {
	if p.root == nil {
		return nil
	}
	return p.root.Close()
}

// open returns a handle of the file at a path, with all links followed as a process of the place
// would follow them. Nothing can be read from it, see [untrusted.Reopen].
func (p *Place) open(path string) (*os.File, error) {
	if p.root == nil {
		return untrusted.Handle(path)
	}
	handle, err := pathrs.OpenatInRoot(p.root, path)
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return nil, &os.PathError{Op: "open", Path: path, Err: errno}
	}
	return handle, err
}

// openRoot is open for a directory that entries are made in.
func (p *Place) openRoot(path string) (*os.Root, error) {
	handle, err := p.open(path)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	return untrusted.ReopenRoot(handle)
}

// reopen opens the file or directory that a handle stands for.
func reopen(handle *os.File, flags int) (*os.File, error) {
	return untrusted.Patiently(func() (*os.File, error) { return untrusted.Reopen(handle, flags) })
}

// asOwner calls f, whose new files belong to the container's main process. All else is done with
// root's rights.
func (p *Place) asOwner(f func() error) error {
	if p.root == nil {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		done <- p.own(f)
	}()
	return <-done
}

func (p *Place) own(f func() error) error {
	// Without this bit a thread that changes its file system user loses root's rights over files
	// (capabilities(7)). With root's own user, nothing could be made on a mount whose ids are
	// mapped to others (mount_setattr(2), EOVERFLOW).
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, secbitNoSetuidFixup, 0, 0, 0); err != nil {
		return fmt.Errorf("become the container's user: %w", err)
	}
	for _, set := range []struct {
		id  int
		set func(int) (int, error)
	}{{p.gid, unix.SetfsgidRetGid}, {p.uid, unix.SetfsuidRetUid}} {
		// They return the id from before and never fail aloud (setfsuid(2)).
		_, _ = set.set(set.id)
		if now, _ := set.set(-1); now != set.id {
			return fmt.Errorf("become the container's user: no file system id %d", set.id)
		}
	}
	return f()
}

// secbitNoSetuidFixup is SECBIT_NO_SETUID_FIXUP of linux/securebits.h.
const secbitNoSetuidFixup = 1 << 2
