package transfer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
)

// unpacker puts a tar stream below a directory. The stream may be hostile, and so may those who
// have the directory: nothing outside of it is touched.
type unpacker struct {
	to   *Place
	root *os.Root
	// existing is a file that the only entry of the stream goes to; nil for a new one.
	existing *os.File
	// owners keeps the stream's owners.
	owners  bool
	skipped func(name, why string)
	// dirs get their times when everything is in them.
	dirs []dirTime
}

type dirTime struct {
	name string
	time time.Time
}

func (u *unpacker) unpack(r io.Reader) error {
	stream := tar.NewReader(r)
	for {
		header, err := stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read tar stream: %w", err)
		}
		if err := u.put(header, stream); err != nil {
			return err
		}
	}
	for _, dir := range u.dirs {
		if err := u.root.Chtimes(dir.name, time.Time{}, dir.time); err != nil {
			return err
		}
	}
	// The sender has to discard the bytes after the end.
	_, err := io.Copy(io.Discard, r)
	return err
}

// put makes one entry.
func (u *unpacker) put(header *tar.Header, content io.Reader) error {
	name := localName(header.Name)
	if u.existing != nil {
		return u.putFile(name, header, content)
	}
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.putFile(name, header, content)
	case tar.TypeDir:
		return u.putDir(name, header)
	case tar.TypeSymlink:
		if err := u.replace(name, func() error { return u.root.Symlink(header.Linkname, name) }); err != nil {
			return err
		}
		return u.chown(name, header)
	case tar.TypeLink:
		return u.replace(name, func() error { return u.root.Link(localName(header.Linkname), name) })
	default:
		u.skipped(name, "neither a file nor a directory")
		return nil
	}
}

// localName makes a name of a stream relative to the directory it is unpacked in, whether it begins with / or not.
func localName(name string) string {
	if name = path.Clean("/" + name)[1:]; name != "" {
		return name
	}
	return "."
}

// replace makes a new entry where there may be another, which is no directory.
func (u *unpacker) replace(name string, make func() error) error {
	err := make()
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := u.root.Lstat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a directory already", name)
	}
	if err := u.root.Remove(name); err != nil {
		return err
	}
	return make()
}

func (u *unpacker) putDir(name string, header *tar.Header) error {
	err := u.root.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		info, err := u.root.Lstat(name)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s exists and is no directory", name)
		}
		return err // one that was there stays as it is
	}
	if err != nil {
		return err
	}
	if err := u.chown(name, header); err != nil {
		return err
	}
	u.dirs = append(u.dirs, dirTime{name, header.ModTime})
	return u.root.Chmod(name, u.mode(header))
}

// chown gives an entry its owner, where the stream's counts.
func (u *unpacker) chown(name string, header *tar.Header) error {
	if !u.owners {
		return nil
	}
	uid, gid, err := u.to.ids.ToHost(header.Uid, header.Gid)
	if err != nil {
		return fmt.Errorf("owner of %s: %w", name, err)
	}
	return u.root.Lchown(name, uid, gid)
}

// mode is the entry's. A file that will belong to root of the node does not keep the bits by
// which it runs as its owner.
func (u *unpacker) mode(header *tar.Header) fs.FileMode {
	kept := fs.ModePerm
	if u.to.root != nil || u.owners {
		kept |= fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	}
	return header.FileInfo().Mode() & kept
}

func (u *unpacker) putFile(name string, header *tar.Header, content io.Reader) (err error) {
	file, err := u.create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := writeSparse(file, content); err != nil {
		return err
	}
	if u.owners {
		uid, gid, err := u.to.ids.ToHost(header.Uid, header.Gid)
		if err != nil {
			return fmt.Errorf("owner of %s: %w", name, err)
		}
		if err := file.Chown(uid, gid); err != nil {
			return err
		}
	}
	if err := file.Chmod(u.mode(header)); err != nil {
		return err
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(header.ModTime.UnixNano())}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(unix.AT_FDCWD, untrusted.Path(file), times, 0))
}

// create opens a file for new content. An existing file keeps its inode, as with cp(1): it
// may be mounted there, or have other names. Anything else is replaced.
func (u *unpacker) create(name string) (*os.File, error) {
	if u.existing != nil {
		return reopen(u.existing, unix.O_WRONLY|unix.O_TRUNC)
	}
	var file *os.File
	handle, err := u.root.OpenFile(name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err == nil {
		defer handle.Close()
		if info, err := handle.Stat(); err == nil && info.Mode().IsRegular() {
			file, err := reopen(handle, unix.O_WRONLY|unix.O_TRUNC)
			// A program that runs, or a file that a process does not let go.
			if !errors.Is(err, unix.ETXTBSY) && !errors.Is(err, untrusted.ErrLeased) {
				return file, err
			}
		}
	}
	err = u.replace(name, func() (err error) {
		file, err = u.root.OpenFile(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
		return err
	})
	return file, err
}

// writeSparse writes a file and leaves holes where whole blocks are zero.
func writeSparse(file *os.File, content io.Reader) error {
	block, zero := make([]byte, sparseBlock), make([]byte, sparseBlock)
	var size int64
	for {
		n, err := io.ReadFull(content, block)
		if n > 0 && !bytes.Equal(block[:n], zero[:n]) {
			if _, err := file.WriteAt(block[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return file.Truncate(size)
		}
		if err != nil {
			return err
		}
	}
}

// sparseBlock is how many bytes in a row become a hole.
const sparseBlock = 64 << 10
