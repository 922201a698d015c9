package cleanup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// End notes how a container's run has ended, which ExecStopPost= has in its environment
// (systemd.exec(5)), and cleans up after it. A container that crashed and is about to start again keeps its
// network. A person who calls it has to stop the unit first.
func End(ctx context.Context, id string, now time.Time) error {
	if !record.IsID(id) {
		return fmt.Errorf("clean up: %q is not the id of a container", id)
	}
	result := os.Getenv("SERVICE_RESULT")
	if result == "" {
		return cleanUpStopped(ctx, id)
	}
	if err := network.WithdrawEnded(id); err != nil { // before all else: others ask for it now
		fmt.Fprintln(messages, "davit-run:", err)
	}
	job, longest, before, ports := "", longestDelay(id), record.LastRun(id), recordedPorts(id)
	if result != "success" || longest > 0 && before != nil || len(ports) > 0 {
		job = jobOf(ctx, id)
	}
	waits, err := stillWaits(ctx, id, job)
	if waits {
		return nil // there was no run
	}
	if err != nil {
		fmt.Fprintln(messages, "davit-run: the next start does not wait on:", err)
	}
	run := endOf(id, result, job, now)
	if longest > 0 && (job == "" || job == "start") {
		if err := backOff(ctx, id, &run, before, longest); err != nil {
			fmt.Fprintln(messages, "davit-run: the next start does not wait:", err)
		}
	}
	if job != "stop" && job != "unknown" {
		run.Ports = ports
	}
	failure, err := noteEnd(id, run, before)
	if failure != nil { // then there was no container
		return errors.Join(err, cleanUpWhole(ctx, id))
	}
	if lockErr := record.Lock(id); lockErr != nil {
		return errors.Join(err, lockErr)
	}
	return errors.Join(err, cleanUp(ctx, id, func(b *bundle.Bundle) bool { return job == "" && keepsNetwork(b, result) }))
}

// cleanUpStopped is [cleanUpWhole] of a container whose unit is not up, and stays so until that is done.
func cleanUpStopped(ctx context.Context, id string) error {
	if err := record.Lock(id); err != nil {
		return err
	}
	unit, err := openUnit(ctx, names.Service(id))
	if err != nil {
		return err
	}
	defer unit.close()
	var state string
	if err := unit.read("ActiveState", &state); err != nil {
		return err
	}
	if !names.ActiveState(state).Down() {
		return fmt.Errorf("clean up: %s is %s: systemctl stop %s cleans up too", id, state, id)
	}
	return errors.Join(cleanUp(ctx, id, never), untrusted.RemoveAll(bundle.BackOffFile(id)))
}

// endOf is the note of a run that has ended.
func endOf(id, result, job string, now time.Time) bundle.LastRun {
	run := bundle.LastRun{
		Invocation: os.Getenv(record.InvocationID), Result: result, Exit: os.Getenv("EXIT_STATUS"), At: now,
		Asked: (job == "stop" || job == "restart") && result != "success",
	}
	if path, err := os.Readlink(bundle.RunningBundle(id)); err == nil {
		run.Bundle = filepath.Base(path)
	}
	return run
}

// recordedPorts are those that the run on record publishes, or was about to.
func recordedPorts(id string) []bundle.Port {
	b, err := record.ReadBundle(filepath.Join(bundle.AttachmentsDir, id))
	if err != nil {
		return nil
	}
	return b.Network.Ports
}

// noteEnd writes the note, and returns the failure that kept the run from starting. before is the note of the run before, or nil.
func noteEnd(id string, run bundle.LastRun, before *bundle.LastRun) (*bundle.Failure, error) {
	failure, err := record.TakeFailure(id)
	if err != nil {
		return nil, fmt.Errorf("note how %s ended: %w", id, err)
	}
	if failure != nil && failure.Invocation != run.Invocation {
		failure = nil
	}
	if failure != nil && failure.Bundle != "" { // the record may be of an earlier run that cannot be cleaned up
		run.Bundle, failure.Bundle = failure.Bundle, ""
	}
	if failure.IsOfStart() && len(run.Ports) > 0 { // it may have failed before it published them
		run.Ports = nil
		if before != nil {
			run.Ports = before.Ports
		}
	}
	// A start that is stopped fails in one way or another, which is not the version's fault.
	if failure != nil && (!run.Asked || failure.IsOfRun()) {
		run.Failure = failure
	}
	// Others read it at any time, so it comes whole, in the place of the note that was just taken.
	text, err := json.Marshal(run)
	if err == nil {
		err = record.WriteNote(bundle.FailureFile(id), text)
	}
	if err == nil {
		err = replaceNote(bundle.FailureFile(id), bundle.LastRunFile(id))
	}
	if err != nil {
		return failure, fmt.Errorf("note how %s ended: %w", id, err)
	}
	return failure, nil
}

// replaceNote renames a note to path, and removes a directory that is in its place.
func replaceNote(note, path string) error {
	err := os.Rename(note, path)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return errors.Join(untrusted.RemoveAll(path), os.Rename(note, path))
	}
	return err
}
