package drift

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatIsHeardOfDirectories(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path := func(names ...string) string { return filepath.Join(append([]string{root}, names...)...) }
	w, err := newWatches(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.top = map[string]concern{
		path("units"): ofUnits, path("volumes"): ofState, path("bundles"): ofBundles, path("containers"): ofContainers, path("members"): ofRunning,
	}
	write := func(names ...string) func() error {
		return func() error { return os.WriteFile(path(names...), []byte("text"), 0o600) }
	}
	remove := func(names ...string) func() error { return func() error { return os.RemoveAll(path(names...)) } }
	mkdir := func(names ...string) func() error {
		return func() error { return os.MkdirAll(path(names...), 0o700) }
	}
	for _, dir := range []string{"units/multi-user.target.wants", "units/web.service.d", "volumes/data", "bundles/web-1", "containers/web", "members"} {
		if err := mkdir(dir)(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.arm(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what           string
		do             func() error
		state, running bool
	}{
		{"a unit file comes", write("units", "web.service"), true, false},
		{"a link comes", write("units", "multi-user.target.wants", "web.service"), true, false},
		{"a link goes", remove("units", "multi-user.target.wants", "web.service"), true, false},
		{"a directory of links comes", mkdir("units", "timers.target.wants"), true, false},
		{"a link comes in it", write("units", "timers.target.wants", "web.timer"), true, false},
		{"what is being written", write("units", ".new"), false, false},
		{"a drop-in comes", write("units", "web.service.d", "x.conf"), false, false},
		{"a volume comes", mkdir("volumes", "more"), false, false},
		{"a volume's mode changes", func() error { return os.Chmod(path("volumes", "data"), 0o755) }, true, false},
		{"what is in a volume changes", write("volumes", "data", "file"), false, false},
		{"a volume goes", remove("volumes", "data"), true, false},
		{"a bundle comes", mkdir("bundles", "web-2"), false, false},
		{"a bundle changes", write("bundles", "web-2", "config.json"), true, false},
		{"a bundle goes", remove("bundles", "web-1"), true, false},
		{"a container comes", mkdir("containers", "other"), false, false},
		{"its file comes", write("containers", "other", "hosts"), false, false},
		{"its file changes", write("containers", "other", "hosts"), false, false},
		{"its file goes", remove("containers", "other", "hosts"), false, true},
		{"a member comes", write("members", "web"), false, false},
		{"a member goes", remove("members", "web"), false, true},
		{"all records go", remove("containers"), true, true},
	} {
		if err := test.do(); err != nil {
			t.Fatal(err)
		}
		state, running, err := w.hear()
		if err != nil || state != test.state || running != test.running {
			t.Errorf("%s: heard %v of state, %v of what runs, %v", test.what, state, running, err)
		}
	}
	// A re-created one is watched again.
	for _, step := range []func() error{remove("members"), func() error { _, _, err := w.hear(); return err }, mkdir("members"), w.arm, write("members", "web"), remove("members", "web")} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if _, running, err := w.hear(); !running || err != nil {
		t.Errorf("nothing is heard of a directory that was made again: %v", err)
	}
}

func TestAnOverflowMayBeAnything(t *testing.T) {
	t.Parallel()
	event := make([]byte, unix.SizeofInotifyEvent)
	binary.NativeEndian.PutUint32(event, math.MaxUint32) // -1: of no directory
	binary.NativeEndian.PutUint32(event[4:], unix.IN_Q_OVERFLOW)
	if state, running := (&watches{}).event(event); !state || !running {
		t.Errorf("heard %v of state, %v of what runs", state, running)
	}
}

// TestADirectoryThatCannotBeWatchedIsTriedAgain has one whose path is too long.
func TestADirectoryThatCannotBeWatchedIsTriedAgain(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	for len(top) < unix.PathMax-200 {
		top = filepath.Join(top, strings.Repeat("d", min(200, unix.PathMax-100-len(top))))
	}
	if err := os.MkdirAll(filepath.Join(top, "z"), 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(top)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	long := strings.Repeat("a", 200)
	if err := unix.Mkdirat(int(dir.Fd()), long, 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := newWatches(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.top = map[string]concern{top: ofContainers}
	if err := w.arm(); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Fatal(err)
	}
	if len(w.dirs) != 2 {
		t.Errorf("watches %d directories, want the other two", len(w.dirs))
	}
	if err := unix.Unlinkat(int(dir.Fd()), long, unix.AT_REMOVEDIR); err != nil {
		t.Fatal(err)
	}
	if err := w.arm(); err != nil || !w.armed[top] {
		t.Errorf("not tried again: %v", err)
	}
}
