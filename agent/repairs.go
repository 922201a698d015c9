package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/names"
	"github.com/davit-project/davit/units/systemd"
)

// mendTimeout bounds the mending of all containers that are waiting for it.
const mendTimeout = 2 * time.Minute

// repairQueue runs repairs beside the passes: one launcher at a time mends all containers that wait by then. Its methods may be called
// from several goroutines.
type repairQueue struct {
	systemd  *systemd.Manager
	launcher string
	// changed is called when a launcher has ended; it must not wait.
	changed func()

	mu      sync.Mutex
	waiting map[string]bool
	mending map[string]bool
	ended   map[string]repaired // until a look sees the container whole
	seen    sight               // by the last look
	active  bool
	cancel  context.CancelFunc // of the work; nil before the first
	group   sync.WaitGroup
}

// repaired is the result of a repair that has ended.
type repaired struct {
	err error
	at  time.Time
}

// begin has a container mended. It returns [reconcile.Waiting] until that has ended, and then, if something is still
// missing, once why.
func (m *repairQueue) begin(ctx context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ended := m.ended[id]; ended {
		return m.result(id, last)
	}
	if m.waiting == nil {
		m.waiting, m.ended = map[string]bool{}, map[string]repaired{}
	}
	if !m.mending[id] {
		m.waiting[id] = true
	}
	if !m.active {
		m.active = true
		ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx)) // the pass that began it does not wait
		m.group.Go(func() { m.work(ctx) })
	}
	return reconcile.Waiting{For: "repair of " + id}
}

// unseenPause is the time until the next look at a container that was mended and not seen since.
const unseenPause = 2 * time.Second

// errMissing is why a container is mended again after a repair without an error.
var errMissing = errors.New("the repair ended without an error, but did not help")

// result is why something is missing of a container after its repair has ended.
func (m *repairQueue) result(id string, last repaired) error {
	isSeen := !m.seen.unseen[id] && last.at.Before(m.seen.began)
	err := last.err
	switch {
	case err != nil:
	case isSeen:
		err = fmt.Errorf("%w: %s", errMissing, strings.Join(m.seen.missing[id], ", "))
	case m.seen.err != nil:
		err = fmt.Errorf("cannot check whether the repair helped: %w", m.seen.err)
	default:
		if m.changed != nil {
			time.AfterFunc(unseenPause, m.changed)
		}
		return reconcile.Waiting{For: "check of " + id}
	}
	delete(m.ended, id)
	return err
}

// gatherPause is the time in which a pass begins all of its repairs: one launcher mends them together.
const gatherPause = 50 * time.Millisecond

// work mends until nothing waits.
func (m *repairQueue) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(gatherPause):
		}
		m.mu.Lock()
		m.mending, m.waiting = m.waiting, map[string]bool{}
		ids := slices.Sorted(maps.Keys(m.mending))
		m.active = len(ids) > 0
		m.mu.Unlock()
		if len(ids) == 0 {
			return
		}
		failures := m.mend(ctx, ids)
		m.mu.Lock()
		for _, id := range ids {
			m.ended[id] = repaired{failures[id], time.Now()}
		}
		m.mending = nil
		m.mu.Unlock()
		if m.changed != nil {
			m.changed()
		}
	}
}

// mend has a launcher mend containers, in a service of its own: this process sees another tree of mounts.
func (m *repairQueue) mend(ctx context.Context, ids []string) map[string]error {
	failures := map[string]error{}
	for part := range slices.Chunk(ids, mendAtOnce) {
		said, err := m.systemd.RunCommand(ctx, mendUnit, "Repair of containers", append([]string{m.launcher, "mend"}, part...), mendTimeout)
		for _, id := range part {
			if err != nil {
				failures[id] = fmt.Errorf("%w: %s mend %s says why", err, m.launcher, id)
			}
		}
		for line := range strings.Lines(said) {
			if id, failure, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				failures[id] = errors.New(failure)
			}
		}
	}
	return failures
}

// mendUnit is another for each process: an agent and davit apply may mend at the same time.
var mendUnit = names.Service(fmt.Sprintf("davit-mend-%d", os.Getpid()))

// mendAtOnce bounds the containers of one launcher: [systemd.Manager.RunCommand] reads a line of 500 bytes about each.
const mendAtOnce = 200

// saw forgets the results of containers that a look has seen whole.
func (m *repairQueue) saw(now sight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = now
	maps.DeleteFunc(m.ended, func(id string, _ repaired) bool { return now.missing[id] == nil && !now.unseen[id] })
}

// close leaves the work that is begun to systemd: the launcher goes on, and whoever looks next sees its result.
func (m *repairQueue) close() {
	m.mu.Lock()
	if m.cancel != nil {
		m.cancel()
	}
	m.mu.Unlock()
	m.group.Wait()
}
