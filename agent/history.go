package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// Run is one run of a job, as systemd wrote it to the journal: davit keeps no history of its own.
type Run struct {
	Started time.Time `json:"started"`
	// Ended is nil while the run goes on.
	Ended *time.Time `json:"ended,omitempty"`
	// Result is how it ended, in systemd's word: "success", "exit-code", "signal", "oom-kill",
	// "timeout", …; empty while it goes on.
	Result string `json:"result,omitempty"`
	// Exit is the status that the container's process ended with, or the name of the signal that
	// ended it, where it did not end well.
	Exit string `json:"exit,omitempty"`
}

// What systemd marks its messages with (systemd's src/systemd/sd-messages.h, `journalctl --catalog`).
const (
	messageStarting = "7d4958e842da4a758f6c1cdc7b36dcc5"
	messageExit     = "98e322203f7a4ed290d09fe03c09fe15"
	messageSuccess  = "7ad2d189f7e94e70a38c781354912448"
	messageFailure  = "d9b373ed55a64feb8242e02dbe79a49c"
)

// journalDepth bounds how many messages are read for one unit's runs: each run has three or four.
const journalDepth = 400

// Runs are the last runs of a unit that the journal knows, the last one first: so many that ended
// well, so many that did not, and the one that goes on.
func Runs(ctx context.Context, unit string, successful, failed int) ([]Run, error) {
	command := exec.CommandContext(ctx, "journalctl", "--quiet", "--output=json",
		"--output-fields=MESSAGE_ID,INVOCATION_ID,UNIT_RESULT,EXIT_STATUS", "--lines="+strconv.Itoa(journalDepth),
		"_PID=1", "UNIT="+unit,
		"MESSAGE_ID="+messageStarting, "MESSAGE_ID="+messageExit, "MESSAGE_ID="+messageSuccess, "MESSAGE_ID="+messageFailure)
	output, err := command.Output()
	if failure := (*exec.ExitError)(nil); errors.As(err, &failure) {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(failure.Stderr))
	}
	if err != nil {
		return nil, fmt.Errorf("read the runs of %s from the journal: %w", unit, err)
	}
	runs, err := parseRuns(output)
	if err != nil {
		return nil, fmt.Errorf("read the runs of %s from the journal: %w", unit, err)
	}
	return lastRuns(runs, successful, failed), nil
}

// kept is how many of an object's runs are shown that ended well, and how many that did not:
// Kubernetes' defaults for a CronJob, unless it says otherwise; none for what is not a job.
func kept(set *manifests.Set, ref v1.Ref) (successful, failed int) {
	if ref.Kind != v1.KindJob && ref.Kind != v1.KindCronJob {
		return 0, 0
	}
	successful, failed = 3, 1
	for _, object := range set.Objects {
		job, ok := object.Object.(*v1.CronJob)
		if !ok || job.Ref() != ref {
			continue
		}
		if limit := job.Spec.SuccessfulJobsHistoryLimit; limit != nil {
			successful = int(*limit)
		}
		if limit := job.Spec.FailedJobsHistoryLimit; limit != nil {
			failed = int(*limit)
		}
	}
	return successful, failed
}

// journalEntry is a line of journalctl --output=json, as far as [Runs] asks for it.
type journalEntry struct {
	Micros     string `json:"__REALTIME_TIMESTAMP"`
	MessageID  string `json:"MESSAGE_ID"`
	Invocation string `json:"INVOCATION_ID"`
	Result     string `json:"UNIT_RESULT"`
	ExitStatus string `json:"EXIT_STATUS"`
}

// parseRuns puts the messages of each invocation together, in the order of their starts. What
// began before the journal does is left out.
func parseRuns(lines []byte) ([]*Run, error) {
	var runs []*Run
	byInvocation := map[string]*Run{}
	for line := range bytes.Lines(lines) {
		var entry journalEntry
		if err := json.Unmarshal(line, &entry); err != nil {
			return nil, err
		}
		micros, err := strconv.ParseInt(entry.Micros, 10, 64)
		if err != nil {
			return nil, err
		}
		at := time.UnixMicro(micros)
		run := byInvocation[entry.Invocation]
		switch {
		case entry.MessageID == messageStarting:
			run = &Run{Started: at}
			runs, byInvocation[entry.Invocation] = append(runs, run), run
		case run == nil || run.Ended != nil:
		case entry.MessageID == messageExit:
			run.Exit = entry.ExitStatus
		case entry.MessageID == messageSuccess:
			run.Ended, run.Result = &at, "success"
		case entry.MessageID == messageFailure:
			run.Ended, run.Result = &at, entry.Result
		}
	}
	return runs, nil
}

// lastRuns are the last ones of each kind, the last one first.
func lastRuns(runs []*Run, successful, failed int) []Run {
	var last []Run
	for _, run := range slices.Backward(runs) {
		left := &failed
		switch run.Result {
		case "success":
			left = &successful
		case "":
			last = append(last, *run)
			continue
		}
		if *left > 0 {
			*left--
			last = append(last, *run)
		}
	}
	return last
}
