// Package watch reads a manifest directory and notices when it changes. It knows nothing of the content of
// files, but checks that they are files, whole and of a trusted owner.
package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/fleet"
	"github.com/davit-project/davit/manifests/object"
)

// Bounds of a directory, so that a mistaken or hostile one costs an error.
const (
	maxFiles    = 10_000
	maxDepth    = 32
	maxFileSize = 4 << 20
)

// Tree is a manifest directory as it was read once.
type Tree struct {
	// Files are the manifests, sorted by path.
	Files []manifests.File
	// Problems are manifests that could not be read.
	Problems object.Diagnostics
	// Fingerprint changes when a file's name or content does.
	Fingerprint string
	// Unfinished is set if the tree may be being written: one of the files is open for writing, the
	// file system does not show whether one is, or git is checking files out.
	Unfinished bool
	// Revision is the commit of git that the tree is of; empty where nothing tells.
	Revision string
	// Writable names the users beside root who can write the tree or replace it, "user 1000"; empty for
	// none.
	Writable string

	entries []entry // root by root, each in the order of its paths
	busy    bool    // git is checking something out
}

// entry is a manifest as it was read once, or why it could not be read.
type entry struct {
	root    int // the highest is 0
	file    manifests.File
	problem string // empty if it was read
	sum     [sha256.Size]byte
	written bool // it may be being written
}

// treeOf is the tree that entries make up. A file hides those of its name in lower roots.
func treeOf(entries []entry, writable string) Tree {
	tree := Tree{Writable: writable, entries: entries}
	seen, sum := make(map[string]bool, len(entries)), sha256.New()
	tree.Files = slices.Grow(tree.Files, len(entries))
	var line []byte
	for _, e := range entries {
		line = strconv.AppendQuote(line[:0], e.file.Path)
		line = hex.AppendEncode(append(line, ' '), e.sum[:])
		sum.Write(fmt.Appendf(line, " %s\n", e.file.Readers))
		tree.Unfinished = tree.Unfinished || e.written
		switch {
		case e.problem != "":
			tree.Problems = append(tree.Problems, object.Diagnostic{
				Position: object.Position{File: e.file.Path, Line: 1, Column: 1}, Message: e.problem,
			})
		case !seen[e.file.Name]:
			seen[e.file.Name] = true
			tree.Files = append(tree.Files, e.file)
		}
	}
	// The users who can write the tree decide what it may request.
	fmt.Fprintln(sum, writable)
	tree.Fingerprint = hex.EncodeToString(sum.Sum(nil))
	return tree
}

// scan reads one root, and names the users who can write it.
func (s *Scanner) scan(number int) (entries []entry, writable string, err error) {
	root := s.Roots.All[number]
	s.progress.at(root)
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, "", fmt.Errorf("manifest directory: %w", err)
	}
	defer dir.Close()
	one := &scanner{number: number, root: root, dir: dir, owner: s.Owner, memory: &s.memory, progress: &s.progress, kustomized: map[string]bool{}, reach: map[string]audience{}}
	if one.writable, err = writableBy(root); err != nil {
		return nil, "", fmt.Errorf("manifest directory: %w", err)
	}
	if err := fs.WalkDir(dir.FS(), ".", one.visit); err != nil {
		return nil, "", fmt.Errorf("manifest directory: %w", err)
	}
	return one.entries, one.writable, nil
}

type scanner struct {
	number   int
	root     string
	dir      *os.Root
	owner    int
	memory   *memory
	progress *progress
	entries  []entry
	writable string

	kustomized map[string]bool     // by directory
	reach      map[string]audience // the users who can enter a directory
}

func (s *scanner) visit(name string, entry fs.DirEntry, err error) error {
	s.progress.at(filepath.Join(s.root, name))
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
		if err := s.pass(name, entry.Type()); err != nil {
			s.problem(name, err)
		}
		return nil
	case len(s.entries) == maxFiles:
		return fmt.Errorf("more than %d manifests", maxFiles)
	}
	s.file(name, entry)
	return nil
}

// file reads one manifest, unless it is as it was read last.
func (s *scanner) file(name string, found fs.DirEntry) {
	info, err := found.Info()
	if err != nil {
		s.problem(name, err)
		return
	}
	path := filepath.Join(s.root, name)
	known, ok := s.memory.recall(path, info)
	written := false
	if ok {
		s.trust(info)
	} else {
		var text []byte
		if text, written, err = s.read(name, info); err != nil {
			s.problem(name, err)
			return
		}
		known = content{text, sha256.Sum256(text)}
		s.memory.note(path, info, known)
	}
	s.entries = append(s.entries, entry{
		root: s.number, file: manifests.File{Path: path, Name: name, Text: known.text, Readers: s.readers(name, info)},
		sum: known.sum, written: written,
	})
}

// pass returns why an entry that is no manifest may not be skipped: manifests may be behind it.
func (s *scanner) pass(name string, kind fs.FileMode) error {
	switch {
	case kind.IsRegular():
		return nil
	case kind&fs.ModeSymlink == 0:
		return errors.New(notRegular)
	}
	info, err := os.Stat(filepath.Join(s.root, name))
	switch {
	case err != nil:
		return fmt.Errorf("%s, and this one leads nowhere: remove it", notFollowed)
	case info.IsDir():
		return fmt.Errorf("%s: put the directory itself here, or mount it (mount --bind)", notFollowed)
	case !info.Mode().IsRegular():
		return errors.New(notRegular)
	}
	return nil
}

const (
	notRegular  = "not a regular file or a directory: remove it, or hide it with a name that begins with a dot"
	notFollowed = "symbolic links are not followed"
)

// enter notes whether a directory belongs to a kustomization, its own or one above.
func (s *scanner) enter(dir string) {
	if info, err := s.dir.Lstat(dir); err == nil {
		s.trust(info)
		s.enterReach(dir, info)
	}
	s.kustomized[dir] = dir != "." && s.kustomized[path.Dir(dir)] || s.hasKustomization(dir)
}

func (s *scanner) hasKustomization(dir string) bool {
	for _, name := range fleet.KustomizationNames() {
		_, err := s.dir.Lstat(path.Join(dir, name))
		if err == nil {
			return true
		}
		if !errors.Is(err, fs.ErrNotExist) {
			s.problem(path.Join(dir, name), err)
		}
	}
	return false
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
	text := err.Error()
	s.entries = append(s.entries, entry{
		root: s.number, file: manifests.File{Path: path, Name: name}, problem: text, sum: sha256.Sum256([]byte(text)),
	})
}

// read reads one manifest, and reports whether it may be being written. It opens regular files only:
// to open a device can have an effect on it. Opening without blocking keeps a FIFO that took its place from stopping
// the scan.
func (s *scanner) read(name string, info fs.FileInfo) (text []byte, written bool, err error) {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		if target, err := s.dir.Readlink(name); err == nil && target == os.DevNull {
			return nil, false, nil // masks the file of that name in lower roots
		}
		return nil, false, errors.New(notFollowed + ": put the file itself here")
	case !info.Mode().IsRegular():
		return nil, false, errors.New(notRegular)
	}
	s.trust(info)
	file, err := s.dir.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	if err := s.check(file); err != nil {
		return nil, false, err
	}
	text, err = io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, false, err
	}
	if len(text) > maxFileSize {
		return nil, false, fmt.Errorf("more than %d bytes", maxFileSize)
	}
	return text, mayBeWritten(file), nil
}

// mayBeWritten reports whether a file may be open for writing: only for one that is not, the kernel grants a lease
// for reading (fcntl(2)). It is given back at once.
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
		return errors.New(notRegular)
	case uid != 0 && uid != os.Geteuid() && uid != s.owner:
		return fmt.Errorf("belongs to user %d: manifests belong to root, or to the user that --owner names", uid)
	case stat.Mode&unix.S_IWOTH != 0:
		return errors.New("everybody may write it: chmod o-w")
	}
	return nil
}
