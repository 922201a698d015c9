package rootfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/confine"
	"github.com/davit-project/davit/units/bundle"
)

// MakeEmptyDirs makes the empty directories, those in memory as file systems of their own.
func MakeEmptyDirs(b *bundle.Bundle, labels confine.Labels) error {
	for _, dir := range b.EmptyDirs {
		path := bundle.EmptyDirPath(b.ID, dir.Name)
		if err := os.MkdirAll(path, 0o777); err != nil {
			return err
		}
		if kind, options := dir.FileSystem(); kind != "" {
			if err := mountMemory(kind, path, options, labels); err != nil {
				return fmt.Errorf("empty directory %s: %w", dir.Name, err)
			}
			continue
		}
		if err := openToAll(path, dir.GID); err != nil {
			return err
		}
		if err := labels.Label(path); err != nil {
			return err
		}
	}
	return nil
}

// openToAll lets every user write to a directory. With a group, files made in it belong to that group.
func openToAll(path string, gid int) error {
	if gid == 0 {
		return os.Chmod(path, 0o777)
	}
	// A change of the owner takes the bits away (chown(2)).
	if err := os.Chown(path, 0, gid); err != nil {
		return err
	}
	return os.Chmod(path, 0o777|os.ModeSetgid)
}

// memoryFlags are mount options that mount(2) takes as flags.
var memoryFlags = map[string]uintptr{"nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC}

func mountMemory(kind, path string, options []string, labels confine.Labels) error {
	var flags uintptr
	var data []string
	for _, option := range options {
		if flag, ok := memoryFlags[option]; ok {
			flags |= flag
		} else {
			data = append(data, option)
		}
	}
	return unix.Mount(kind, path, kind, flags, labels.Options(data...))
}
