// Package generations keeps the applied objects, generation by generation, and the decisions of an operator or of a
// failed update about them. It knows their format on the disk; the core decides about their consequences. All of it can
// be lost without harm to workloads.
package generations

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/units/bundle"
)

// defaultDir is the directory of generations.
const defaultDir = bundle.StateDir + "/generations"

// DefaultKeep is how many generations are kept by default.
const DefaultKeep = 10

// Files of a generation's directory.
const (
	headFile    = "generation.json" // the data that lists show; rewritten with the outcome
	desiredFile = "desired.json"    // written again only when objects join that were waited for
)

// Store is the node's generations. It is not for several goroutines at once.
type Store struct {
	// dir is [defaultDir] where it is empty; tests have their own.
	dir string
	// heads are those that were listed last, by number.
	heads map[int]head
}

// head is a generation as it was read from a file.
type head struct {
	file       fs.FileInfo
	generation history.Generation
}

// In is the store in another directory.
func In(dir string) Store { return Store{dir: dir} }

func (s Store) root() string { return cmp.Or(s.dir, defaultDir) }

func (s Store) path(number int, file string) string {
	return filepath.Join(s.root(), fmt.Sprintf("%06d", number), file)
}

// List returns the generations that are kept, the newest one first. One that cannot be read is as
// if it were not there; its error is joined to the result. A file that has not changed is not read again.
func (s *Store) List() ([]history.Generation, error) {
	entries, err := os.ReadDir(s.root())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	var list []history.Generation
	var failures []error
	heads := make(map[int]head, len(entries))
	for _, entry := range slices.Backward(entries) {
		number, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue // the rest of an interrupted write, or a decision
		}
		read, err := s.head(number)
		if err != nil {
			failures = append(failures, fmt.Errorf("generation %d: %w", number, err))
			continue
		}
		heads[number] = read
		list = append(list, read.generation.Clone())
	}
	s.heads = heads
	return list, errors.Join(failures...)
}

func (s *Store) head(number int) (head, error) {
	path := s.path(number, headFile)
	file, err := os.Stat(path)
	if err != nil {
		return head{}, err
	}
	if known, ok := s.heads[number]; ok && disk.Unchanged(known.file, file) {
		return known, nil
	}
	read := head{file: file}
	err = readJSON(path, &read.generation)
	read.generation.Number = number
	return read, err
}

// Origin has the revision of a generation's manifests, and the cause of the generation.
type Origin struct {
	// Revision is the commit of its manifests, Manifests their digest, Note the cause of it
	// if that was not a change of the manifests.
	Revision, Manifests, Note string
}

// Begin keeps the desired state as the next generation, unless it is that of the newest one, or joins it.
// prepare completes its record before that is written.
func (s Store) Begin(
	list []history.Generation, desired reconcile.Desired, origin Origin, now time.Time, prepare func(*history.Generation),
) (history.Generation, error) {
	text, digest, err := encode(desired)
	if err != nil {
		return history.Generation{}, fmt.Errorf("begin a generation: %w", err)
	}
	switch {
	case len(list) > 0 && list[0].Digest == digest:
		newest := list[0].Clone()
		if prepare(&newest); newest.Same(list[0]) {
			return newest, nil
		}
		return newest, s.Finish(newest)
	case len(list) > 0 && list[0].Joins(desired, origin.Manifests):
		joined := list[0].Join(desired, digest)
		prepare(&joined)
		return joined, s.join(joined, text)
	}
	number, err := s.next()
	if err != nil {
		return history.Generation{}, err
	}
	generation := history.NewGeneration(number, desired, digest, now)
	generation.Revision, generation.Note, generation.Manifests = origin.Revision, origin.Note, origin.Manifests
	generation.Inherit(list)
	prepare(&generation)
	return generation, s.write(generation, text)
}

// join writes a generation again that objects have joined. Its objects come first: an object that
// its head lacks joins it again.
func (s Store) join(generation history.Generation, desired []byte) error {
	if err := disk.WriteFile(s.path(generation.Number, desiredFile), desired, 0o600); err != nil {
		return fmt.Errorf("write generation %d: %w", generation.Number, err)
	}
	return s.Finish(generation)
}

// IsNewest reports whether the desired state is that of the newest generation.
func IsNewest(list []history.Generation, desired reconcile.Desired) (bool, error) {
	_, digest, err := encode(desired)
	return len(list) > 0 && list[0].Digest == digest, err
}

func encode(desired reconcile.Desired) (text []byte, digest string, err error) {
	text, err = json.Marshal(desired)
	sum := sha256.Sum256(text)
	return text, hex.EncodeToString(sum[:]), err
}

// next is a number that no generation has had, also not one that can no longer be read.
func (s Store) next() (int, error) {
	entries, err := os.ReadDir(s.root())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("begin a generation: %w", err)
	}
	last := 0
	for _, entry := range entries {
		if number, err := strconv.Atoi(entry.Name()); err == nil {
			last = max(last, number)
		}
	}
	return last + 1, nil
}

// write brings a generation's directory about: with all that is in it, or not at all.
func (s Store) write(generation history.Generation, desired []byte) error {
	if err := os.MkdirAll(s.root(), 0o700); err != nil {
		return fmt.Errorf("write generation %d: %w", generation.Number, err)
	}
	dir, err := os.MkdirTemp(s.root(), ".new-")
	if err != nil {
		return fmt.Errorf("write generation %d: %w", generation.Number, err)
	}
	err = disk.WriteFile(filepath.Join(dir, desiredFile), desired, 0o600)
	if err == nil {
		err = writeJSON(filepath.Join(dir, headFile), generation)
	}
	if err == nil {
		err = os.Rename(dir, filepath.Dir(s.path(generation.Number, headFile)))
	}
	if err != nil {
		return fmt.Errorf("write generation %d: %w", generation.Number, errors.Join(err, os.RemoveAll(dir)))
	}
	return disk.SyncDir(s.root())
}

// Finish writes down how a generation went, or goes.
func (s Store) Finish(generation history.Generation) error {
	if err := writeJSON(s.path(generation.Number, headFile), generation); err != nil {
		return fmt.Errorf("write generation %d: %w", generation.Number, err)
	}
	return nil
}

// Desired is the state that a generation applies, without the bundles.
func (s Store) Desired(number int) (reconcile.Desired, error) {
	var desired reconcile.Desired
	if err := readJSON(s.path(number, desiredFile), &desired); err != nil {
		return desired, fmt.Errorf("generation %d: %w", number, err)
	}
	return desired, nil
}

// Prune removes the generations that are beyond so many to keep, but for those that are spared, and the rest of interrupted
// writes.
func (s Store) Prune(keep int, spared map[int]bool) error {
	entries, err := os.ReadDir(s.root())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("prune generations: %w", err)
	}
	var failures []error
	kept := 0
	for _, entry := range slices.Backward(entries) { // the newest one first
		number, err := strconv.Atoi(entry.Name())
		isGeneration := err == nil
		if isGeneration && (kept < keep || spared[number]) {
			kept++
			failures = append(failures, disk.Tidy(filepath.Join(s.root(), entry.Name())))
		} else if isGeneration || strings.HasPrefix(entry.Name(), ".") {
			failures = append(failures, s.remove(entry.Name()))
		}
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("prune generations: %w", err)
	}
	return nil
}

// goneName is the name of a generation while it is removed: half of one is none.
const goneName = ".new-gone"

// remove removes a directory, so that it exists whole or not at all.
func (s Store) remove(name string) error {
	gone := filepath.Join(s.root(), goneName)
	if name == goneName {
		return os.RemoveAll(gone)
	}
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(s.root(), name), gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return disk.WriteFile(path, text, 0o600)
}
