package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watcher tells when manifest directories may have changed.
type Watcher struct {
	roots   []string
	notify  *fsnotify.Watcher
	changes chan struct{}
	errors  chan error
}

// New watches roots and all directories in them from now on; [Watcher.Run] tells of it. Where a
// root is a symbolic link, as git-sync makes them, its target is watched and so is the link. A
// root whose parent is missing is not seen to come; the periodic scan sees it.
func New(roots ...string) (*Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch manifests: %w", err)
	}
	w := &Watcher{
		notify:  notify,
		changes: make(chan struct{}, 1),
		errors:  make(chan error, 1),
	}
	for _, root := range roots {
		w.roots = append(w.roots, filepath.Clean(root))
	}
	armed := make(chan struct{})
	go func() {
		defer close(armed)
		w.arm()
	}()
	select {
	case <-armed:
	case <-time.After(patience): // it continues once the file system answers
		signal(w.errors, fmt.Errorf("watch %s: a file system has not answered for %s", strings.Join(w.roots, ", "), patience))
	}
	return w, nil
}

// Changes gets a value after something may have changed. Several changes may give one.
func (w *Watcher) Changes() <-chan struct{} { return w.changes }

// Errors gets the errors that keep the watcher from seeing changes, such as the kernel's limit on
// watches; the periodic scan still sees them.
func (w *Watcher) Errors() <-chan error { return w.errors }

// Run watches until the context ends.
func (w *Watcher) Run(ctx context.Context) {
	defer w.notify.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-w.notify.Events:
			if !w.concerns(event.Name) {
				continue
			}
			if event.Has(fsnotify.Create) || event.Has(fsnotify.Rename) || event.Has(fsnotify.Remove) {
				w.arm() // directories may have come, and the root may be another one
			}
			signal(w.changes, struct{}{})
		case err := <-w.notify.Errors:
			// After an overflow of the kernel's queue anything may have changed.
			signal(w.errors, err)
			w.arm()
			signal(w.changes, struct{}{})
		}
	}
}

// concerns ignores other events beside the roots.
func (w *Watcher) concerns(name string) bool {
	beside := slices.ContainsFunc(w.roots, func(root string) bool { return filepath.Dir(name) == filepath.Dir(root) })
	return !beside || slices.Contains(w.roots, name)
}

// arm adds watches where they are missing; adding one twice is nothing.
func (w *Watcher) arm() {
	for _, root := range w.roots {
		w.armRoot(root)
	}
}

func (w *Watcher) armRoot(root string) {
	if err := w.notify.Add(filepath.Dir(root)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		signal(w.errors, fmt.Errorf("watch %s: %w", filepath.Dir(root), err))
	}
	target, err := filepath.EvalSymlinks(root)
	if err != nil {
		return // the root is missing: its parent is watched for it to come
	}
	err = filepath.WalkDir(target, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case path != target && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		}
		return w.notify.Add(path)
	})
	if err != nil {
		signal(w.errors, fmt.Errorf("watch %s: %w", root, err))
	}
}

// signal sends without waiting: one value that is not received yet is enough.
func signal[T any](to chan T, value T) {
	select {
	case to <- value:
	default:
	}
}
