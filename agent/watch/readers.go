package watch

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// audience is who can read a file, or get into a directory, beside root and its owner.
type audience int

const (
	nobody audience = iota
	aGroup
	everybody
)

// audienceOf is who has a permission, as the bit of all others. With an ACL the group's bits are its mask (acl(5)), so
// whoever that names is in a group here.
func audienceOf(info fs.FileInfo, bit fs.FileMode) audience {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&bit != 0:
		return everybody
	case info.Mode()&(bit<<3) != 0 && (!ok || stat.Gid != 0):
		return aGroup
	}
	return nobody
}

const (
	otherRead    fs.FileMode = 0o004
	otherExecute fs.FileMode = 0o001
)

// enterReach notes who can get into a directory of the tree, and into the tree.
func (s *scanner) enterReach(dir string, info fs.FileInfo) {
	above := s.reach[path.Dir(dir)]
	if dir == "." {
		above = reachAbove(s.root)
	}
	s.reach[dir] = min(above, audienceOf(info, otherExecute))
}

// reachAbove is who can get to a directory of the node, or to where a link leads, through the directories above it.
func reachAbove(dir string) audience {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return everybody
	}
	reach := everybody
	for dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		info, err := os.Stat(dir)
		if err != nil {
			return everybody
		}
		reach = min(reach, audienceOf(info, otherExecute))
	}
	return reach
}

// readers names the users who can read a file of the tree, for people.
func (s *scanner) readers(name string, info fs.FileInfo) string {
	switch min(s.reach[path.Dir(name)], audienceOf(info, otherRead)) {
	case everybody:
		return "everybody"
	case aGroup:
		return "a group"
	}
	return ""
}
