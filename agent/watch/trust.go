package watch

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links a path may lead through, as for the kernel
// (path_resolution(7)).
const maxLinks = 40

// writableBy names the users beside root who can change the file at a path, "user 1000": its owner, its
// group, everybody, or a user who can write a directory that the path or a link on it leads
// through. It is empty for none.
func writableBy(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	at, rest := "/", parts(path)
	for links := 0; ; {
		info, err := os.Lstat(at)
		if err != nil {
			return "", err
		}
		if who := writer(info, len(rest) > 0); who != "" {
			return who, nil
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if links++; links > maxLinks {
				return "", &fs.PathError{Op: "resolve", Path: path, Err: syscall.ELOOP}
			}
			target, err := os.Readlink(at)
			if err != nil {
				return "", err
			}
			at, rest = filepath.Dir(at), append(parts(target), rest...)
			if filepath.IsAbs(target) {
				at = "/"
			}
		}
		if len(rest) == 0 {
			return "", nil
		}
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

// parts are the names of a path.
func parts(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(part string) bool { return part == "" || part == "." })
}

// writer names the users beside root who can write a file, or replace one in a directory. With an ACL the
// group's bits are its mask (acl(5)), so no user that an ACL names is missed. passed directories
// are those on the way: with the sticky bit, /tmp, others cannot replace root's files there.
func writer(info fs.FileInfo, passed bool) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	sticky := passed && info.IsDir() && info.Mode()&fs.ModeSticky != 0
	link := info.Mode()&fs.ModeSymlink != 0 // a link's own mode has no meaning
	switch {
	case !ok:
		return "somebody"
	case stat.Uid != 0:
		return fmt.Sprintf("user %d", stat.Uid)
	case sticky || link:
		return ""
	case stat.Mode&syscall.S_IWOTH != 0:
		return "everybody"
	case stat.Mode&syscall.S_IWGRP != 0:
		return fmt.Sprintf("group %d", stat.Gid)
	}
	return ""
}

// trust notes who can write an entry of the tree.
func (s *scanner) trust(info fs.FileInfo) {
	if s.writable == "" {
		s.writable = writer(info, false)
	}
}
