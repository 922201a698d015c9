package watch

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
)

// The directories beside the main one, as systemd has them for units: files of an operator
// that last until the next boot come before it, files of packages after it.
var (
	runtimeRoots = []string{"/run/davit/manifests"}
	vendorRoots  = []string{"/usr/local/lib/davit/manifests", "/usr/lib/davit/manifests"}
)

// Roots are manifest directories, the highest first.
type Roots struct {
	// Main must exist; the others may.
	Main string
	// All has Main in its place.
	All []string
}

// RootsOf returns the roots of a node whose main directory this is.
func RootsOf(main string) Roots {
	return Roots{Main: main, All: slices.Concat(runtimeRoots, []string{main}, vendorRoots)}
}

// Scanner reads several roots as [Scan] reads one. A file hides those of its relative path in
// lower roots, as with systemd's units; an empty one, or a link to /dev/null, masks them.
//
// It can be called often: a file whose inode shows no write is not read again. Writes through shared memory (mmap(2)) may be
// missed.
type Scanner struct {
	Roots Roots
	Owner int

	memory   memory
	progress progress
}

// Scan reads all manifests below the roots as they are now: regular files named *.yaml or *.yml, in sub-directories too, none
// of them hidden; of a folder with a kustomization all files. A root may be a symbolic link, which is resolved once, so that a
// tree is never mixed from two checkouts; no other link is followed. Anything else that is not hidden is a problem: a link to a
// directory, a device, a FIFO, a socket. A file must belong to root, to the user of this process or to the owner, and must not
// be writable for everybody. A root that is missing is an error, never an empty tree.
func (s *Scanner) Scan() (Tree, error) {
	defer s.memory.forget()
	var all []entry
	writable := ""
	for number, root := range s.Roots.All {
		entries, who, err := s.scan(number)
		if errors.Is(err, fs.ErrNotExist) && root != s.Roots.Main {
			continue
		}
		if err != nil {
			return Tree{}, err
		}
		all, writable = append(all, entries...), cmp.Or(writable, who)
	}
	tree := treeOf(all, writable)
	s.progress.at(s.Roots.Main)
	tree.Revision, tree.busy = revision(s.Roots.Main)
	tree.Unfinished = tree.Unfinished || tree.busy
	return tree, nil
}
