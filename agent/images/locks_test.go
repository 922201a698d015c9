package images

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"
)

// fault: two davit processes pull an image at once | the second waits, and finds it there
func TestTwoProcessesPullAnImageOnce(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	other := newStore(s.settings)
	defer other.Close()
	reference := registry.push(t, "app:1", newImage(t, "amd64", 1))
	image := resolve(t, s, always(reference))
	registry.breaks(blobs, func(http.ResponseWriter, *http.Request, int) bool {
		time.Sleep(50 * time.Millisecond)
		return false
	})
	var pulls sync.WaitGroup
	for _, store := range []*Store{s, other} {
		pulls.Go(func() {
			if err := store.EnsureImage(t.Context(), image, nil); err != nil {
				t.Error(err)
			}
		})
	}
	pulls.Wait()
	if n := registry.count("GET /v2/app/blobs/"); n != 2 {
		t.Errorf("%d blobs were fetched, want the configuration and one layer", n)
	}
}

func TestAWaitForAnotherProcessCanBeCancelled(t *testing.T) {
	s := newRootNode(t)
	image := bundleImage("registry.example/app:1")
	unlock, err := s.lockImage(t.Context(), image.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wantError(t, s.ReleaseImage(ctx, image.ID), "wait for another pull of this image")
}

// The first pull that ends must not take the directory of the other.
func TestTheDirectoryOfAPullStaysWhileAnotherProcessPulls(t *testing.T) {
	s := newNode(t)
	other := newStore(s.settings)
	end, err := s.beginPull()
	if err != nil {
		t.Fatal(err)
	}
	endOther, err := other.beginPull()
	if err != nil {
		t.Fatal(err)
	}
	if err := endOther(); err != nil {
		t.Fatal(err)
	}
	if !isDir(s.temporaryDir()) {
		t.Error("the directory is gone")
	}
	if _, err := s.records.ids(); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
