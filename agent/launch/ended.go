package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/davit-project/davit/agent/disk"
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
	if run.Result == "" || !validID.MatchString(id) {
		return nil // called by hand, or Cleanup says what is wrong
	}
	failure, err := takeFailure(id)
	if err != nil {
		return fmt.Errorf("note how %s ended: %w", id, err)
	}
	if failure != nil && failure.Invocation == run.Invocation {
		run.Failure = failure
	}
	text, err := json.Marshal(run)
	if err == nil {
		err = disk.WriteFile(bundle.LastRunFile(id), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note how %s ended: %w", id, err)
	}
	return nil
}
