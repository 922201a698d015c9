// Package watch reads a manifest directory and notices when it changes. What is in the
// files is not its business; that they are files, whole and from whom they should be, is.
package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/manifests"
)

// What a directory may at most hold, so that a mistaken or hostile one costs an error.
const (
	maxFiles    = 10_000
	maxDepth    = 32
	maxFileSize = 1 << 20
)

// Tree is a manifest directory as it was read once.
type Tree struct {
	// Files are the manifests, sorted by path.
	Files []manifests.File
	// Problems are manifests that could not be read.
	Problems manifests.Diagnostics
	// Fingerprint changes when a file's name or content does.
	Fingerprint string
	// Unfinished is set when somebody may be writing the tree: one of the files is open for writing, the
	// file system does not tell whether one is, or git is checking something out.
	Unfinished bool
	// Revision is the commit of git that the tree is of; empty where nothing tells.
	Revision string
	// Writable says who beside root can write the tree or replace it, "user 1000"; empty when
	// nobody can.
	Writable string
}

// Scan reads all manifests below root: regular files named *.yaml or *.yml, in
// sub-directories too, none of them hidden; of a folder with a kustomization all files, for it
// to use. Root itself may be a symbolic link, which is
// resolved once, so that a tree is never mixed from two checkouts; no other link is
// followed. A file must belong to root, to the user of this process or to owner, and must
// not be writable for everybody. A root that is missing is an error, never an empty tree.
func Scan(root string, owner int) (Tree, error) {
	return scan(root, owner, &memory{})
}

func scan(root string, owner int, memory *memory) (Tree, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return Tree{}, fmt.Errorf("manifest directory: %w", err)
	}
	defer dir.Close()
	s := &scanner{root: root, dir: dir, owner: owner, memory: memory, hash: sha256.New(), kustomized: map[string]bool{}}
	if s.tree.Writable, err = WritableBy(root); err != nil {
		return Tree{}, fmt.Errorf("manifest directory: %w", err)
	}
	if err := fs.WalkDir(dir.FS(), ".", s.visit); err != nil {
		return Tree{}, fmt.Errorf("manifest directory: %w", err)
	}
	// Who can write the tree decides what it may ask for.
	fmt.Fprintln(s.hash, s.tree.Writable)
	s.tree.Fingerprint = hex.EncodeToString(s.hash.Sum(nil))
	return s.tree, nil
}

type scanner struct {
	root   string
	dir    *os.Root
	owner  int
	memory *memory
	tree   Tree
	hash   hash.Hash

	kustomized map[string]bool // by directory
}

func (s *scanner) visit(name string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil && name == ".":
		return err
	case err != nil:
		s.problem(name, err)
		return nil
	case name == ".":
		s.enter(name)
		return nil
	case strings.HasPrefix(entry.Name(), "."):
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	case entry.IsDir():
		if strings.Count(name, "/") >= maxDepth {
			s.problem(name, fmt.Errorf("more than %d directories deep", maxDepth))
			return fs.SkipDir
		}
		s.enter(name)
		return nil
	case !isManifest(entry.Name()) && !s.kustomized[path.Dir(name)]:
		return nil
	case len(s.tree.Files) == maxFiles:
		return fmt.Errorf("more than %d manifests", maxFiles)
	}
	info, err := entry.Info()
	if err != nil {
		s.problem(name, err)
		return nil
	}
	file := filepath.Join(s.root, name)
	known, ok := s.memory.recall(file, info)
	if ok {
		s.trust(info)
	} else {
		text, err := s.read(name, info)
		if err != nil {
			s.problem(name, err)
			return nil
		}
		known = content{text, sha256.Sum256(text)}
		s.memory.note(file, info, known)
	}
	s.tree.Files = append(s.tree.Files, manifests.File{Path: file, Name: name, Text: known.text})
	s.fingerprint(file, known.sum)
	return nil
}

// enter notes whether a directory belongs to a kustomization, its own or one above.
func (s *scanner) enter(dir string) {
	if info, err := s.dir.Lstat(dir); err == nil {
		s.trust(info)
	}
	s.kustomized[dir] = dir != "." && s.kustomized[path.Dir(dir)] ||
		slices.ContainsFunc(manifests.KustomizationNames(), func(name string) bool {
			_, err := s.dir.Lstat(path.Join(dir, name))
			return err == nil
		})
}

func isManifest(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

func (s *scanner) problem(name string, err error) {
	path := filepath.Join(s.root, name)
	// The cause may quote nothing of the file: it may be a link to something secret.
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	s.tree.Problems = append(s.tree.Problems, manifests.Diagnostic{
		Position: manifests.Position{File: path, Line: 1, Column: 1}, Message: err.Error(),
	})
	s.fingerprint(path, sha256.Sum256([]byte(err.Error())))
}

func (s *scanner) fingerprint(path string, sum [sha256.Size]byte) {
	fmt.Fprintf(s.hash, "%q %x\n", path, sum)
}

// read reads one manifest. Opening without blocking keeps a FIFO from stopping the scan.
func (s *scanner) read(name string, info fs.FileInfo) ([]byte, error) {
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err := s.dir.Readlink(name); err == nil && target == os.DevNull {
			return nil, nil // masks the file of that name in lower roots
		}
		return nil, errors.New("symbolic links are not followed: put the file itself here")
	}
	s.trust(info)
	file, err := s.dir.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := s.check(file); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	s.tree.Unfinished = s.tree.Unfinished || mayBeWritten(file)
	if len(text) > maxFileSize {
		return nil, fmt.Errorf("more than %d bytes", maxFileSize)
	}
	return text, nil
}

// mayBeWritten reports whether a file is open for writing, or nobody can tell: only of one that is not, a lease
// for reading is to be had (fcntl(2)). It is given back before anybody can miss it.
func mayBeWritten(file *os.File) bool {
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		return true
	}
	_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	return err != nil
}

func (s *scanner) check(file *os.File) error {
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return err
	}
	uid := int(stat.Uid)
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("not a regular file")
	case uid != 0 && uid != os.Geteuid() && uid != s.owner:
		return fmt.Errorf("belongs to user %d: manifests belong to root, or to the user that --owner names", uid)
	case stat.Mode&unix.S_IWOTH != 0:
		return errors.New("everybody may write it: chmod o-w")
	}
	return nil
}
