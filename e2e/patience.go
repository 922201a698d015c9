package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/davit-project/davit/e2e/node"
)

const (
	// work is of the kind that scenarios wait for: processes, messages of D-Bus, jobs of systemd.
	work     = "systemctl daemon-reload; for i in $(seq 25); do systemctl start work && systemctl stop work || exit 1; done"
	workUnit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
	// idleWork is how long a boot and the work take on a machine with two processors at 2.3 GHz and
	// little else to do, for which the limits of the scenarios are written.
	idleWork = 700 * time.Millisecond
)

// measurePatience returns how many times longer things take now than on the machine that the limits of
// the scenarios are written for, 1 at least: it boots a node, has systemd work in it and closes it.
func measurePatience(ctx context.Context) (patience float64, err error) {
	began := time.Now()
	n, err := node.Boot(ctx, node.Config{})
	if err != nil {
		return 0, fmt.Errorf("measure the machine: %w", err)
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if err := n.Put("/etc/systemd/system/work.service", strings.NewReader(workUnit), 0o644); err != nil {
		return 0, fmt.Errorf("measure the machine: %w", err)
	}
	if output, err := n.Output(ctx, "sh", "-c", work); err != nil {
		return 0, fmt.Errorf("measure the machine: %w: %s", err, output)
	}
	return max(1, float64(time.Since(began))/float64(idleWork)), nil
}
