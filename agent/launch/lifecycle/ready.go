// Package lifecycle has the steps that a unit takes with a running container: it waits until the container is ready
// (ExecStartPost=), reloads it (ExecReload=), and gives it its grace period (ExecStop=).
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/davit-project/davit/agent/launch/exec"
	"github.com/davit-project/davit/agent/launch/handover"
	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/probe"
	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/units/bundle"
)

// messages is the writer for warnings.
var messages = terminal.NewWriter(os.Stderr)

// waiting is a start that is held until the container is ready.
type waiting struct {
	*bundle.Bundle
	target probe.Target
	began  time.Time
	said   string
}

// Ready returns when the running container id is ready: its hook has run, its startup probe and
// its readiness probe have succeeded. It is the unit's ExecStartPost=, so the unit is starting
// until then and systemd ends it after an error. systemd waits for this process even when the
// container's own has ended, so that is an error here.
func Ready(ctx context.Context, id string) error {
	err := ready(ctx, id)
	if errors.Is(err, errNotRunning) {
		return fmt.Errorf("%s is not ready: %w", id, err) // how it ended tells more
	}
	if err != nil {
		err = fmt.Errorf("%s is not ready: %w", id, err)
	}
	return record.NoteFailure(id, "", err)
}

func ready(ctx context.Context, id string) error {
	w := &waiting{began: time.Now()}
	var err error
	if w.Bundle, err = record.ReadRunning(id); err != nil {
		return err
	}
	main, err := openMain()
	if err != nil {
		return err
	}
	defer main.Close()
	ctx = main.whileItRuns(ctx)
	w.target, err = probe.OpenTarget(w.Bundle, main.pid, func(ctx context.Context, args []string) error { return exec.Command(ctx, w.Bundle, args) })
	if err != nil {
		return err
	}
	defer w.target.Close()
	if hook := w.Health.PostStart; hook != nil {
		w.say("running the postStart hook")
		if err := runHook(ctx, w.Bundle, w.target, *hook); err != nil {
			return fmt.Errorf("postStart hook: %w", ended(ctx, err))
		}
	}
	if startup := w.Health.Startup; startup != nil {
		if err := w.await(ctx, "startup", *startup, true); err != nil {
			if grace := startup.GraceSeconds; grace != nil {
				err = errors.Join(err, main.killLater(time.Duration(*grace)*time.Second))
			}
			return record.At(bundle.StageProbe, err)
		}
	}
	if readiness := w.Health.Readiness; readiness != nil {
		if err := w.await(ctx, "readiness", *readiness, false); err != nil {
			return record.At(bundle.StageProbe, err)
		}
	}
	if w.Replica {
		if err := network.TakeOver(w.Bundle); err != nil {
			return err
		}
	}
	w.say("")
	if w.Notify {
		return w.notify("NOTIFYACCESS=main") // relay.c passes messages on under the main process's name
	}
	return w.notify(handover.CloseSocket)
}

// ended returns the cause of the context's end, if it has ended: err, which follows from it, says less.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// eager is the period of network probes while a container starts, if its probe's period is longer: units that wait for
// it should not wait for a period that is meant for a running container.
const eager = time.Second

// await makes checks until the probe has succeeded, or where it gives up, failed. Failures count
// once a period.
func (w *waiting) await(ctx context.Context, name string, p bundle.Probe, givesUp bool) error {
	counter := probe.Counter{Probe: p}
	period := time.Duration(p.Period) * time.Second
	pause := period
	if len(p.Exec) == 0 {
		pause = min(period, eager)
	}
	next := w.began.Add(time.Duration(p.InitialDelay) * time.Second)
	w.say("waiting for %s", name)
	for checks, counts := 1, next; ; checks++ {
		if err := sleepUntil(ctx, next); err != nil {
			return err
		}
		now := time.Now()
		err := w.target.Probe(ctx, p)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		next = now.Add(pause)
		if err == nil {
			if counter.Count(true) {
				return nil
			}
			next = now.Add(period)
			continue
		}
		w.say("waiting for %s: %v (checks: %d)", name, err, checks)
		if now.Before(counts) {
			continue
		}
		counts = counts.Add(period)
		if counter.Count(false) && givesUp {
			return fmt.Errorf("its %s probe failed %d times in a row: %w", name, p.Failures, err)
		}
	}
}

// say sets the line that systemctl status shows.
func (w *waiting) say(format string, args ...any) {
	line := terminal.Status(fmt.Sprintf(format, args...))
	if line == w.said {
		return
	}
	w.said = line
	if err := w.notify("STATUS=" + line); err != nil {
		fmt.Fprintln(messages, "davit-run:", err)
	}
}

func (w *waiting) notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("tell systemd of %s: %w", w.ID, err)
	}
	return nil
}

func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
