package agent

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// lastLines is how many lines of a container's output are reported with its failure.
const lastLines = 3

// withCause returns the reason why a unit of the view did not start: the launcher's error if the launcher could not start or
// reload it, otherwise with the last lines of its output. The state in the pass takes precedence over the present one: the next
// try may have begun.
func (n *Node) withCause(ctx context.Context, v *view, unit string, err error) error {
	if errors.Is(err, units.ErrDependency) {
		return err
	}
	observed := v.actual.Workloads[unit].Run
	if observed != nil && observed.Last != nil && observed.Last.Failure != nil {
		return errors.New(observed.Last.Failure.Error)
	}
	state, stateErr := n.stateNow(ctx, unit)
	run := lastRun(unit)
	if stateErr == nil && run != nil && run.Failure != nil && run.Invocation == state.Invocation {
		return errors.New(run.Failure.Error)
	}
	if stateErr == nil && state.StatusText != "" {
		err = fmt.Errorf("%w: %s", err, state.StatusText)
	}
	lines := startOf(unit, state)
	if observed != nil {
		lines = start{unit, observed.Invocation, observed.Begun}
	}
	if observed != nil && observed.ReloadFailed {
		return withReloadError(err, lines.read(ctx))
	}
	if words := lines.lastOutput(ctx); words != "" {
		return fmt.Errorf("%w; %s", err, quote(words, v.actual.Workloads[unit].Bundle))
	}
	return err
}

// openFailed are how programs say that open(2) of a socket failed (ENXIO), in the words of C libraries, of Go and of
// Node.js.
var openFailed = []string{"no such device or address", "enxio"}

// quote quotes the last output of a container, and adds a hint if the container may have failed to open standard output by name,
// which the launcher did not see in advance.
func quote(words string, b *bundle.Bundle) string {
	quoted := fmt.Sprintf("last output: %q", words)
	lower := strings.ToLower(words)
	fails := slices.ContainsFunc(openFailed, func(text string) bool { return strings.Contains(lower, text) })
	if !fails || b == nil || b.Output != "" || b.Spec.Process == nil || b.Spec.Process.Terminal {
		return quoted
	}
	return quoted + ": if it opens /dev/stdout or /dev/stderr by name, set logging: {driver: pipe}"
}

// withReloadError adds the launcher's output of the last failed reload, if the lines contain it.
func withReloadError(err error, lines []string) error {
	for _, line := range slices.Backward(lines) {
		if words, ok := strings.CutPrefix(line, launcherLine+"reload "); ok {
			return fmt.Errorf("%w: reload %s", err, words)
		}
	}
	return err
}

// lastOutputOf returns the last output of a unit's processes since its start, and systemd's messages about them; "" if the
// journal has none.
func (n *Node) lastOutputOf(ctx context.Context, unit string) string {
	state, err := n.stateNow(ctx, unit)
	if err != nil {
		return ""
	}
	return startOf(unit, state).lastOutput(ctx)
}

// journalPatience is how long the journal may take to answer.
const journalPatience = 5 * time.Second

// launcherLine is how the launcher's lines in the journal of a unit begin.
const launcherLine = "davit-run: "

// start is one start of a unit, whose lines the journal has.
type start struct {
	unit, invocation string
	begun            time.Time // zero where that is not known
}

// startOf is the last start of a unit.
func startOf(unit string, state units.State) start {
	return start{unit, state.Invocation, moment(state.Started)}
}

// lastOutput are the last lines of it, without the launcher's: its own failure is noted with the run.
func (s start) lastOutput(ctx context.Context) string {
	lines := slices.DeleteFunc(s.read(ctx), func(line string) bool {
		return strings.HasPrefix(line, launcherLine)
	})
	return strings.Join(lines[max(len(lines)-lastLines, 0):], " / ")
}

// read returns the last lines that the journal has of it; none if it does not tell. journald looks up a line's
// invocation when it reads the line. When the process has ended by then, it finds none or that of the next start:
// client_context_read_invocation_id in systemd's journald-context.c. The unit of a line is always right.
func (s start) read(ctx context.Context) []string {
	if s.invocation == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, journalPatience)
	defer cancel()
	// journald may not have read the last lines yet. If it does not answer, the lines that it has are enough.
	_ = exec.CommandContext(ctx, "journalctl", "--sync").Run()
	lines := journalLines(ctx, "_SYSTEMD_INVOCATION_ID="+s.invocation)
	if len(lines) == 0 && !s.begun.IsZero() {
		since := fmt.Sprintf("--since=@%d.%06d", s.begun.Unix(), s.begun.Nanosecond()/1000)
		lines = journalLines(ctx, since, "_SYSTEMD_UNIT="+s.unit)
	}
	return lines
}

// journalLines are the last of the lines that match; none if the journal does not tell.
func journalLines(ctx context.Context, matches ...string) []string {
	args := append([]string{"--quiet", "--output=cat", "--lines=" + strconv.Itoa(2*lastLines)}, matches...)
	output, err := exec.CommandContext(ctx, "journalctl", args...).Output()
	text := strings.TrimSpace(string(output))
	if err != nil || text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
