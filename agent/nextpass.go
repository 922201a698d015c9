package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/health"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// upcoming are the events for which objects wait and which the node does not show: answers of registries, pulls, and the times of
// the next tries.
type upcoming struct {
	Objects map[string]awaited `json:"objects"`
}

// awaited is the event for which one object waits.
type awaited struct {
	For string `json:"for"`
	// Failed is set when For is why the last try failed, and another one follows.
	Failed bool `json:"failed,omitempty"`
	// At is the time of the next try or of the end; nil if it is not known.
	At *time.Time `json:"at,omitempty"`
}

// upcomingFile lies on a tmpfs and exists only while an object waits.
const upcomingFile = bundle.RunDir + "/next-pass"

// upcomingOf computes the awaited events of objects after a pass.
func upcomingOf(result Result, r *reconciler) upcoming {
	next := upcoming{Objects: map[string]awaited{}}
	for _, problem := range result.Desired.Problems {
		next.add(problem.Ref.String(), problem.Err)
	}
	for object, err := range r.pending {
		next.add(object, err)
	}
	for object, verdict := range result.Changing {
		if _, known := next.Objects[object]; known || verdict.Idle {
			continue
		}
		waits := awaited{For: verdict.Reason}
		if !verdict.Until.IsZero() {
			until := verdict.Until.UTC()
			waits.At = &until
		}
		next.Objects[object] = waits
	}
	return next
}

func (u upcoming) add(object string, err error) {
	if waiting, ok := errors.AsType[reconcile.Waiting](err); ok && !waiting.Blocked {
		u.Objects[object] = awaited{For: waiting.For}
	}
	if retry, ok := errors.AsType[reconcile.Retry](err); ok {
		at := retry.At.UTC()
		u.Objects[object] = awaited{For: retry.Error(), Failed: true, At: &at}
	}
}

// write replaces the file that other processes read.
func (u upcoming) write() error {
	if len(u.Objects) == 0 {
		if err := os.Remove(upcomingFile); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return disk.WriteFile(upcomingFile, text, 0o600)
}

// readUpcoming reads the agent's file; the result is empty if no agent runs.
func readUpcoming() upcoming {
	text, err := os.ReadFile(upcomingFile)
	var next upcoming
	if err != nil || json.Unmarshal(text, &next) != nil || !health.Watched() {
		return upcoming{}
	}
	return next
}
