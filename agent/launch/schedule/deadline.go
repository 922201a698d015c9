// Package schedule decides whether a scheduled run starts: one that its timer starts late may have come too late, and one
// of which as many as possible are active already is skipped. It starts units, never containers.
package schedule

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/davit-project/davit/agent/launch/record"
)

// triggeredBy is set by systemd 252 and newer for services that a timer starts (systemd.exec(5)).
const triggeredBy = "TRIGGER_UNIT"

// Due reports whether the bundle's container may start now. One that a timer starts late, because
// the node was off at its time, may have come too late; one that anything else starts never has.
func Due(ctx context.Context, dir string, now time.Time) (bool, error) {
	b, err := record.ReadBundle(dir)
	if err != nil || os.Getenv(triggeredBy) == "" || len(b.Due.Events) == 0 {
		return true, err
	}
	deadline := time.Duration(b.Due.Seconds) * time.Second
	for _, event := range b.Due.Events {
		next, err := nextElapse(ctx, event, now.Add(-deadline-time.Second))
		if err != nil {
			return false, fmt.Errorf("find when %s was due: %w", b.ID, err)
		}
		if !next.After(now) {
			return true, nil
		}
	}
	return false, nil
}

// nextElapse asks systemd when a calendar event comes next after a time.
func nextElapse(ctx context.Context, event string, after time.Time) (time.Time, error) {
	command := exec.CommandContext(ctx, "systemd-analyze", "calendar", "--base-time=@"+strconv.FormatInt(after.Unix(), 10), event)
	command.Env = []string{"TZ=UTC", "LC_ALL=C", "PATH=/usr/bin:/bin"}
	output, err := command.Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("systemd-analyze calendar %q: %w", event, err)
	}
	for line := range bytes.Lines(output) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "Next elapse: "); ok {
			return time.ParseInLocation("Mon 2006-01-02 15:04:05 MST", text, time.UTC)
		}
	}
	return time.Time{}, fmt.Errorf("systemd-analyze calendar %q names no time", event)
}
