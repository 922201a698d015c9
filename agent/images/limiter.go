package images

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// limiter bounds how much happens at once for each key.
type limiter struct {
	most int64
	mu   sync.Mutex
	keys map[string]*semaphore.Weighted
}

func newLimiter(most int64) *limiter {
	return &limiter{most: most, keys: map[string]*semaphore.Weighted{}}
}

// acquire waits for a place. The caller calls release once.
func (l *limiter) acquire(ctx context.Context, key string) (release func(), err error) {
	l.mu.Lock()
	places, ok := l.keys[key]
	if !ok {
		places = semaphore.NewWeighted(l.most)
		l.keys[key] = places
	}
	l.mu.Unlock()
	if err := places.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return func() { places.Release(1) }, nil
}
