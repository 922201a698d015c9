package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/units/bundle"
)

// InvocationID names a start of a unit in the environment of its processes (systemd.exec(5)).
const InvocationID = "INVOCATION_ID"

// stageError is an error with the stage of a start that it belongs to.
type stageError struct {
	stage bundle.Stage
	error
}

func (e stageError) Unwrap() error { return e.error }

// At gives an error its stage, unless it has one; nil stays nil.
func At(stage bundle.Stage, err error) error {
	if _, staged := errors.AsType[stageError](err); err == nil || staged {
		return err
	}
	return stageError{stage, err}
}

// NoteFailure leaves an error of a start from the bundle at dir for the clean-up, which notes it with the run, and returns it.
// The journal has the error too, among the lines of other programs. dir is empty if the container has started from it.
func NoteFailure(id, dir string, err error) error {
	invocation := os.Getenv(InvocationID)
	if err == nil || invocation == "" || !IsID(id) {
		return err
	}
	failure := bundle.Failure{Invocation: invocation, Stage: bundle.StageStart, Error: err.Error()}
	if dir != "" && filepath.Dir(dir) != bundle.CurrentDir { // which leads nowhere
		failure.Bundle = filepath.Base(dir)
	}
	if staged, ok := errors.AsType[stageError](err); ok {
		failure.Stage = staged.stage
	}
	text, noteErr := json.Marshal(failure)
	if noteErr == nil {
		noteErr = WriteNote(bundle.FailureFile(id), text)
	}
	if noteErr != nil {
		noteErr = fmt.Errorf("note the failure: %w", noteErr)
	}
	return errors.Join(err, noteErr)
}

// WriteNote writes a file that lasts as long as a boot, and that only the unit's own launchers write and
// read: half of it, which one that was killed leaves, is as good as none.
func WriteNote(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// TakeFailure returns and removes the failure that the run left; nil if it left none.
func TakeFailure(id string) (*bundle.Failure, error) {
	path := bundle.FailureFile(id)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var failure bundle.Failure
	if json.Unmarshal(text, &failure) != nil {
		failure = bundle.Failure{} // of no run
	}
	return &failure, os.Remove(path)
}
