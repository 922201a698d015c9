package images

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/davit-project/davit/agent/disk"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// record writes the record of an image that is not there.
func (s *Store) record(t testing.TB, reference, digit string) bundle.RootfsName {
	t.Helper()
	image := bundleImage(reference)
	name := bundle.RootfsName{Reference: reference, Platform: "linux/amd64", Digest: image.Digest}
	err := s.records.write(&bundle.Rootfs{
		ImageID: digit + image.ID[len(digit):], Base: "/nowhere", Lower: []string{"l/A"}, Pin: "/nowhere", Config: []byte(`{"User":"7"}`),
	}, name)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRecordsAnswerWhatNeedsNoSource(t *testing.T) {
	s := newNode(t)
	for i, reference := range []string{"registry.example/app:1", "localhost/app:1", "app:1", "containers-storage:app"} {
		s.record(t, reference, fmt.Sprint(i))
	}
	want := ifNotPresent("registry.example/app:1")
	never := want
	never.PullPolicy = v1.PullNever
	other := want
	other.Platform = "linux/arm64"
	got := s.Known([]reconcile.ImageRequest{
		want, never, other, always("registry.example/app:1"), ifNotPresent("registry.example/app:2"),
		ifNotPresent("localhost/app:1"), ifNotPresent("app:1"), ifNotPresent("containers-storage:app"),
	})
	if len(got) != 1 || got[want].Config.User != "7" || got[want].ID[0] != '0' {
		t.Errorf("got %v, want %s alone", got, want.Reference)
	}
	if s.opened != nil {
		t.Error("the storage was opened")
	}
}

func TestRecordsThatChangeAreReadAgain(t *testing.T) {
	s := newNode(t)
	request := ifNotPresent("registry.example/app:1")
	requests := []reconcile.ImageRequest{request}
	other := newStore(s.settings) // as another davit process
	want := func(id string) {
		t.Helper()
		if got := s.Known(requests)[request].ID; got[:min(len(got), 1)] != id {
			t.Errorf("got image %q, want %q", got, id)
		}
	}
	want("")
	for range 3 {
		other.record(t, request.Reference, "1")
		want("1")
		other.record(t, request.Reference, "2") // within a tick of the clock that files are stamped with
		want("2")
		if err := other.records.remove("2" + bundleImage("").ID[1:]); err != nil {
			t.Fatal(err)
		}
		want("")
	}
	other.record(t, request.Reference, "1")
	s.setPolicy(t, rejectAll)
	want("")
	s.setPolicy(t, acceptAll)
	want("1")
	if err := disk.WriteFile(s.records.path("1"+bundleImage("").ID[1:]), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	want("")
}

// The cost of a pass does not depend on the number of requests that are known: counted in allocations, because
// reading a directory or a record takes several.
func TestAThousandKnownRequestsAreCheap(t *testing.T) {
	s := newNode(t)
	var requests []reconcile.ImageRequest
	for i := range 1000 {
		reference := fmt.Sprintf("registry.example/app:%d", i)
		record := bundle.Rootfs{
			ImageID: fmt.Sprintf("%064d", i), Base: "/nowhere", Lower: []string{"l/A"}, Pin: "/nowhere", Config: []byte("{}"),
			Names: []bundle.RootfsName{{Reference: reference, Platform: "linux/amd64", Digest: "sha256:1"}},
		}
		text, err := record.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(s.records.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, s.records.path(record.ImageID), string(text))
		requests = append(requests, ifNotPresent(reference))
	}
	old := time.Now().Add(-time.Hour) // not fresh
	if err := os.Chtimes(s.records.dir, old, old); err != nil {
		t.Fatal(err)
	}
	if allocations := testing.AllocsPerRun(10, func() {
		if got := s.Known(requests); len(got) != len(requests) {
			t.Fatalf("%d are known", len(got))
		}
	}); allocations > 200 {
		t.Errorf("%v allocations for records that did not change", allocations)
	}
}
