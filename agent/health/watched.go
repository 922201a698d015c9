package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/probe"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// watched is one run of a container.
type watched struct {
	*bundle.Bundle
	monitor    *Monitor
	pid        int
	invocation string
	began      time.Time
	since      time.Time // when the unit came up
	// startsUp is set when its startup probe is the monitor's to make.
	startsUp bool
	// up is set once the container has started up and until it is asked to stop: it is probed meanwhile. ending is set from
	// then on.
	up, ending bool
	target     probe.Target
	cancel     context.CancelFunc
	// later runs something that outlives the container, and ends with the monitor.
	later func(f func(ctx context.Context))
}

// isOf reports whether a state of the unit is the one that the run is watched in.
func (w *watched) isOf(state units.State) bool {
	return w.invocation == state.Invocation && w.pid == int(state.MainPID) && w.up == isUp(state) && w.ending == isEnding(state)
}

func (w *watched) unit() string { return names.Service(w.ID) }

// run makes the container's checks until the context ends or there are none to be made.
func (w *watched) run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	if len(w.DiskLimits) > 0 {
		group.Go(func() { w.keepWithin(ctx) })
	}
	if !isProbed(w.Health) || !w.up {
		return nil
	}
	var err error
	if w.target, err = probe.OpenTarget(w.Bundle, w.pid, nil); err != nil {
		return err
	}
	defer w.target.Close()
	return w.probe(ctx)
}

// isProbed reports whether a container has a probe.
func isProbed(health bundle.Health) bool {
	return health.Liveness != nil || health.Readiness != nil || health.Startup != nil
}

// probe makes the container's probes.
func (w *watched) probe(ctx context.Context) (err error) {
	if w.startsUp && w.Health.Startup != nil && !w.startUp(ctx, *w.Health.Startup) {
		return nil
	}
	var group sync.WaitGroup
	if w.Health.Liveness != nil {
		group.Go(func() { w.keepAlive(ctx, *w.Health.Liveness) })
	}
	if w.Health.Readiness != nil {
		group.Go(func() { err = w.keepReady(ctx, *w.Health.Readiness) })
	}
	group.Wait()
	return err
}

// each makes one check a period and calls decided with the result of a row of checks, and the
// error of the last, until that returns false. The first comes at a random time within a period, so
// that the checks of many containers spread.
func (w *watched) each(ctx context.Context, name string, counter probe.Counter, decided func(passing bool, err error) bool) {
	p := counter.Probe
	period := time.Duration(p.Period) * time.Second
	next := w.began.Add(time.Duration(p.InitialDelay) * time.Second)
	if now := time.Now(); next.Before(now) {
		next = now
	}
	next = w.monitor.beat(next.Add(rand.N(period)))
	for sleep(ctx, time.Until(next)) {
		began := time.Now()
		err := w.check(ctx, name, p)
		if ctx.Err() != nil {
			return
		}
		if counter.Count(err == nil) && !decided(counter.Passing, err) {
			return
		}
		// A check that took longer than a period has none made up for.
		if next = next.Add(period); next.Before(began) {
			next = w.monitor.beat(began.Add(period))
		}
	}
}

// check makes one check. A command is the launcher's to run, which has its own clock for it.
func (w *watched) check(ctx context.Context, name string, p bundle.Probe) error {
	if len(p.Exec) > 0 {
		return w.monitor.command(ctx, w.ID, name, time.Duration(p.Timeout)*time.Second)
	}
	return w.target.Probe(ctx, p)
}

// startUp makes the startup probe and reports whether it has succeeded.
func (w *watched) startUp(ctx context.Context, p bundle.Probe) (up bool) {
	p.OnFailure = bundle.OnFailureKill
	w.each(ctx, "startup", probe.Counter{Probe: p}, func(passing bool, err error) bool {
		if !passing {
			w.act(ctx, "startup probe failed", p, err)
		}
		up = passing
		return false
	})
	return up
}

// keepAlive makes the liveness probe and has systemd act when it has failed.
func (w *watched) keepAlive(ctx context.Context, p bundle.Probe) {
	alive := true
	w.each(ctx, "liveness", probe.Counter{Probe: p, Passing: true}, func(passing bool, err error) bool {
		if passing == alive {
			return true
		}
		alive = passing
		if passing {
			w.monitor.log.Info("alive again", "object", w.Object, "unit", w.unit())
			return true
		}
		w.act(ctx, "liveness probe failed", p, err)
		return p.OnFailure == bundle.OnFailureNone
	})
}

// act takes the action for a container that has failed a probe.
func (w *watched) act(ctx context.Context, what string, p bundle.Probe, cause error) {
	m := w.monitor
	// The action ends the container, and so the context.
	ctx = context.WithoutCancel(ctx)
	if p.OnFailure != bundle.OnFailureNone {
		w.noteEnd(bundle.StageAlive, fmt.Sprintf("its %s: %v", what, cause))
	}
	m.log.Warn(what, "object", w.Object, "unit", w.unit(), "action", p.OnFailure, "error", cause)
	var err error
	switch p.OnFailure {
	case bundle.OnFailureRestart:
		err = m.systemd.QueueRestart(ctx, w.unit())
	case bundle.OnFailureStop:
		err = m.systemd.QueueStop(ctx, w.unit())
	case bundle.OnFailureKill:
		err = m.systemd.KillUnit(ctx, w.unit())
	}
	if err != nil {
		m.log.Error("nothing could be done about it", "object", w.Object, "unit", w.unit(), "error", err)
		return
	}
	if p.GraceSeconds != nil && (p.OnFailure == bundle.OnFailureRestart || p.OnFailure == bundle.OnFailureStop) {
		w.later(func(ctx context.Context) { w.killLater(ctx, time.Duration(*p.GraceSeconds)*time.Second) })
	}
}

// noteEnd leaves word of why the run is about to end.
func (w *watched) noteEnd(stage bundle.Stage, reason string) {
	if err := w.monitor.note(w.ID, bundle.Failure{Invocation: w.invocation, Stage: stage, Error: reason}); err != nil {
		w.monitor.log.Warn("why a container is ended is not noted", "object", w.Object, "unit", w.unit(), "error", err)
	}
}

// killLater kills a container that has not stopped within the probe's own grace period. When the
// agent ends before that, the container's own holds.
func (w *watched) killLater(ctx context.Context, grace time.Duration) {
	if !sleep(ctx, grace) {
		return
	}
	state, err := w.monitor.systemd.State(ctx, w.unit())
	if err == nil && state.Invocation == w.invocation && int(state.MainPID) == w.pid && state.ActiveState == names.Deactivating {
		err = w.monitor.systemd.KillUnit(ctx, w.unit())
	}
	if err != nil {
		w.monitor.log.Error("not killed after its grace period", "object", w.Object, "unit", w.unit(), "error", err)
	}
}

// keepReady makes the readiness probe and keeps the record of it. The launcher has found the
// container ready, or a monitor before this one has left a record.
func (w *watched) keepReady(ctx context.Context, p bundle.Probe) error {
	record := Read(w.ID)
	if record == nil || record.Invocation != w.invocation {
		record = &bundle.HealthRecord{Invocation: w.invocation, Ready: !w.startsUp, Since: w.since}
	}
	failed := w.record(*record)
	w.each(ctx, "readiness", probe.Counter{Probe: p, Passing: record.Ready}, func(passing bool, err error) bool {
		if passing == record.Ready {
			return true
		}
		record.Ready, record.Since, record.Reason = passing, time.Now(), ""
		if passing {
			w.monitor.log.Info("ready", "object", w.Object, "unit", w.unit())
		} else {
			record.Reason = err.Error()
			w.monitor.log.Warn("not ready", "object", w.Object, "unit", w.unit(), "error", err)
		}
		failed = errors.Join(failed, w.record(*record))
		w.monitor.changed(w.unit())
		return true
	})
	return failed
}

// Read returns the record of a container, or nil where there is none.
func Read(id string) *bundle.HealthRecord {
	text, err := os.ReadFile(bundle.HealthFile(id))
	var record bundle.HealthRecord
	if err != nil || json.Unmarshal(text, &record) != nil {
		return nil
	}
	return &record
}

// record leaves the container's record. It need not outlive the boot.
func (w *watched) record(record bundle.HealthRecord) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	path := bundle.HealthFile(w.ID)
	fresh := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(fresh, append(text, '\n'), fs.FileMode(0o600)); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// noteFailure leaves the reason why a run is about to end, for the note of its end.
func noteFailure(id string, failure bundle.Failure) error {
	text, err := json.Marshal(failure)
	if err != nil {
		return err
	}
	return disk.WriteFile(bundle.FailureFile(id), text, 0o600)
}
