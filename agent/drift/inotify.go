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

// concern is the subject of a change in a directory.
type concern int

const (
	// ofUnits is any change where systemd finds units and links to them.
	ofUnits concern = iota
	// ofState is that something goes or changes which every pass looks for; ofBundles so, or that more bundles come.
	ofState
	ofBundles
	// ofRunning is that something goes which launchers made for containers that run; ofContainers so, or that more of
	// them come.
	ofRunning
	ofContainers
	// ofSettings is that a setting of the kernel is switched off.
	ofSettings
)

// Events of inotify(7).
const (
	loss   = unix.IN_DELETE | unix.IN_MOVED_FROM
	come   = unix.IN_CREATE | unix.IN_MOVED_TO
	change = loss | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB
)

// masks are the events that are asked for.
var masks = map[concern]uint32{ofUnits: change | come, ofState: change, ofBundles: loss | come, ofRunning: loss, ofContainers: loss | come}

// parts are the concerns of the directories that are in one.
var parts = map[concern]concern{ofUnits: ofUnits, ofBundles: ofState, ofContainers: ofRunning}

// isState reports whether passes look for the change.
func (c concern) isState() bool { return c != ofRunning && c != ofContainers && c != ofSettings }

// watches are directories that are watched. Its methods may be called from several goroutines.
type watches struct {
	top    map[string]concern
	buffer []byte

	mu    sync.Mutex
	fd    int // -1 once it is closed
	dirs  map[int32]watched
	armed map[string]bool // those of top that are watched
	// bridges are the watches of their settings, by their names.
	bridges map[string]int32
}

type watched struct {
	path string
	concern
}

func newWatches(units []string) (*watches, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch files of davit: %w", os.NewSyscallError("inotify_init1", err))
	}
	w := &watches{fd: fd, buffer: make([]byte, 16<<10), dirs: map[int32]watched{}, armed: map[string]bool{}, bridges: map[string]int32{}, top: map[string]concern{
		bundle.VolumesDir: ofState, bundle.RootfsDir: ofState, bundle.NetworkRecordsDir: ofState, bundle.CurrentDir: ofUnits, bundle.BundlesDir: ofBundles,
		bundle.AttachmentsDir: ofContainers, bundle.ContainersDir: ofContainers, bundle.CNIDataDir: ofContainers, bundle.MembersDir: ofRunning,
	}}
	for _, dir := range units {
		w.top[dir] = ofUnits
	}
	return w, nil
}

// arm watches the directories that are not watched yet, with those in them.
func (w *watches) arm() error {
	var failures []error
	for dir, c := range w.top {
		w.mu.Lock()
		isArmed := w.armed[dir]
		w.mu.Unlock()
		if !isArmed {
			failures = append(failures, w.addWithParts(dir, c))
		}
	}
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

// isPart reports whether a directory in one that concerns this is watched too. A name that begins with a dot is that of
// something that is being written.
func (c concern) isPart(name string) bool {
	_, has := parts[c]
	return has && !strings.HasPrefix(name, ".") && (c != ofUnits || isLinks(name))
}

// addWithParts watches a directory, and those in it that count. It is tried again by the next arm if one of them cannot
// be watched.
func (w *watches) addWithParts(dir string, c concern) error {
	if err := w.add(dir, c); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	failures := []error{err}
	for _, entry := range entries {
		if entry.IsDir() && c.isPart(entry.Name()) {
			failures = append(failures, w.add(filepath.Join(dir, entry.Name()), parts[c]))
		}
	}
	if err = errors.Join(failures...); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.armed, dir)
	}
	return err
}

// add watches a directory; a missing one is watched once it is made.
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
	w.dirs[int32(number)] = watched{dir, c}
	if _, isTop := w.top[dir]; isTop {
		w.armed[dir] = true
	}
	return nil
}

// hear reads events, and reports whether the state that passes read, or a running container's, may have changed.
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
			isState, isRunning := w.event(events[:length])
			state, running = state || isState, running || isRunning
			events = events[length:]
		}
	}
}

// event reports whether an event concerns the state that passes read, or a running container.
func (w *watches) event(event []byte) (state, running bool) {
	number, mask := int32(binary.NativeEndian.Uint32(event)), binary.NativeEndian.Uint32(event[4:])
	name := string(bytes.TrimRight(event[unix.SizeofInotifyEvent:], "\x00"))
	if mask&unix.IN_Q_OVERFLOW != 0 { // anything may have happened
		return true, true
	}
	w.mu.Lock()
	at, known := w.dirs[number]
	if mask&unix.IN_IGNORED != 0 { // the directory is gone, or another one is in its place
		delete(w.dirs, number)
		delete(w.armed, at.path)
	}
	w.mu.Unlock()
	if at.concern == ofSettings && known {
		return false, isOff(at.path)
	}
	if !known || mask&unix.IN_IGNORED != 0 || strings.HasPrefix(name, ".") {
		return false, false
	}
	if _, isTop := w.top[at.path]; isTop && mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF) != 0 {
		return true, true // passes look for containers that run and are not on record any more
	}
	comes := mask&come != 0
	if comes && mask&unix.IN_ISDIR != 0 && at.isPart(name) {
		_ = w.add(filepath.Join(at.path, name), parts[at.concern]) // without room for it, the next resync sees changes
	}
	if comes && at.concern != ofUnits { // davit made it: nothing is missing
		return false, false
	}
	return at.isState(), !at.isState()
}
