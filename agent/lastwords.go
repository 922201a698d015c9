package agent

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// lastLines is how many lines of a container are told with its failure.
const lastLines = 3

// withLastWords adds to an error what the unit's processes said last since its start. Where the
// journal does not tell, the error stays as it is.
func (n *Node) withLastWords(ctx context.Context, unit string, err error) error {
	state, stateErr := n.Systemd.State(ctx, unit)
	if stateErr != nil || state.Invocation == "" {
		return err
	}
	output, readErr := exec.CommandContext(ctx, "journalctl", "--quiet", "--output=cat", "--lines="+strconv.Itoa(lastLines),
		"_SYSTEMD_INVOCATION_ID="+state.Invocation).Output()
	words := strings.TrimSpace(string(output))
	if readErr != nil || words == "" {
		return err
	}
	return fmt.Errorf("%w: it said %q", err, strings.ReplaceAll(words, "\n", " / "))
}
