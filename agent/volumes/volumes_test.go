package volumes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// own is a volume of whoever runs the test.
func own(mode uint32) reconcile.Volume {
	return reconcile.Volume{UID: os.Getuid(), GID: os.Getgid(), Mode: mode}
}

func ensure(t *testing.T, s Store, name string, volume reconcile.Volume) {
	t.Helper()
	if err := s.EnsureVolume(t.Context(), name, volume); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, s Store) map[string]reconcile.ActualVolume {
	t.Helper()
	found, err := s.list()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAVolumeHasItsModeWhateverTheUmask(t *testing.T) {
	s := Store{filepath.Join(t.TempDir(), "volumes")}
	for _, mode := range []uint32{0o700, 0o777, 0o1777, 0o2770} {
		ensure(t, s, "data", own(mode))
		want := map[string]reconcile.ActualVolume{"data": {UID: os.Getuid(), GID: os.Getgid(), Mode: mode}}
		if diff := cmp.Diff(want, list(t, s)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestOnlyTheDirectoryItselfChangesItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives directories away")
	}
	s := Store{t.TempDir()}
	ensure(t, s, "data", own(0o755))
	inside := filepath.Join(s.dir, "data", "file")
	if err := os.WriteFile(inside, []byte("kept"), 0o640); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(inside)
	if err != nil {
		t.Fatal(err)
	}
	ensure(t, s, "data", reconcile.Volume{UID: 999, GID: 998, Mode: 0o2750})
	if got, want := list(t, s)["data"], (reconcile.ActualVolume{UID: 999, GID: 998, Mode: 0o2750}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	after, err := os.Stat(inside)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.Sys(), after.Sys(), cmp.AllowUnexported()); diff != "" {
		t.Error(diff)
	}
}

func TestALinkInAVolumesPlaceIsRefused(t *testing.T) {
	s, elsewhere := Store{t.TempDir()}, t.TempDir()
	if err := os.Chmod(elsewhere, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(s.dir, "data")); err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureVolume(t.Context(), "data", own(0o777)); err == nil {
		t.Error("got no error")
	}
	info, err := os.Stat(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o711 {
		t.Errorf("the link's target has mode %v now", got)
	}
	if found := list(t, s); len(found) > 0 {
		t.Errorf("a link was listed as a volume: %v", found)
	}
}

func TestAFileInAVolumesPlaceIsRefused(t *testing.T) {
	s := Store{t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.dir, "data"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureVolume(t.Context(), "data", own(0o777)); err == nil {
		t.Error("got no error")
	}
}

func TestNamesThatLeadElsewhereAreRefused(t *testing.T) {
	s := Store{filepath.Join(t.TempDir(), "volumes")}
	for _, name := range []string{"", ".", "..", "a/b", "/etc", "../volumes"} {
		if err := s.EnsureVolume(t.Context(), name, own(0o777)); err == nil {
			t.Errorf("%q was made", name)
		}
	}
}

func TestNoVolumesIsNoError(t *testing.T) {
	if found := list(t, Store{filepath.Join(t.TempDir(), "missing")}); len(found) > 0 {
		t.Errorf("got %v", found)
	}
}

func TestRemoveTakesOnlyWhatGoesWithItsManifest(t *testing.T) {
	t.Parallel()
	s := Store{filepath.Join(t.TempDir(), "volumes")}
	own := reconcile.Volume{UID: os.Getuid(), GID: os.Getgid(), Mode: 0o755, Delete: true}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"goes", "stays"} {
		if err := s.EnsureVolume(t.Context(), name, own); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(s.dir, name, "link")); err != nil {
			t.Fatal(err)
		}
	}
	own.Delete = false
	if err := s.EnsureVolume(t.Context(), "stays", own); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveVolume(t.Context(), "goes"); err != nil {
		t.Error(err)
	}
	if err := s.RemoveVolume(t.Context(), "stays"); err == nil {
		t.Error("a volume that is to be kept was removed")
	}
	if err := s.RemoveVolume(t.Context(), "../outside"); err == nil {
		t.Error("a name that leads out was taken")
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
	if got := list(t, s); len(got) != 1 || got["stays"].Delete {
		t.Errorf("there is %v", got)
	}
}

// TestAListLeavesOutFilesThatVanish has marks come and go while volumes are listed.
func TestAListLeavesOutFilesThatVanish(t *testing.T) {
	t.Parallel()
	s := Store{t.TempDir()}
	if err := os.Mkdir(filepath.Join(s.root(), "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		mark := filepath.Join(s.root(), bundle.FreshMark+"data")
		for {
			select {
			case <-done:
				return
			default:
				_ = os.WriteFile(mark, nil, 0o600)
				_ = os.Remove(mark)
			}
		}
	}()
	for range 5000 {
		if volumes, err := s.list(); err != nil || len(volumes) != 1 {
			t.Errorf("got %v, %v: want data alone", volumes, err)
			break
		}
	}
	close(done)
	<-ended
}
