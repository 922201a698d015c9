package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
)

// mendTimeout bounds the mending of all containers that are waiting for it.
const mendTimeout = 2 * time.Minute

// mends run beside the passes: one launcher at a time mends all containers that wait by then. Its methods may be called
// from several goroutines.
type mends struct {
	systemd  *units.Systemd
	launcher string
	// changed is called when a launcher has ended; it must not wait.
	changed func()

	mu      sync.Mutex
	waiting map[string]bool
	mending map[string]bool
	ended   map[string]error // how it went, as long as nobody has seen the container whole since
	active  bool
	group   sync.WaitGroup
}

// errMissing is why a container that was mended is mended again.
var errMissing = errors.New("it is still not as it was made, although davit-run mend has ended well")

// begin has a container mended. It returns [reconcile.Waiting] until that has ended, and then, if something is still
// missing, once why.
func (m *mends) begin(ctx context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err, ended := m.ended[id]; ended {
		delete(m.ended, id)
		if err == nil {
			err = errMissing
		}
		return err
	}
	if m.waiting == nil {
		m.waiting, m.ended = map[string]bool{}, map[string]error{}
	}
	if !m.mending[id] {
		m.waiting[id] = true
	}
	if !m.active {
		m.active = true
		ctx = context.WithoutCancel(ctx) // the pass that began it does not wait
		m.group.Go(func() { m.work(ctx) })
	}
	return reconcile.Waiting{For: "repair of " + id}
}

// work mends until nothing waits.
func (m *mends) work(ctx context.Context) {
	for {
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
			m.ended[id] = failures[id]
		}
		m.mending = nil
		m.mu.Unlock()
		if m.changed != nil {
			m.changed()
		}
	}
}

// mend has a launcher mend containers, in a service of its own: this process sees another tree of mounts.
func (m *mends) mend(ctx context.Context, ids []string) map[string]error {
	failures := map[string]error{}
	for part := range slices.Chunk(ids, mendAtOnce) {
		said, err := m.systemd.RunCommand(ctx, "davit-mend.service", "Repair of containers", append([]string{m.launcher, "mend"}, part...), mendTimeout)
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

// mendAtOnce bounds the containers of one launcher: what it says about them has to fit into what is read of it.
const mendAtOnce = 200

// forget forgets how it went for containers that are whole again.
func (m *mends) forget(missing map[string][]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.ended, func(id string, _ error) bool { return missing[id] == nil })
}

// wait waits until those that were begun have ended.
func (m *mends) wait() { m.group.Wait() }
