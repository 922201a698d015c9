package launch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/davit-project/davit/units/bundle"
)

func TestTheInnermostStageIsKept(t *testing.T) {
	t.Parallel()
	cause := at(bundle.StageVolume, fs.ErrNotExist)
	err := at(bundle.StageStart, errors.Join(errors.New("start web"), cause))
	staged, ok := errors.AsType[stageError](err)
	if !ok || staged.stage != bundle.StageVolume || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %#v", err)
	}
	if at(bundle.StageStart, nil) != nil {
		t.Error("no error got a stage")
	}
}

// TestAFailedStartNamesItsBundle has a start fail before it is on record, which still has the run before.
func TestAFailedStartNamesItsBundle(t *testing.T) {
	if !inOwnNode(t) {
		return
	}
	b := standUp(t, "web")
	before, err := os.Readlink(bundle.RunningBundle(b.ID))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(invocationID, "this")
	for dir, want := range map[string]string{bundle.Path("web-new"): "web-new", "": filepath.Base(before)} {
		if err := noteFailure(b.ID, dir, errStillRuns); !errors.Is(err, errStillRuns) {
			t.Fatal(err)
		}
		if _, err := noteEnd(b.ID, endOf(b.ID, "exit-code", "", time.Now()), nil); err != nil {
			t.Fatal(err)
		}
		run := lastRunOf(b.ID)
		if run == nil || run.Bundle != want || run.Failure == nil || run.Failure.Bundle != "" {
			t.Errorf("the start of %q is noted as %+v", dir, run)
		}
	}
}
