package transfer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// packer writes a file, or a tree, as a tar stream.
type packer struct {
	from *Place
	to   *tar.Writer
	// skipped is called with each path that is left out, and the reason.
	skipped func(name, why string)
	// links are the names of the files that have several, by their inodes.
	links map[inode]string
}

type inode struct{ device, number uint64 }

// pack writes the file of a handle as name.
func pack(w io.Writer, from *Place, handle *os.File, name string, skipped func(name, why string)) error {
	p := &packer{from: from, to: tar.NewWriter(w), skipped: skipped, links: map[inode]string{}}
	if err := p.add(handle, name); err != nil {
		return err
	}
	return p.to.Close()
}

// add adds an entry, and those below it.
func (p *packer) add(handle *os.File, name string) error {
	info, err := handle.Stat()
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case 0:
		return p.addFile(handle, info, name)
	case fs.ModeDir:
		return p.addDir(handle, info, name)
	case fs.ModeSymlink:
		target, err := readlink(handle)
		if err != nil {
			return fmt.Errorf("read link %s: %w", name, err)
		}
		return p.header(info, name, target)
	default:
		p.skipped(name, "neither a file nor a directory")
		return nil
	}
}

// header writes the head of an entry, with ids as the container has them.
func (p *packer) header(info fs.FileInfo, name, target string) error {
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	// The names are the node's; the other times and the device numbers are not copied.
	*header = tar.Header{
		Typeflag: header.Typeflag, Name: name, Linkname: target, Size: header.Size, Mode: header.Mode,
		ModTime: header.ModTime, Format: tar.FormatPAX,
	}
	if info.IsDir() {
		header.Name += "/"
	}
	stat := info.Sys().(*syscall.Stat_t)
	if header.Uid, header.Gid, err = p.from.ids.ToContainer(int(stat.Uid), int(stat.Gid)); err != nil {
		header.Uid, header.Gid = overflowID, overflowID
	}
	return p.to.WriteHeader(header)
}

// overflowID is the owner of a file whose owner has no id in the container's user namespace
// (user_namespaces(7)).
const overflowID = 65534

func (p *packer) addFile(handle *os.File, info fs.FileInfo, name string) error {
	if stat := info.Sys().(*syscall.Stat_t); stat.Nlink > 1 {
		id := inode{uint64(stat.Dev), stat.Ino}
		if first, seen := p.links[id]; seen {
			return p.to.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: first, Format: tar.FormatPAX})
		}
		p.links[id] = name
	}
	file, err := reopen(handle, unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer file.Close()
	if err := p.header(info, name, ""); err != nil {
		return err
	}
	// A file that grows is copied as long as it was.
	_, err = io.CopyN(p.to, file, info.Size())
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s shrank while it was copied", name)
	}
	return err
}

// fromKernel are file systems whose files are no data.
var fromKernel = map[int64]bool{unix.PROC_SUPER_MAGIC: true, unix.SYSFS_MAGIC: true, unix.CGROUP2_SUPER_MAGIC: true}

func (p *packer) addDir(handle *os.File, info fs.FileInfo, name string) error {
	var system unix.Statfs_t
	if err := unix.Fstatfs(int(handle.Fd()), &system); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	if fromKernel[int64(system.Type)] {
		p.skipped(name, "a file system of the kernel has no data")
		return nil
	}
	if err := p.header(info, name, ""); err != nil {
		return err
	}
	dir, err := reopen(handle, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer dir.Close()
	for {
		// In parts: a directory may have any number of entries.
		names, err := dir.Readdirnames(1000)
		for _, entry := range names {
			if err := p.addEntry(dir, entry, path.Join(name, entry)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (p *packer) addEntry(dir *os.File, entry, name string) error {
	fd, err := unix.Openat(int(dir.Fd()), entry, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil // removed since
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	handle := os.NewFile(uintptr(fd), name)
	defer handle.Close()
	return p.add(handle, name)
}

// readlink reads the link that a handle stands for (readlinkat(2), Linux 2.6.39).
func readlink(handle *os.File) (string, error) {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(handle.Fd()), "", target)
	if err != nil {
		return "", os.NewSyscallError("readlinkat", err)
	}
	return string(target[:n]), nil
}
