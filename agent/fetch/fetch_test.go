package fetch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davit-project/davit/agent/images"
	"github.com/davit-project/davit/reconcile"
)

const app = "example.com/app:2"

func TestResolveAnswersAtOnceAndWakesTheLoop(t *testing.T) {
	store := &fakeStore{resolve: func(context.Context, string) (string, error) {
		time.Sleep(20 * time.Second)
		return "sha256:1", nil
	}}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		began := time.Now()
		_, err := resolveOne(f, request(app))
		wantWaiting(t, err, "waiting for registry example.com to describe example.com/app:2")
		time.Sleep(13 * time.Second)
		_, err = resolveOne(f, request(app))
		wantWaiting(t, err, "waiting for registry example.com to describe example.com/app:2, for 13 s")
		if !f.Pending() {
			t.Error("nothing is pending")
		}
		<-f.Changes()
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("the loop was woken after %s", took)
		}
		image, err := resolveOne(f, request(app))
		if err != nil || image.Digest != "sha256:1" {
			t.Errorf("got %v, %v", image, err)
		}
		if f.Pending() || store.count("resolve "+app) != 1 {
			t.Errorf("pending: %t, calls: %v", f.Pending(), store.calls)
		}
	})
}

func TestWhatRecordsAnswerIsNotAskedFor(t *testing.T) {
	known := request(app)
	store := &fakeStore{known: map[reconcile.ImageRequest]reconcile.Image{known: imageOf(known, "sha256:7")}}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		image, err := resolveOne(f, known)
		settled()
		if err != nil || image.Digest != "sha256:7" || len(store.calls) > 0 || isAwake(f) {
			t.Errorf("got %v, %v, calls %v", image, err, store.calls)
		}
		store.known = nil // another davit process has released it
		_, err = resolveOne(f, known)
		if _, ok := errors.AsType[reconcile.Waiting](err); !ok {
			t.Errorf("got %v, want it to be asked for", err)
		}
	})
}

func TestTheSameAnswerIsTheSameMap(t *testing.T) {
	requests := make([]reconcile.ImageRequest, 1000)
	store := &fakeStore{known: map[reconcile.ImageRequest]reconcile.Image{}}
	for i := range requests {
		requests[i] = request(fmt.Sprintf("example.com/app:%d", i))
		if i > 0 {
			store.known[requests[i]] = imageOf(requests[i], "sha256:1")
		}
	}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		f.Resolve(requests)
		settled()
		f.Resolve(requests)
		if allocations := testing.AllocsPerRun(10, func() { f.Resolve(requests) }); allocations > 0 {
			t.Errorf("%v allocations in a pass without news", allocations)
		}
	})
}

func TestRequestsThatAreNoLongerMadeAreCancelled(t *testing.T) {
	var cancelled int
	store := &fakeStore{resolve: func(ctx context.Context, _ string) (string, error) {
		err := hang(ctx)
		cancelled++
		return "", err
	}}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		resolveOne(f, request(app))
		settled()
		f.Resolve(nil)
		settled()
		if cancelled != 1 || f.Pending() || isAwake(f) {
			t.Errorf("cancelled: %d, pending: %t", cancelled, f.Pending())
		}
	})
}

func TestAFailureIsTriedAgainWithLongerAndLongerWaits(t *testing.T) {
	for _, failure := range []error{errPassing, errFinal} {
		store := &fakeStore{resolve: func(context.Context, string) (string, error) { return "", failure }}
		inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
			resolveOne(f, request(app))
			for _, want := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
				want *= time.Second
				<-f.Changes()
				_, err := resolveOne(f, request(app))
				if wait := wantRetry(t, err, failure); wait < want/2 || wait > want*3/2 {
					t.Errorf("the next try is in %s, want %s, give or take a half", wait, want)
				}
				if !f.Pending() {
					t.Error("nothing is pending")
				}
			}
			store.resolve = nil
			<-f.Changes()
			if _, err := resolveOne(f, request(app)); err != nil {
				t.Error(err)
			}
			store.resolve = func(context.Context, string) (string, error) { return "", failure }
			f.Refresh()
			<-f.Changes()
			_, err := resolveOne(f, request(app))
			if wait := wantRetry(t, err, failure); wait > 3*time.Second {
				t.Errorf("after a success the next try is in %s", wait)
			}
		})
	}
}

func TestARegistrysWaitIsHonoured(t *testing.T) {
	limitedUntil := time.Time{}
	store := &fakeStore{resolve: func(context.Context, string) (string, error) {
		if time.Now().Before(limitedUntil) {
			return "", images.Limited{Registry: "example.com", Until: limitedUntil}
		}
		return "sha256:1", nil
	}}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		limitedUntil = time.Now().Add(time.Hour)
		requests := []reconcile.ImageRequest{request(app), request("example.com/other:1")}
		f.Resolve(requests)
		settled()
		for r, result := range f.Resolve(requests) {
			if wait := wantRetry(t, result.Err, result.Err); wait != time.Hour {
				t.Errorf("%s is asked for again in %s", r.Reference, wait)
			}
		}
		f.Refresh()
		time.Sleep(time.Hour - time.Second)
		if n := len(store.calls); n != 2 {
			t.Errorf("%d calls within the hour", n)
		}
		time.Sleep(2 * time.Second)
		for _, result := range f.Resolve(requests) {
			if result.Err != nil {
				t.Error(result.Err)
			}
		}
	})
}

func TestLimitedTriesEnd(t *testing.T) {
	for _, test := range []struct {
		name    string
		failure error
		tries   int
		want    int
	}{
		{"one that passes", errPassing, 3, 3},
		{"one that does not pass", errFinal, 3, 1},
		{"one that asks to wait", images.Limited{}, 3, 1},
		{"one try", errPassing, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := &fakeStore{
				resolve: func(context.Context, string) (string, error) { return "", test.failure },
				pull: func(context.Context, reconcile.Image, func(images.Progress)) error {
					return test.failure
				},
			}
			inBubble(t, store, Options{Tries: test.tries}, func(t *testing.T, f *Fetcher) {
				resolveOne(f, request(app))
				f.Settle(t.Context())
				_, err := resolveOne(f, request(app))
				if err != test.failure || store.count("resolve "+app) != test.want {
					t.Errorf("got %v after %d tries", err, store.count("resolve "+app))
				}
				err = f.Await(t.Context(), func() error { return f.EnsureImage(t.Context(), imageOf(request(app), "sha256:1")) })
				if err != test.failure || store.count("pull "+app) != test.want || f.Pending() {
					t.Errorf("got %v after %d pulls", err, store.count("pull "+app))
				}
			})
		})
	}
}

func TestSettleIsPatientForSoLong(t *testing.T) {
	store := &fakeStore{resolve: func(ctx context.Context, reference string) (string, error) {
		if reference == app {
			return "", hang(ctx)
		}
		return "sha256:1", nil
	}}
	inBubble(t, store, Options{Tries: 1, Patience: 10 * time.Second}, func(t *testing.T, f *Fetcher) {
		requests := []reconcile.ImageRequest{request(app), request("example.com/other:1")}
		f.Resolve(requests)
		began := time.Now()
		f.Settle(t.Context())
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %s", took)
		}
		results := f.Resolve(requests)
		wantWaiting(t, results[requests[0]].Err, "waiting for registry example.com to describe example.com/app:2, for 10 s")
		if err := results[requests[1]].Err; err != nil {
			t.Error(err)
		}
	})
}

func TestRefreshKeepsTheLastAnswerUntilTheNext(t *testing.T) {
	digest, failure := "sha256:1", error(nil)
	store := &fakeStore{resolve: func(context.Context, string) (string, error) {
		time.Sleep(5 * time.Second)
		return digest, failure
	}}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		refresh := func() (reconcile.Image, error) {
			f.Refresh()
			time.Sleep(time.Second)
			return resolveOne(f, request(app))
		}
		resolveOne(f, request(app))
		<-f.Changes()

		if image, err := refresh(); err != nil || image.Digest != "sha256:1" {
			t.Errorf("while it is asked again: %v, %v", image, err)
		}
		time.Sleep(10 * time.Second)
		if isAwake(f) {
			t.Error("the same answer is news")
		}

		digest = "sha256:2"
		if image, err := refresh(); err != nil || image.Digest != "sha256:1" {
			t.Errorf("before the new answer: %v, %v", image, err)
		}
		<-f.Changes()
		if image, err := resolveOne(f, request(app)); err != nil || image.Digest != "sha256:2" {
			t.Errorf("after the new answer: %v, %v", image, err)
		}

		failure = errPassing
		refresh()
		<-f.Changes()
		_, err := resolveOne(f, request(app))
		wantRetry(t, err, errPassing)
		failure = nil
		time.Sleep(4 * time.Second) // the next try is under way, and the failure stands
		_, err = resolveOne(f, request(app))
		wantRetry(t, err, errPassing)
		<-f.Changes()
		if image, err := resolveOne(f, request(app)); err != nil || image.Digest != "sha256:2" {
			t.Errorf("after the failure: %v, %v", image, err)
		}
	})
}

func TestAPullSaysHowFarItIs(t *testing.T) {
	var report func(images.Progress)
	store := &fakeStore{pull: func(ctx context.Context, _ reconcile.Image, progress func(images.Progress)) error {
		report = progress
		time.Sleep(time.Minute)
		return nil
	}}
	reported := 0
	inBubble(t, store, Options{Progress: func(images.Progress) { reported++ }}, func(t *testing.T, f *Fetcher) {
		image := imageOf(request(app), "sha256:1")
		ensure := func() error { return f.EnsureImage(t.Context(), image) }
		wantWaiting(t, ensure(), "pull of example.com/app:2")
		time.Sleep(3 * time.Second)
		wantWaiting(t, ensure(), "pull of example.com/app:2, for 3 s")
		report(images.Progress{Done: 41 << 20, Total: 120 << 20})
		wantWaiting(t, ensure(), "pull of example.com/app:2: 34 % of 120 MiB")
		report(images.Progress{Done: 120 << 20, Total: 120 << 20})
		wantWaiting(t, ensure(), "pull of example.com/app:2: 120 MiB fetched, unpacking")
		if isAwake(f) || reported != 2 {
			t.Errorf("progress is news; it was reported %d times", reported)
		}
		<-f.Changes()
		if err := ensure(); err != nil || f.Pending() || store.count("pull "+app) != 1 {
			t.Errorf("got %v, calls %v", err, store.calls)
		}
		store.has = nil // removed behind davit's back
		wantWaiting(t, ensure(), "pull of example.com/app:2")
	})
}

func TestTwoRequestsOfOneImageArePulledAsOne(t *testing.T) {
	store := &fakeStore{pull: func(context.Context, reconcile.Image, func(images.Progress)) error {
		time.Sleep(time.Minute)
		return nil
	}}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		always, missing := request(app), request(app)
		missing.PullPolicy = "IfNotPresent"
		for range 2 {
			wantWaiting(t, f.EnsureImage(t.Context(), imageOf(always, "sha256:1")), "pull of example.com/app:2")
			wantWaiting(t, f.EnsureImage(t.Context(), imageOf(missing, "sha256:1")), "pull of example.com/app:2")
		}
		settled()
		if n := store.count("pull " + app); n != 1 {
			t.Errorf("%d pulls", n)
		}
	})
}

func TestAPullThatFailsIsTriedAgain(t *testing.T) {
	store := &fakeStore{pull: func(context.Context, reconcile.Image, func(images.Progress)) error { return errPassing }}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		image := imageOf(request(app), "sha256:1")
		wantWaiting(t, f.EnsureImage(t.Context(), image), "pull of example.com/app:2")
		<-f.Changes()
		wantRetry(t, f.EnsureImage(t.Context(), image), errPassing)
		store.has = map[string]bool{image.Key(): true} // another davit process has pulled it
		if err := f.EnsureImage(t.Context(), image); err != nil || f.Pending() {
			t.Error(err)
		}
		store.has = nil
		f.EnsureImage(t.Context(), image)
		<-f.Changes()
		store.pull = nil
		<-f.Changes()
		if err := f.EnsureImage(t.Context(), image); err != nil {
			t.Error(err)
		}
	})
}

func TestPullsThatAreNotWantedAreCancelled(t *testing.T) {
	cancelled := 0
	store := &fakeStore{pull: func(ctx context.Context, _ reconcile.Image, _ func(images.Progress)) error {
		err := hang(ctx)
		cancelled++
		return err
	}}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		first, second := imageOf(request(app), "sha256:1"), imageOf(request(app), "sha256:2")
		_, _ = f.EnsureImage(t.Context(), first), f.EnsureImage(t.Context(), second)
		settled()
		f.Want(map[string]bool{first.Key(): true, second.Key(): true})
		settled()
		if cancelled != 0 {
			t.Fatal("a wanted pull was cancelled")
		}
		f.Want(map[string]bool{second.Key(): true})
		settled()
		if cancelled != 1 || isAwake(f) {
			t.Errorf("%d pulls were cancelled, want the first", cancelled)
		}
	})
}

func TestImagesAreRemovedInTheBackground(t *testing.T) {
	store := &fakeStore{remove: func(context.Context) error { time.Sleep(time.Minute); return nil }}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		wantWaiting(t, f.ReleaseImage(t.Context(), "0123456789abcdef"), "release of image 0123456789ab")
		wantWaiting(t, f.DeleteImage(t.Context(), "0123456789abcdef"), "removal of image 0123456789ab")
		<-f.Changes()
		settled()
		if err := errors.Join(f.ReleaseImage(t.Context(), "0123456789abcdef"), f.DeleteImage(t.Context(), "0123456789abcdef")); err != nil {
			t.Error(err)
		}
		if len(store.calls) != 2 || f.Pending() {
			t.Errorf("calls %v", store.calls)
		}
	})
}

// A removal that failed must not be tried when the image is needed again meanwhile.
func TestARemovalIsTriedAgainOnlyIfItIsStillWanted(t *testing.T) {
	store := &fakeStore{remove: func(context.Context) error { return errPassing }}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		f.ReleaseImage(t.Context(), "id")
		<-f.Changes()
		wait := wantRetry(t, f.ReleaseImage(t.Context(), "id"), errPassing)
		<-f.Changes()
		if store.count("release id") != 1 || wait > 3*time.Second {
			t.Errorf("%d tries, the next one in %s", store.count("release id"), wait)
		}
		wantWaiting(t, f.ReleaseImage(t.Context(), "id"), "release of image id")
		settled()
		if store.count("release id") != 2 {
			t.Error("it was not tried again")
		}
	})
}

func TestAnImageThatIsWantedAgainIsNotRemoved(t *testing.T) {
	cancelled := 0
	store := &fakeStore{remove: func(ctx context.Context) error { defer func() { cancelled++ }(); return hang(ctx) }}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		image := imageOf(request(app), "sha256:1")
		f.ReleaseImage(t.Context(), image.ID)
		settled()
		store.known = map[reconcile.ImageRequest]reconcile.Image{image.Request: image}
		resolveOne(f, image.Request)
		settled()
		if cancelled != 1 {
			t.Error("the removal goes on")
		}
	})
}

func TestSizesAreMeasuredInTheBackground(t *testing.T) {
	sizes := map[string]int64(nil)
	store := &fakeStore{layers: func() (map[string]int64, error) { time.Sleep(time.Minute); return sizes, nil }}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		measured := func() (map[string]int64, bool) {
			if _, ok := f.Layers("id-" + app); ok {
				t.Error("sizes are known too soon")
			}
			<-f.Changes()
			return f.Layers("id-" + app)
		}
		if got, ok := measured(); !ok || got != nil {
			t.Errorf("got %v, %t of an image that is not there", got, ok)
		}
		sizes = map[string]int64{"a": 5}
		f.EnsureImage(t.Context(), imageOf(request(app), "sha256:1"))
		<-f.Changes()
		if got, ok := measured(); !ok || got["a"] != 5 {
			t.Errorf("got %v, %t", got, ok)
		}
	})
}

func TestCloseEndsAllTasks(t *testing.T) {
	store := &fakeStore{
		resolve: func(ctx context.Context, _ string) (string, error) { return "", hang(ctx) },
		pull:    func(ctx context.Context, _ reconcile.Image, _ func(images.Progress)) error { return hang(ctx) },
		remove:  func(context.Context) error { return errPassing },
	}
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		f := New(store, Options{})
		resolveOne(f, request(app))
		f.EnsureImage(t.Context(), imageOf(request(app), "sha256:1"))
		f.ReleaseImage(t.Context(), "id")
		settled()
		f.Close()
		if f.Pending() {
			t.Error("tasks are pending")
		}
		if err := f.EnsureImage(t.Context(), imageOf(request(app), "sha256:9")); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v after Close", err)
		}
	})
}

func TestTasksThatWaitForTheirNextTryAreNoGoroutines(t *testing.T) {
	store := &fakeStore{resolve: func(context.Context, string) (string, error) { return "", errPassing }}
	inBubble(t, store, Options{}, func(t *testing.T, f *Fetcher) {
		requests := make([]reconcile.ImageRequest, 1000)
		for i := range requests {
			requests[i] = request(fmt.Sprintf("example.com/app:%d", i))
		}
		before := runtime.NumGoroutine()
		f.Resolve(requests)
		settled()
		if more := runtime.NumGoroutine() - before; more > 10 {
			t.Errorf("%d goroutines for tasks that wait", more)
		}
	})
}
