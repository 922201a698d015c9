package watch

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Settler decides when a tree that may still be being written can be acted on: a
// truncated manifest often parses, with fewer objects than it should have. Times come in
// as arguments; the zero Settler with its windows set is ready.
//
// Joint changes are applied together, once the whole tree is quiet. A tree that is not quiet for long is
// judged file by file: one that keeps changing stays as it last was when it was quiet, and the others count.
type Settler struct {
	// Quiet is how long a tree must have been unchanged to be applied; Prompt is how long it must have been
	// if no program seems to be writing it, and it was quiet before it changed.
	Quiet, Prompt time.Duration
	// PruneQuiet is how long before missing objects may be removed; it is not shorter.
	PruneQuiet time.Duration
	// Patience is how long a tree may not be quiet before its files are judged one by one. It is not shorter
	// than PruneQuiet.
	Patience time.Duration

	fingerprint string
	since       time.Time
	rested      time.Time // when it was last quiet
	firm        time.Time // when it was last quiet for so long that missing objects could be removed
	busy        bool      // its last change came soon after the one before
	files       map[string]*settling
}

// settling is how one file changes: as it is, as it was when it was last quiet, and as it was when removals were
// last allowed. Each is nil if the file did not exist.
type settling struct {
	now, rested, firm *entry
	since             time.Time
	seen              bool // in this look
}

// same reports whether a file is the same in two looks.
func same(a, b *entry) bool { return a == b || a != nil && b != nil && a.sum == b.sum }

// Verdict is the permitted use of a tree now.
type Verdict struct {
	// Apply says whether Tree, of which files that keep changing are as they were before, may be applied.
	Apply bool
	Tree  Tree
	// Changing are the paths of the files that Tree has in another version than there is now.
	Changing []string
	// Prune reports whether objects that the tree lacks may be removed. Unless the tree is quiet, objects from the
	// paths in Unsettled may not be removed, nor those in Firm: the tree as it was before they began to change.
	Prune     bool
	Unsettled []string
	Firm      Tree
	// Wait is how long until more may be done; 0 when all may.
	Wait time.Duration
	// Restless is how long the tree has not been quiet.
	Restless time.Duration
}

// See takes note of the tree at a time, and of the basis: all else that decides the meaning of its manifests.
func (s *Settler) See(tree Tree, basis string, now time.Time) Verdict {
	first := s.since.IsZero()
	if first {
		s.rested, s.firm = now, now
	}
	if fingerprint := tree.Fingerprint + basis; fingerprint != s.fingerprint || first {
		s.change(now.Sub(s.since), now)
		s.fingerprint, s.since = fingerprint, now
	}
	s.note(tree, now)
	quiet := s.Quiet
	if !tree.Unfinished && !s.busy {
		quiet = min(s.Prompt, s.Quiet)
	}
	age := now.Sub(s.since)
	if age >= quiet {
		return s.quiet(tree, age, now)
	}
	verdict := Verdict{Wait: quiet - age, Restless: now.Sub(s.rested)}
	if verdict.Restless < s.Patience || tree.busy {
		return verdict
	}
	verdict.Apply = true
	verdict.Tree, verdict.Changing = s.assemble(tree, func(file *settling) *entry { return file.rested })
	s.prunePatiently(&verdict, tree, now)
	return verdict
}

// change takes note of a change after the tree was unchanged for a while. There is no look while it is quiet.
func (s *Settler) change(age time.Duration, now time.Time) {
	s.busy = age < s.Quiet
	if !s.busy {
		s.rested = now
	}
	if age >= s.PruneQuiet {
		s.firm = now
	}
}

// quiet is the verdict on a tree that has been unchanged for long enough to be applied.
func (s *Settler) quiet(tree Tree, age time.Duration, now time.Time) Verdict {
	s.rested = now
	verdict := Verdict{Apply: true, Tree: tree, Prune: age >= s.PruneQuiet}
	for _, file := range s.files {
		if file.rested = file.now; verdict.Prune {
			file.firm = file.now
		}
	}
	if verdict.Prune {
		s.firm = now
		return verdict
	}
	verdict.Wait = s.PruneQuiet - age
	s.prunePatiently(&verdict, tree, now)
	return verdict
}

// note takes note of each file.
func (s *Settler) note(tree Tree, now time.Time) {
	if s.files == nil {
		s.files = map[string]*settling{}
	}
	for i := range tree.entries {
		current := &tree.entries[i]
		file := s.files[current.file.Path]
		if file == nil {
			file = &settling{since: now}
			s.files[current.file.Path] = file
		}
		if file.now == nil || file.now.sum != current.sum {
			file.since = now
		}
		file.now, file.seen = current, true
	}
	for path, file := range s.files {
		if !file.seen && file.now != nil {
			file.now, file.since = nil, now
		}
		age := now.Sub(file.since)
		if age >= s.Quiet {
			file.rested = file.now
		}
		if age >= s.Patience {
			file.firm = file.now
		}
		if age >= s.Patience && file.now == nil {
			delete(s.files, path)
		}
		file.seen = false
	}
}

// assemble is the tree with each file in the version that is chosen, and the paths of those that are otherwise now.
func (s *Settler) assemble(tree Tree, version func(*settling) *entry) (Tree, []string) {
	var entries []entry
	var changing []string
	for path, file := range s.files {
		chosen := version(file)
		if chosen != nil {
			entries = append(entries, *chosen)
		}
		if !same(chosen, file.now) {
			changing = append(changing, path)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.root, b.root), slices.Compare(strings.Split(a.file.Name, "/"), strings.Split(b.file.Name, "/")))
	})
	slices.Sort(changing)
	whole := treeOf(entries, tree.Writable)
	whole.Revision = tree.Revision
	return whole, changing
}

// prunePatiently allows the removal of objects that a tree that is never quiet has lacked for long.
func (s *Settler) prunePatiently(verdict *Verdict, tree Tree, now time.Time) {
	if tree.busy || now.Sub(s.firm) < s.Patience {
		return
	}
	verdict.Prune = true
	for path, file := range s.files {
		if left := s.Patience - now.Sub(file.since); left > 0 {
			verdict.Unsettled = append(verdict.Unsettled, path)
			verdict.Wait = min(verdict.Wait, left)
		}
	}
	slices.Sort(verdict.Unsettled)
	verdict.Firm, _ = s.assemble(tree, func(file *settling) *entry { return file.firm })
}
