package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/davit-project/davit/agent/terminal"
)

// Status tells systemd how the agent is: systemctl status shows it, and its watchdog is
// kept calm while the agent's loop is alive.
type Status struct {
	log  *slog.Logger
	last time.Time // of the last pass
	beat atomic.Int64
}

// NewStatus makes a status; without systemd's socket it says nothing.
func NewStatus(log *slog.Logger) *Status { return &Status{log: log} }

// Ready says that the agent is up.
func (s *Status) Ready() { s.notify(daemon.SdNotifyReady) }

// Stopping says that the agent is about to end.
func (s *Status) Stopping() { s.notify(daemon.SdNotifyStopping) }

// say sets the line that systemctl status shows.
func (s *Status) say(format string, args ...any) {
	s.notify("STATUS=" + terminal.Status(fmt.Sprintf(format, args...)))
}

// passed notes that a pass has ended.
func (s *Status) passed() { s.last = time.Now() }

// resyncDue reports whether the last pass is older than the interval.
func (s *Status) resyncDue(interval time.Duration) bool { return time.Since(s.last) >= interval }

// untilResync is how long until then.
func (s *Status) untilResync(interval time.Duration) time.Duration {
	return max(interval-time.Since(s.last), 0)
}

func (s *Status) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("tell systemd", "state", state, "error", err)
	}
}

// maxSilence is how long the agent may show no sign of life: longer than a slow disk takes
// to unpack a layer, which reports nothing.
const maxSilence = 10 * time.Minute

// Beat is a sign of life.
func (s *Status) Beat() { s.beat.Store(time.Now().UnixNano()) }

// Watchdog calms systemd's watchdog until the context ends, as long as there are signs of
// life.
func (s *Status) Watchdog(ctx context.Context) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if time.Since(time.Unix(0, s.beat.Load())) < maxSilence {
				s.notify(daemon.SdNotifyWatchdog)
			}
		}
	}
}
