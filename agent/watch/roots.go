package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// The directories beside the main one, as systemd has them for units: what an operator puts
// there until the next boot comes before it, what packages bring after it.
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

// ScanRoots reads several roots as [Scan] reads one. A file hides those of its relative path in
// lower roots, as with systemd's units; an empty one, or a link to /dev/null, masks them.
func ScanRoots(roots Roots, owner int) (Tree, error) {
	return (&Scanner{Roots: roots, Owner: owner}).Scan()
}

// Scanner reads roots as [ScanRoots] does, again and again: a file whose inode says that nothing was
// written to it is not read again. What is written through shared memory (mmap(2)) need not be seen.
type Scanner struct {
	Roots Roots
	Owner int

	memory memory
}

// Scan reads the roots as they are now.
func (s *Scanner) Scan() (Tree, error) {
	defer s.memory.forget()
	var merged Tree
	seen := map[string]bool{}
	sum := sha256.New()
	for _, root := range s.Roots.All {
		tree, err := scan(root, s.Owner, &s.memory)
		if errors.Is(err, fs.ErrNotExist) && root != s.Roots.Main {
			continue
		}
		if err != nil {
			return Tree{}, err
		}
		for _, file := range tree.Files {
			if !seen[file.Name] {
				seen[file.Name] = true
				merged.Files = append(merged.Files, file)
			}
		}
		merged.Problems = append(merged.Problems, tree.Problems...)
		merged.Unfinished = merged.Unfinished || tree.Unfinished
		if merged.Writable == "" {
			merged.Writable = tree.Writable
		}
		fmt.Fprintln(sum, root, tree.Fingerprint)
	}
	var busy bool
	merged.Revision, busy = revision(s.Roots.Main)
	merged.Unfinished = merged.Unfinished || busy
	merged.Fingerprint = hex.EncodeToString(sum.Sum(nil))
	return merged, nil
}
