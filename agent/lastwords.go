package agent

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/davit-project/davit/units"
)

// lastLines is how many lines of a container are told with its failure.
const lastLines = 3

// withCause says why a unit of the view did not start: in the launcher's words if it was the launcher that
// could not start it, otherwise with the last lines of its output. What the pass observed comes before what
// is known by now: the next try may have begun.
func (n *Node) withCause(ctx context.Context, v *view, unit string, err error) error {
	if errors.Is(err, units.ErrDependency) {
		return err
	}
	if run := v.actual.Workloads[unit].Run; run != nil && run.Last != nil && run.Last.Failure != nil {
		return errors.New(run.Last.Failure.Error)
	}
	state, stateErr := n.Systemd.State(ctx, unit)
	run, runErr := lastRun(unit)
	if stateErr == nil && runErr == nil && run != nil && run.Failure != nil && run.Invocation == state.Invocation {
		return errors.New(run.Failure.Error)
	}
	if stateErr == nil && state.StatusText != "" {
		err = fmt.Errorf("%w: %s", err, state.StatusText)
	}
	if words := n.lastWords(ctx, unit); words != "" {
		return fmt.Errorf("%w: it said %q", err, words)
	}
	return err
}

// lastWords are what the unit's processes said last since its start; "" where the journal does not
// tell.
func (n *Node) lastWords(ctx context.Context, unit string) string {
	state, err := n.Systemd.State(ctx, unit)
	if err != nil || state.Invocation == "" {
		return ""
	}
	output, err := exec.CommandContext(ctx, "journalctl", "--quiet", "--output=cat", "--lines="+strconv.Itoa(2*lastLines),
		"_SYSTEMD_INVOCATION_ID="+state.Invocation).Output()
	if err != nil {
		return ""
	}
	// What the launcher says is no container's; where it failed, that is noted with the run.
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(output)), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "davit-run: ")
	})
	return strings.Join(lines[max(len(lines)-lastLines, 0):], " / ")
}
