package fetch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davit-project/davit/agent/images"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// fakeStore calls its functions, and counts. A nil function succeeds at once.
type fakeStore struct {
	resolve func(ctx context.Context, reference string) (digest string, err error)
	pull    func(ctx context.Context, image reconcile.Image, progress func(images.Progress)) error
	remove  func(ctx context.Context) error
	layers  func() (map[string]int64, error)

	mu    sync.Mutex
	known map[reconcile.ImageRequest]reconcile.Image
	has   map[string]bool // by key
	calls []string
}

func (s *fakeStore) called(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, what)
}

// count is how often something was called.
func (s *fakeStore) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, call := range s.calls {
		if call == what {
			n++
		}
	}
	return n
}

func (s *fakeStore) Known([]reconcile.ImageRequest) map[reconcile.ImageRequest]reconcile.Image {
	return s.known
}

func (s *fakeStore) Resolve(ctx context.Context, request reconcile.ImageRequest) (reconcile.Image, error) {
	s.called("resolve " + request.Reference)
	digest, err := "sha256:1", error(nil)
	if s.resolve != nil {
		digest, err = s.resolve(ctx, request.Reference)
	}
	return imageOf(request, digest), err
}

func (s *fakeStore) Has(image reconcile.Image) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has[image.Key()]
}

func (s *fakeStore) EnsureImage(ctx context.Context, image reconcile.Image, progress func(images.Progress)) error {
	s.called("pull " + image.Reference)
	if s.pull != nil {
		if err := s.pull(ctx, image, progress); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has == nil {
		s.has = map[string]bool{}
	}
	s.has[image.Key()] = true
	return nil
}

func (s *fakeStore) ReleaseImage(ctx context.Context, imageID string) error {
	s.called("release " + imageID)
	if s.remove != nil {
		return s.remove(ctx)
	}
	return nil
}

func (s *fakeStore) DeleteImage(ctx context.Context, imageID string) error {
	s.called("delete " + imageID)
	if s.remove != nil {
		return s.remove(ctx)
	}
	return nil
}

func (s *fakeStore) Layers(imageID string) (map[string]int64, error) {
	s.called("layers " + imageID)
	if s.layers != nil {
		return s.layers()
	}
	return map[string]int64{"layer": 7}, nil
}

func imageOf(request reconcile.ImageRequest, digest string) reconcile.Image {
	return reconcile.Image{
		Image:   bundle.Image{Reference: request.Reference, Digest: digest, ID: "id-" + request.Reference},
		Request: request,
	}
}

func request(reference string) reconcile.ImageRequest {
	return reconcile.ImageRequest{Reference: reference, PullPolicy: v1.PullAlways}
}

// hang waits for its context to end.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// errPassing passes by itself, errFinal does not.
var (
	errPassing = fmt.Errorf("no answer: %w", context.DeadlineExceeded)
	errFinal   = errors.New("no such image")
)

// inBubble runs a test in virtual time, and closes its fetcher, which must leave no goroutine.
func inBubble(t *testing.T, store *fakeStore, options Options, test func(t *testing.T, f *Fetcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := New(store, options)
		defer f.Close()
		test(t, f)
	})
}

// resolveOne is the result of one request.
func resolveOne(f *Fetcher, r reconcile.ImageRequest) (reconcile.Image, error) {
	result := f.Resolve([]reconcile.ImageRequest{r})[r]
	return result.Image, result.Err
}

// settled lets all that can happen now happen.
func settled() { synctest.Wait() }

// isAwake reports whether the loop was woken, and takes the news.
func isAwake(f *Fetcher) bool {
	select {
	case <-f.Changes():
		return true
	default:
		return false
	}
}

func wantWaiting(t *testing.T, err error, text string) {
	t.Helper()
	waiting, ok := errors.AsType[reconcile.Waiting](err)
	if !ok || waiting.For != text {
		t.Errorf("got %#v, want to wait for %q", err, text)
	}
}

// wantRetry returns the time to the next try.
func wantRetry(t *testing.T, err, cause error) time.Duration {
	t.Helper()
	retry, ok := errors.AsType[reconcile.Retry](err)
	if !ok || !errors.Is(err, cause) {
		t.Fatalf("got %#v, want a retry of %v", err, cause)
	}
	return time.Until(retry.At)
}
