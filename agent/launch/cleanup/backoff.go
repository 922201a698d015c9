package cleanup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// A container that keeps ending is restarted with a growing delay, up to a bound. systemd does that from version 254
// on. For older versions the bound is in davit's own section of the unit: systemd restarts the unit after a second, and
// the launcher of that start waits for the rest (backoff.c). The delay is decided at the end of a run, when systemd can
// be asked; the next start reads it from a file.
//
// A unit that waits is in the state "activating", so units that are ordered after it wait too. While the node boots,
// nothing may wait for a container that keeps ending: until the boot is over, it is restarted after a second.

// maxDelaySetting is the bound in a unit's file, in seconds (units.Render).
const maxDelaySetting = "RestartMaxDelaySec="

// longestDelay is the bound of the launcher's wait before the unit's next start; 0 where it does not wait.
func longestDelay(id string) time.Duration {
	file, err := os.Open(filepath.Join(bundle.UnitsDir, names.Service(id)))
	if err != nil {
		return 0
	}
	defer file.Close()
	own := false
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "[") {
			own = line == "[X-Davit]"
		} else if value, ok := strings.CutPrefix(line, maxDelaySetting); ok && own {
			seconds, _ := strconv.ParseInt(value, 10, 32)
			return time.Duration(seconds) * time.Second
		}
	}
	return 0
}

// inARow counts the end of a run with those before it that came soon after their starts. Another bundle is another
// container: it starts with a count of its own.
func inARow(before *bundle.LastRun, run bundle.LastRun) int {
	if before == nil || before.Bundle != "" && run.Bundle != "" && before.Bundle != run.Bundle {
		return 1
	}
	began := before.At
	if before.Next.After(began) {
		began = before.Next
	}
	if run.At.Sub(began) >= bundle.Calm {
		return 1
	}
	return before.InARow + 1
}

// delayAfter returns the delay of the next start after a number of ends in a row: first, twice that, and so on up to
// longest. All but the first are reduced at random by up to a tenth, so that containers that ended together do not
// start together.
func delayAfter(ends int, first, longest time.Duration) time.Duration {
	delay := min(first<<min(ends-1, 30), longest)
	if ends > 1 {
		delay -= rand.N(delay/10 + 1)
	}
	return delay
}

// settings are the settings of a unit, as systemd has loaded them, that decide whether and when it is restarted.
type settings struct {
	restart, system string
	delay, timeout  time.Duration
}

func settingsOf(ctx context.Context, id string) (s settings, err error) {
	unit, err := openUnit(ctx, names.Service(id))
	if err != nil {
		return s, err
	}
	defer unit.close()
	var delay, timeout uint64
	if s.system, err = unit.systemState(); err != nil {
		return s, err
	}
	err = errors.Join(unit.readService("Restart", &s.restart), unit.readService("RestartUSec", &delay), unit.readService("TimeoutStartUSec", &timeout))
	s.delay = time.Duration(min(delay, uint64(maxTimeout.Microseconds()))) * time.Microsecond
	if timeout < uint64(maxTimeout.Microseconds()) {
		s.timeout = time.Duration(timeout) * time.Microsecond
	}
	return s, err
}

// maxTimeout is longer than any bound that makes sense; systemd's infinity is.
const maxTimeout = 365 * 24 * time.Hour

// waits reports whether the launcher waits before the unit's next start. If an operator has set another RestartSec= on
// this node, systemd alone waits, for as long as that says.
func (s settings) waits(result string) bool {
	restarts := s.restart == "always" || s.restart == "on-failure" && result != "success"
	return restarts && s.delay == restartDelay && !slices.Contains([]string{"initializing", "starting", "stopping"}, s.system)
}

// restartDelay is RestartSec= in units that davit writes (units.Render).
const restartDelay = time.Second

// backOff has the next start of a container wait, and notes with the run how often it has ended in a row and when it is
// to start.
func backOff(ctx context.Context, id string, run, before *bundle.LastRun, longest time.Duration) error {
	run.InARow = inARow(before, *run)
	if run.InARow == 1 {
		return nil // systemd waits as long
	}
	s, err := settingsOf(ctx, id)
	if err != nil || !s.waits(run.Result) {
		return err
	}
	delay := delayAfter(run.InARow, s.delay, longest)
	if err := writeWait(id, monotonic()+delay, s); err != nil {
		return err
	}
	run.Next = run.At.Add(delay)
	return nil
}

// restartSlack is how much later than RestartSec= says a restart of systemd's may begin: after the rest of the
// clean-up, and on a node that is busy.
const restartSlack = 30 * time.Second

// writeWait writes the file that the next start reads. A start that comes sooner than systemd's own is an operator's.
func writeWait(id string, until time.Duration, s settings) error {
	earliest := monotonic() + s.delay
	text := fmt.Appendf(nil, "%d %d %d %d\n", earliest, earliest+restartSlack, until, s.timeout.Microseconds())
	if err := record.WriteNote(bundle.BackOffFile(id), text); err != nil {
		return fmt.Errorf("have the next start wait: %w", err)
	}
	return nil
}

// monotonic is the time of the kernel's clock that no one sets.
func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it cannot fail
	return time.Duration(now.Nano())
}

// stillWaits reports whether the run that has ended was waiting, and had not begun to start its container. systemd ends
// such a start after it has reloaded its units, as if it had timed out; the next start waits for the rest. If an operator
// stopped or restarted the unit, the next start does not wait.
func stillWaits(ctx context.Context, id, job string) (bool, error) {
	path := bundle.BackOffFile(id)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil || job == "stop" || job == "restart" {
		return false, err
	}
	var earliest, latest, until, timeout int64
	if _, err := fmt.Sscan(string(text), &earliest, &latest, &until, &timeout); err != nil || time.Duration(until) < monotonic() {
		return false, nil
	}
	s, err := settingsOf(ctx, id)
	if err != nil {
		return false, err
	}
	return true, writeWait(id, time.Duration(until), s)
}
