package mend

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/units/bundle"
)

// lockRecordOf locks the record of a container as another process does.
func lockRecordOf(t *testing.T, id string, how int) (unlock func()) {
	t.Helper()
	fd, err := unix.Open(bundle.RecordFile(id), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Flock(fd, how)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { unix.Close(fd) }
}

func TestALookAtARecordKeepsNothingFromBeingMended(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	standUp(t, "web")
	testnode.Sh(t, "rm /var/lib/davit/containers/web/hostname")
	unlock := lockRecordOf(t, "web", unix.LOCK_SH)
	time.AfterFunc(30*time.Millisecond, unlock)
	mended(t, "web")
	if !record.Exists(bundle.EtcFile("web", "hostname")) {
		t.Error("it was not mended")
	}
}

func TestWhatALauncherHasLockedIsLeftToIt(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	standUp(t, "web")
	testnode.Sh(t, "rm /run/davit/containers/web/bundle")
	unlock := lockRecordOf(t, "web", unix.LOCK_EX)
	mended(t, "web")
	if record.Exists(bundle.RunningBundle("web")) {
		t.Error("the link was restored without the lock")
	}
	unlock()
}

func TestALauncherThatReplacedTheRecordKeepsTheContainer(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	standUp(t, "web")
	unlock := lockRecordOf(t, "web", unix.LOCK_EX)
	time.AfterFunc(30*time.Millisecond, func() {
		path := bundle.RecordFile("web")
		text, err := os.ReadFile(path)
		if err == nil {
			err = errors.Join(os.Remove(path), os.WriteFile(path, text, 0o600))
		}
		if err != nil {
			t.Error(err)
		}
		unlock()
	})
	if b, err := holdRecord("web"); b != nil || !errors.Is(err, errChanging) {
		t.Errorf("%v, %v", b, err)
	}
}

func TestAFinishedContainerIsNotMended(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	b := &bundle.Bundle{Spec: &specs.Spec{Process: &specs.Process{Args: []string{"/app"}}, Linux: &specs.Linux{}}}
	b.ID = "once"
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	dir := bundle.Path(bundle.DirName(b.ID, text))
	for _, made := range []string{dir, filepath.Dir(bundle.RunningBundle(b.ID))} {
		if err := os.MkdirAll(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, bundle.ConfigFile), text, 0o600), os.Symlink(dir, bundle.RunningBundle(b.ID))); err != nil {
		t.Fatal(err)
	}
	if found, err := holdRecord(b.ID); found != nil || err != nil || record.Exists(bundle.RecordFile(b.ID)) {
		t.Errorf("%v, %v; the record is there: %t", found, err, record.Exists(bundle.RecordFile(b.ID)))
	}
}
