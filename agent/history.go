package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
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

// The ids of systemd's messages (systemd's src/systemd/sd-messages.h, `journalctl --catalog`).
const (
	messageStarting = "7d4958e842da4a758f6c1cdc7b36dcc5"
	messageExit     = "98e322203f7a4ed290d09fe03c09fe15"
	messageSuccess  = "7ad2d189f7e94e70a38c781354912448"
	messageFailure  = "d9b373ed55a64feb8242e02dbe79a49c"
)

// journalDepth bounds how many messages are read for one unit's runs: each run has three or four.
const journalDepth = 400

// runLimits are how many of a unit's runs are shown that ended well, and how many that did not.
type runLimits struct{ successful, failed int }

// runsOf are the last runs of units that the journal knows, the last one first: as many as each shows, and the one
// that goes on.
func runsOf(ctx context.Context, shown map[string]runLimits) (map[string][]Run, error) {
	runs := map[string][]Run{}
	if len(shown) == 0 {
		return runs, nil
	}
	names := slices.Sorted(maps.Keys(shown))
	messages, err := readRuns(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, unit := range names {
		// Others may have taken the place of its messages.
		if messages.read >= journalDepth*len(names) && len(names) > 1 && !shown[unit].reached(messages.runs[unit]) {
			alone, err := readRuns(ctx, []string{unit})
			if err != nil {
				return nil, err
			}
			messages.runs[unit] = alone.runs[unit]
		}
		runs[unit] = lastRuns(messages.runs[unit], shown[unit])
	}
	return runs, nil
}

// reached reports whether there are as many runs as are shown.
func (l runLimits) reached(runs []*Run) bool {
	for _, run := range runs {
		switch run.Result {
		case "success":
			l.successful--
		case "":
		default:
			l.failed--
		}
	}
	return l.successful <= 0 && l.failed <= 0
}

// readRuns reads the runs of units from the journal, all at once: each journalctl takes as long as it takes to read a
// few hundred messages.
func readRuns(ctx context.Context, names []string) (*runMessages, error) {
	args := []string{
		"--quiet", "--output=json", "--output-fields=MESSAGE_ID,INVOCATION_ID,UNIT,UNIT_RESULT,EXIT_STATUS",
		"--lines=" + strconv.Itoa(journalDepth*len(names)), "_PID=1",
		"MESSAGE_ID=" + messageStarting, "MESSAGE_ID=" + messageExit, "MESSAGE_ID=" + messageSuccess, "MESSAGE_ID=" + messageFailure,
	}
	for _, name := range names {
		args = append(args, "UNIT="+name)
	}
	command := exec.CommandContext(ctx, "journalctl", args...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("read the runs of %d units from the journal: %w", len(names), err)
	}
	messages := &runMessages{runs: map[string][]*Run{}, byInvocation: map[string]*Run{}}
	if err = messages.parse(output); err != nil {
		output.Close() // it ends with SIGPIPE, instead of waiting until its output is read
	}
	if ended := command.Wait(); ended != nil {
		err = errors.Join(err, fmt.Errorf("journalctl: %w: %s", ended, bytes.TrimSpace(stderr.Bytes())))
	}
	if err != nil {
		return nil, fmt.Errorf("read the runs of %d units from the journal: %w", len(names), err)
	}
	return messages, nil
}

// shownRuns are how many of their runs the units of jobs show: Kubernetes' defaults for a CronJob, unless it says
// otherwise.
func shownRuns(set *manifests.Set, workloads map[string]reconcile.ActualWorkload) map[string]runLimits {
	declared := map[v1.Ref]runLimits{}
	for _, object := range set.Objects {
		job, ok := object.Object.(*v1.CronJob)
		if !ok {
			continue
		}
		shown := defaultLimits
		if limit := job.Spec.SuccessfulJobsHistoryLimit; limit != nil {
			shown.successful = int(*limit)
		}
		if limit := job.Spec.FailedJobsHistoryLimit; limit != nil {
			shown.failed = int(*limit)
		}
		declared[job.Ref()] = shown
	}
	units := map[string]runLimits{}
	for unit, workload := range workloads {
		if kind := workload.Ref.Kind; workload.Bundle == nil || kind != v1.KindJob && kind != v1.KindCronJob {
			continue
		}
		shown, ok := declared[workload.Ref]
		if !ok {
			shown = defaultLimits
		}
		if shown.successful+shown.failed > 0 {
			units[unit] = shown
		}
	}
	return units
}

var defaultLimits = runLimits{successful: 3, failed: 1}

// journalEntry is a line of journalctl --output=json, as far as [readRuns] asks for it.
type journalEntry struct {
	Micros     string `json:"__REALTIME_TIMESTAMP"`
	MessageID  string `json:"MESSAGE_ID"`
	Invocation string `json:"INVOCATION_ID"`
	Unit       string `json:"UNIT"`
	Result     string `json:"UNIT_RESULT"`
	ExitStatus string `json:"EXIT_STATUS"`
}

// runMessages are runs put together from the journal's messages.
type runMessages struct {
	read         int               // messages
	runs         map[string][]*Run // by unit, in the order of their starts
	byInvocation map[string]*Run
}

// parse groups the messages by invocation. Invocations that began before the journal does are left out.
func (m *runMessages) parse(lines io.Reader) error {
	for decoder := json.NewDecoder(lines); ; m.read++ {
		var entry journalEntry
		if err := decoder.Decode(&entry); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		micros, err := strconv.ParseInt(entry.Micros, 10, 64)
		if err != nil {
			return err
		}
		m.add(entry, time.UnixMicro(micros))
	}
}

func (m *runMessages) add(entry journalEntry, at time.Time) {
	run := m.byInvocation[entry.Invocation]
	switch {
	case entry.MessageID == messageStarting:
		run = &Run{Started: at}
		m.runs[entry.Unit], m.byInvocation[entry.Invocation] = append(m.runs[entry.Unit], run), run
	case run == nil || run.Ended != nil:
	case entry.MessageID == messageExit:
		run.Exit = entry.ExitStatus
	case entry.MessageID == messageSuccess:
		run.Ended, run.Result = &at, "success"
	case entry.MessageID == messageFailure:
		run.Ended, run.Result = &at, entry.Result
	}
}

// lastRuns are the last ones of each kind, the last one first.
func lastRuns(runs []*Run, shown runLimits) []Run {
	var last []Run
	for _, run := range slices.Backward(runs) {
		left := &shown.failed
		switch run.Result {
		case "success":
			left = &shown.successful
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
