package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/davit-project/davit/units/bundle"
)

// End notes how a container's run has ended, which systemd tells ExecStopPost= in its environment
// (systemd.exec(5)), and cleans up after it.
func End(ctx context.Context, id string, now time.Time) error {
	return errors.Join(noteEnd(id, now), Cleanup(ctx, id))
}

func noteEnd(id string, now time.Time) error {
	run := bundle.LastRun{
		Invocation: os.Getenv(invocationID), Result: os.Getenv("SERVICE_RESULT"), Exit: os.Getenv("EXIT_STATUS"), At: now,
	}
	if run.Result == "" || !isID(id) {
		return nil // called by hand, or Cleanup says what is wrong
	}
	failure, err := takeFailure(id)
	if err != nil {
		return fmt.Errorf("note how %s ended: %w", id, err)
	}
	if failure != nil && failure.Invocation == run.Invocation {
		run.Failure = failure
	}
	// Others read it at any time, so it comes whole, in the place of the note that was just taken.
	text, err := json.Marshal(run)
	if err == nil {
		err = writeNote(bundle.FailureFile(id), text)
	}
	if err == nil {
		err = os.Rename(bundle.FailureFile(id), bundle.LastRunFile(id))
	}
	if err != nil {
		return fmt.Errorf("note how %s ended: %w", id, err)
	}
	return nil
}
