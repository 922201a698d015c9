package watch

import (
	"fmt"
	"sync/atomic"
	"time"
)

// patience is how long one file or directory may take to be read before its file system counts as one that does not
// answer.
const patience = 10 * time.Second

// progress is the path that a scan is at.
type progress struct{ path atomic.Pointer[string] }

func (p *progress) at(path string) { p.path.Store(&path) }

// Hang is the error of a scan that waits for a file system which does not answer, as that of a server that is gone.
type Hang struct {
	// Path is the file that is being read, For how long at least.
	Path string
	For  time.Duration
}

func (h Hang) Error() string {
	return fmt.Sprintf("manifest directory: %s: its file system has not answered for %s: check the mounts there and below it (findmnt)", h.Path, h.For)
}

// Reader scans with a deadline. The goroutine of a scan that hangs in the kernel stays until the file system answers;
// until then there is no other scan. It is not for several goroutines at once.
type Reader struct {
	scanner *Scanner
	scan    func() (Tree, error)
	wait    time.Duration
	ticks   func() (ticks <-chan time.Time, stop func()) // one each wait

	result chan scanned // of the scan that goes on; nil for none
	stuck  *string      // where it was when it was given up
}

type scanned struct {
	tree Tree
	err  error
}

// NewReader makes a reader of roots. A file may belong to owner.
func NewReader(roots Roots, owner int) *Reader {
	s := &Scanner{Roots: roots, Owner: owner}
	ticks := func() (<-chan time.Time, func()) {
		ticker := time.NewTicker(patience)
		return ticker.C, ticker.Stop
	}
	return &Reader{scanner: s, scan: s.Scan, wait: patience, ticks: ticks}
}

// Read reads the roots as they are now. Its error is a [Hang] if that takes too long.
func (r *Reader) Read() (Tree, error) {
	if r.result != nil {
		select {
		case <-r.result: // the files may have changed since
			r.result, r.stuck = nil, nil
		default:
			if at := r.scanner.progress.path.Load(); at == r.stuck {
				return Tree{}, Hang{Path: *at, For: r.wait}
			}
		}
	}
	if r.result == nil {
		r.result = make(chan scanned, 1)
		go func(result chan<- scanned) {
			tree, err := r.scan()
			result <- scanned{tree, err}
		}(r.result)
	}
	return r.await()
}

// await waits for the end of the scan, as long as it makes progress.
func (r *Reader) await() (Tree, error) {
	at := r.scanner.progress.path.Load()
	ticks, stop := r.ticks()
	defer stop()
	for {
		select {
		case result := <-r.result:
			stale := r.stuck != nil
			r.result, r.stuck = nil, nil
			if stale {
				return r.Read()
			}
			return result.tree, result.err
		case <-ticks:
			now := r.scanner.progress.path.Load()
			if now == at && now != nil {
				r.stuck = now
				return Tree{}, Hang{Path: *now, For: r.wait}
			}
			at = now
		}
	}
}
