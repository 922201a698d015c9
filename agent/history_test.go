package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// journal is what journalctl prints of messages, one a second.
func journal(messages ...string) string {
	var lines strings.Builder
	for i, message := range messages {
		fmt.Fprintf(&lines, `{"__REALTIME_TIMESTAMP":"%d000000",%s}`+"\n", i, message)
	}
	return lines.String()
}

func message(invocation, id, more string) string {
	return fmt.Sprintf(`"INVOCATION_ID":%q,"MESSAGE_ID":%q%s`, invocation, id, more)
}

func TestRunsOfAJobAreReadFromTheJournal(t *testing.T) {
	t.Parallel()
	runs, err := parseRuns([]byte(journal(
		message("old", messageSuccess, ""), // began before the journal
		message("a", messageStarting, ""),
		message("a", messageExit, `,"EXIT_STATUS":"3"`),
		message("b", messageStarting, ""), // of another unit's in between
		message("a", messageFailure, `,"UNIT_RESULT":"exit-code"`),
		message("b", messageSuccess, ""),
		message("a", messageFailure, `,"UNIT_RESULT":"start-limit-hit"`), // said again by a start that was refused
		message("c", messageStarting, ""),
		message("d", messageStarting, ""),
	)))
	if err != nil {
		t.Fatal(err)
	}
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	end := func(second int64) *time.Time { return new(at(second)) }
	failure := Run{Started: at(1), Ended: end(4), Result: "exit-code", Exit: "3"}
	success := Run{Started: at(3), Ended: end(5), Result: "success"}
	on, later := Run{Started: at(7)}, Run{Started: at(8)}
	for _, test := range []struct {
		successful, failed int
		want               []Run
	}{
		{3, 1, []Run{later, on, success, failure}},
		{0, 1, []Run{later, on, failure}},
		{1, 0, []Run{later, on, success}},
	} {
		if diff := cmp.Diff(test.want, lastRuns(runs, test.successful, test.failed)); diff != "" {
			t.Errorf("%d successful, %d failed: %s", test.successful, test.failed, diff)
		}
	}
}
