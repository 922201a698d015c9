package e2e

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// manyCronJobs are as many as one file of manifests may have.
	manyCronJobs = 1000
	// restingAgent is the most memory, in KiB, that the agent has once the CronJobs are gone: its private memory and
	// its share of the memory that it shares with other processes (Pss of proc_pid_smaps_rollup(5)).
	restingAgent = 15 << 10
)

// TestCountsOfManyCronJobs bounds a thousand CronJobs beside other workloads: the cost of their first apply, of a pass with
// nothing to do, of an edit of one of them and of their removal, and the memory of an agent that has managed them. A pass
// reloads systemd once at most, and an edit of a bundle does not. The bounds of messages have room for a few passes more, of
// some ten messages each, as many as a busy machine may need.
func TestCountsOfManyCronJobs(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("boots a node, which needs root: run it with sudo make test-e2e")
	}
	t.Parallel()
	lab := countingLab(t)
	pass := func(name, command string, reloads int) {
		t.Helper()
		before := countReloads(t, lab)
		holdTo(t, "testdata/counts-cron.json", name, countCommand(t, lab, command))
		if made := countReloads(t, lab) - before; made > reloads {
			t.Errorf("%s: systemd was reloaded %d times, wanted %d at most", name, made, reloads)
		}
	}
	jobs := cronJobs(manyCronJobs)
	put(t, lab, "jobs.yaml", jobs)
	pass("apply", "davit apply --wait", 1)
	pass("nothing", "davit apply --wait", 0)
	put(t, lab, "jobs.yaml", strings.Replace(jobs, `"job 7"`, `"job seven"`, 1))
	pass("edit", "davit apply --wait", 0)

	run(t, lab, "systemctl start $0", "davit")
	awaitOutput(t, lab, "systemctl status davit", fmt.Sprint(manyCronJobs+len(countedUnits), " objects as they should be"))
	t.Logf("memory of the agent with all of them: %d KiB", agentMemory(t, lab))
	run(t, lab, "rm /etc/davit/manifests/$0", "jobs.yaml")
	// Units that have not stopped when a pass ends are removed by a later one, which reloads systemd too.
	pass("removal", "davit apply --wait --confirm-prune", 4)
	awaitOutput(t, lab, "systemctl status davit", fmt.Sprint(len(countedUnits), " objects as they should be"))
	if err := Until(t.Context(), lab.Wait(30*time.Second), func(context.Context) error {
		if got := agentMemory(t, lab); got > restingAgent {
			return fmt.Errorf("the agent has %d KiB of memory, wanted %d at most", got, restingAgent)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	t.Logf("memory of the agent afterwards: %d KiB", agentMemory(t, lab))
}

// cronJobs are the manifests of that many CronJobs that are not due.
func cronJobs(count int) string {
	var text strings.Builder
	for i := range count {
		fmt.Fprintf(&text, `---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cj%[1]d}
spec:
  schedule: "0 3 1 1 *"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: main
            image: docker.io/library/busybox:1
            command: [echo, "job %[1]d"]
`, i)
	}
	return text.String()
}

// countReloads is how often systemd has been reloaded since the boot.
func countReloads(t *testing.T, lab *Lab) int {
	t.Helper()
	return number(t, run(t, lab, `journalctl --sync; journalctl _PID=1 --output=cat | grep -c "^Reloading\.\|^Reloading requested" || true`, ""))
}

// agentMemory is the memory of the agent in KiB.
func agentMemory(t *testing.T, lab *Lab) int {
	t.Helper()
	return number(t, run(t, lab, `sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' /proc/$(systemctl show --value --property=MainPID $0)/smaps_rollup`, "davit"))
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// awaitOutput waits until the output of a shell command contains a text.
func awaitOutput(t *testing.T, lab *Lab, command, want string) {
	t.Helper()
	if err := Until(t.Context(), lab.Wait(time.Minute), func(ctx context.Context) error {
		output, err := lab.Output(ctx, "sh", "-c", command)
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		if !strings.Contains(output, want) {
			return fmt.Errorf("%s does not print %q but %s", command, want, output)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
