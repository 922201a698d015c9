package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// journal returns journalctl's output of messages, one a second.
func journal(messages ...string) string {
	var lines strings.Builder
	for i, message := range messages {
		fmt.Fprintf(&lines, `{"__REALTIME_TIMESTAMP":"%d000000",%s}`+"\n", i, message)
	}
	return lines.String()
}

// message is one of a unit, or of another one if its invocation is written in capitals.
func message(invocation, id, more string) string {
	unit := "job.service"
	if invocation == strings.ToUpper(invocation) {
		unit = "other.service"
	}
	return fmt.Sprintf(`"UNIT":%q,"INVOCATION_ID":%q,"MESSAGE_ID":%q%s`, unit, invocation, id, more)
}

func TestWhatIsWrongWithTheJournalComesFirst(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte("#!/bin/sh\necho '?'\nexec yes\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := readRuns(ctx, []string{"job.service"})
	if want := "from the journal: invalid character '?'"; err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRunsOfAJobAreReadFromTheJournal(t *testing.T) {
	t.Parallel()
	read := runMessages{runs: map[string][]*Run{}, byInvocation: map[string]*Run{}}
	err := read.parse(strings.NewReader(journal(
		message("old", messageSuccess, ""), // began before the journal
		message("a", messageStarting, ""),
		message("a", messageExit, `,"EXIT_STATUS":"3"`),
		message("b", messageStarting, ""), // another run in between
		message("a", messageFailure, `,"UNIT_RESULT":"exit-code"`),
		message("b", messageSuccess, ""),
		message("a", messageFailure, `,"UNIT_RESULT":"start-limit-hit"`), // said again by a start that was refused
		message("c", messageStarting, ""),
		message("d", messageStarting, ""),
		message("E", messageStarting, ""),
		message("E", messageSuccess, ""),
	)))
	if err != nil {
		t.Fatal(err)
	}
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	end := func(second int64) *time.Time { return new(at(second)) }
	failure := Run{Started: at(1), Ended: end(4), Result: "exit-code", Exit: "3"}
	success := Run{Started: at(3), Ended: end(5), Result: "success"}
	on, later := Run{Started: at(7)}, Run{Started: at(8)}
	other := []Run{{Started: at(9), Ended: end(10), Result: "success"}}
	if diff := cmp.Diff(other, lastRuns(read.runs["other.service"], defaultLimits)); diff != "" || read.read != 11 {
		t.Errorf("of another unit, %d messages: %s", read.read, diff)
	}
	for _, test := range []struct {
		successful, failed int
		want               []Run
	}{
		{3, 1, []Run{later, on, success, failure}},
		{0, 1, []Run{later, on, failure}},
		{1, 0, []Run{later, on, success}},
	} {
		if diff := cmp.Diff(test.want, lastRuns(read.runs["job.service"], runLimits{test.successful, test.failed})); diff != "" {
			t.Errorf("%d successful, %d failed: %s", test.successful, test.failed, diff)
		}
	}
}
