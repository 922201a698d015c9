package drift

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// concern is what a change in a directory concerns.
type concern int

const (
	// ofUnits is any change where systemd finds units and links to them.
	ofUnits concern = iota
	// ofState is that something goes which every pass looks for.
	ofState
	// ofRunning is that something goes which launchers made for containers that run, ofContainers so or that more of
	// them come.
	ofRunning
	ofContainers
)

// Events of inotify(7).
const (
	loss   = unix.IN_DELETE | unix.IN_MOVED_FROM
	come   = unix.IN_CREATE | unix.IN_MOVED_TO
	change = loss | come | unix.IN_CLOSE_WRITE
)

// masks are the events that are asked for.
var masks = map[concern]uint32{ofUnits: change, ofState: loss, ofRunning: loss, ofContainers: loss | come}

// parts are what the directories concern that are in one.
var parts = map[concern]concern{ofUnits: ofUnits, ofContainers: ofRunning}

// watches are directories that are watched. Its methods may be called from several goroutines.
type watches struct {
	fd     int
	units  []string // directories of units
	buffer []byte

	mu  sync.Mutex
	dir map[int32]watched
}

type watched struct {
	path string
	concern
}

func newWatches(units []string) (*watches, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch what davit made: %w", os.NewSyscallError("inotify_init1", err))
	}
	return &watches{fd: fd, units: units, buffer: make([]byte, 16<<10), dir: map[int32]watched{}}, nil
}

// arm watches what is not watched yet; to watch a directory again is nothing.
func (w *watches) arm() error {
	var failures []error
	for _, dir := range w.units {
		failures = append(failures, w.addWithParts(dir, ofUnits, isLinks))
	}
	for _, dir := range []string{bundle.VolumesDir, bundle.BundlesDir, bundle.RootfsDir, bundle.StateDir + "/networks"} {
		failures = append(failures, w.add(dir, ofState))
	}
	for _, dir := range []string{bundle.AttachmentsDir, bundle.CNIDataDir} {
		failures = append(failures, w.addWithParts(dir, ofContainers, func(string) bool { return true }))
	}
	failures = append(failures, w.add(bundle.MembersDir, ofRunning))
	return errors.Join(failures...)
}

// isLinks reports whether a directory of units has links that say which of them are enabled.
func isLinks(name string) bool {
	switch filepath.Ext(name) {
	case ".wants", ".requires", ".upholds":
		return true
	default:
		return false
	}
}

// addWithParts watches a directory, and those in it that count.
func (w *watches) addWithParts(dir string, c concern, counts func(name string) bool) error {
	if err := w.add(dir, c); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() && counts(entry.Name()) {
			if err := w.add(filepath.Join(dir, entry.Name()), parts[c]); err != nil {
				return err
			}
		}
	}
	return nil
}

// add watches a directory; one that is missing comes with what makes it.
func (w *watches) add(dir string, c concern) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	number, err := unix.InotifyAddWatch(w.fd, dir, masks[c]|unix.IN_ONLYDIR|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	w.dir[int32(number)] = watched{dir, c}
	return nil
}

// hear reads what has happened: whether something of what passes look for, or of what runs, has changed.
func (w *watches) hear() (state, running bool, err error) {
	for {
		n, err := unix.Read(w.fd, w.buffer)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return state, running, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return true, true, os.NewSyscallError("read", err)
		}
		for events := w.buffer[:n]; len(events) >= unix.SizeofInotifyEvent; {
			length := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
			c, counts := w.event(events[:length])
			isState := c == ofUnits || c == ofState
			state, running = state || counts && isState, running || counts && !isState
			events = events[length:]
		}
	}
}

// event says what an event concerns, and whether it counts.
func (w *watches) event(event []byte) (c concern, counts bool) {
	number, mask := int32(binary.NativeEndian.Uint32(event)), binary.NativeEndian.Uint32(event[4:])
	name := string(bytes.TrimRight(event[unix.SizeofInotifyEvent:], "\x00"))
	if mask&unix.IN_Q_OVERFLOW != 0 { // anything may have happened
		return ofState, true
	}
	w.mu.Lock()
	at, known := w.dir[number]
	if mask&unix.IN_IGNORED != 0 {
		delete(w.dir, number)
	}
	w.mu.Unlock()
	comes := mask&unix.IN_ISDIR != 0 && mask&come != 0
	switch {
	case !known || mask&unix.IN_IGNORED != 0 || strings.HasPrefix(name, "."): // such as what is being written
		return at.concern, false
	case comes && (at.concern == ofContainers || at.concern == ofUnits && isLinks(name)):
		_ = w.add(filepath.Join(at.path, name), parts[at.concern]) // without room for it, the next resync sees changes
		return at.concern, at.concern == ofUnits
	case at.concern == ofContainers && mask&come != 0:
		return at.concern, false
	default:
		return at.concern, true
	}
}
