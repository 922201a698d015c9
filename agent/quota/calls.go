package quota

import (
	"errors"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of quotactl(2) for projects (linux/quota.h and linux/dqblk_xfs.h). All are those that every file system has;
// for those of XFS alone there are equal commands in the kernel's fs/quota/quota.c.
const (
	ofProjects = 2 // PRJQUOTA

	getState = ('X'<<8|5)<<8 | ofProjects // Q_XGETQSTAT
	getQuota = 0x800007<<8 | ofProjects   // Q_GETQUOTA
	setQuota = 0x800008<<8 | ofProjects   // Q_SETQUOTA

	enforced = 1 << 5 // FS_QUOTA_PDQ_ENFD
	limits   = 1 | 4  // QIF_LIMITS
)

// state is the beginning of struct fs_quota_stat, and room for all of it.
type state struct {
	_     int8
	flags uint16
	_     [124]byte
}

// block is struct if_dqblk; blocks of it are 1 KiB.
type block struct {
	blockHard, blockSoft, bytes  uint64
	inodeHard, inodeSoft, inodes uint64
	blockUntil, inodeUntil       uint64
	valid                        uint32
	_                            uint32
}

func (f *FileSystem) call(command, id uint32, argument unsafe.Pointer) error {
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, uintptr(f.fd), uintptr(command), uintptr(id), uintptr(argument), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("quotactl", errno)
	}
	return nil
}

// isEnforced reports whether the file system enforces limits of projects. One that cannot be asked enforces none.
func (f *FileSystem) isEnforced() bool {
	var now state
	err := f.call(getState, 0, unsafe.Pointer(&now))
	return err == nil && now.flags&enforced != 0
}

// isUsed reports whether anything belongs to a project. XFS has never heard of most.
func (f *FileSystem) isUsed(id uint32) (bool, error) {
	var now block
	err := f.call(getQuota, id, unsafe.Pointer(&now))
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return now.inodes > 0 || now.bytes > 0, err
}

// set sets the limit of a project; the zero limit is none.
func (f *FileSystem) set(id uint32, limit Limit) error {
	return f.call(setQuota, id, unsafe.Pointer(&block{blockHard: limit.Bytes >> 10, inodeHard: limit.Inodes, valid: limits}))
}

// attributes is struct fsxattr of linux/fs.h.
type attributes struct {
	flags, _, _, project uint32
	_                    [12]byte
}

// The calls for them, FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR. The topmost bits say which way the structure goes, and differ
// between architectures.
const (
	directions    = 0xe0000000
	number        = unsafe.Sizeof(attributes{})<<16 | 'X'<<8
	getAttributes = unix.FS_IOC_GETFLAGS&directions | number | 31
	setAttributes = unix.FS_IOC_SETFLAGS&directions | number | 32

	inherits = 0x200 // FS_XFLAG_PROJINHERIT
)

// projectOf is the project of a directory; 0 for none.
func projectOf(dir string) (id uint32, err error) {
	err = change(dir, func(now *attributes) bool {
		id = now.project
		return false
	})
	return id, err
}

// setProject makes a directory part of a project, and all that will be made in it.
func setProject(dir string, id uint32) error {
	return change(dir, func(now *attributes) bool {
		before := *now
		now.project, now.flags = id, now.flags|inherits
		return *now != before
	})
}

// change changes the attributes of a directory as a function does, which reports whether it did.
func change(dir string, edit func(*attributes) bool) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	var now attributes
	if err := ioctl(fd, getAttributes, &now); err != nil || !edit(&now) {
		return err
	}
	return ioctl(fd, setAttributes, &now)
}

func ioctl(fd int, call uintptr, argument *attributes) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), call, uintptr(unsafe.Pointer(argument))); errno != 0 {
		return os.NewSyscallError("ioctl", errno)
	}
	return nil
}
