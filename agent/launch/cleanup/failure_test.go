package cleanup

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/units/bundle"
)

// TestAFailedStartNamesItsBundle has a start fail before it is on record, which still has the run before.
func TestAFailedStartNamesItsBundle(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	b := &bundle.Bundle{Spec: &specs.Spec{}, Launch: bundle.Launch{ID: "web"}}
	if err := (record.Run{Bundle: b, Dir: bundle.Path("web-old")}).Claim(); err != nil {
		t.Fatal(err)
	}
	before, err := os.Readlink(bundle.RunningBundle(b.ID))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(record.InvocationID, "this")
	for dir, want := range map[string]string{bundle.Path("web-new"): "web-new", "": filepath.Base(before)} {
		if err := record.NoteFailure(b.ID, dir, runtime.ErrStillRuns); !errors.Is(err, runtime.ErrStillRuns) {
			t.Fatal(err)
		}
		if _, err := noteEnd(b.ID, endOf(b.ID, "exit-code", "", time.Now()), nil); err != nil {
			t.Fatal(err)
		}
		run := record.LastRun(b.ID)
		if run == nil || run.Bundle != want || run.Failure == nil || run.Failure.Bundle != "" {
			t.Errorf("the start of %q is noted as %+v", dir, run)
		}
	}
}
