package schedule

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/davit-project/davit/units/names"
)

// Overlap starts the first of the units that does not run, beside those that do. When all run, it starts none, prints
// that and skips this run.
func Overlap(ctx context.Context, units []string) error {
	// Empty lines are between the units.
	output, err := systemctl(ctx, append([]string{"show", "--property=ActiveState", "--value", "--"}, units...)...)
	if err != nil {
		return err
	}
	next := free(strings.Fields(output))
	if next < 0 {
		fmt.Printf("%d runs go on, and no more go on beside each other: this one is left out\n", len(units))
		return nil
	}
	_, err = systemctl(ctx, "--no-block", "start", "--", units[next])
	return err
}

// free is the index of the first unit that does not run, by their states; -1 is none. One that waits
// to be tried again is activating, and runs.
func free(states []string) int {
	return slices.IndexFunc(states, func(state string) bool { return names.ActiveState(state).Down() })
}

func systemctl(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "/usr/bin/systemctl", args...)
	var stderr bytes.Buffer
	command.Env, command.Stderr = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}, &stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("systemctl %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(output), nil
}
