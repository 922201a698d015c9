package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/reconcile"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"davit": main})
}

// TestCommands runs commands that need no node: testdata/*.txtar.
func TestCommands(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Abs("../../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", examples)
			docs, err := filepath.Abs("../../../docs")
			env.Setenv("DOCS", docs)
			return err
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, errors.New("unknown condition " + name)
			}
			return os.Geteuid() == 0, nil
		},
	})
}

// TestDocumentedCommandsAreRun checks that the script of a document's name runs its commands.
func TestDocumentedCommandsAreRun(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fleet", "kubernetes", "policy"} {
		document, err := os.ReadFile("../../../docs/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		script, err := os.ReadFile("testdata/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(document)) {
			if command, ok := strings.CutPrefix(line, "    davit "); ok && !strings.Contains(strings.ReplaceAll(string(script), "! davit", "davit"), "\ndavit "+command) {
				t.Errorf("docs/%s.md: no test runs davit %s", name, command)
			}
		}
	}
}

func TestOutcomeCounts(t *testing.T) {
	t.Parallel()
	pull := reconcile.Action{ID: "pull a", Verb: reconcile.PullImage, Object: "a"}
	write := reconcile.Action{ID: "write-unit b", Verb: reconcile.WriteUnit, Object: "Container/b"}
	start := reconcile.Action{ID: "start b", Verb: reconcile.Start, Object: "Container/b"}
	o := &outcome{}
	o.planned(reconcile.Plan{Actions: []reconcile.Action{pull, write, start}, Unchanged: 4})
	for _, event := range []reconcile.Event{
		{Action: pull, Status: reconcile.Begun}, {Action: pull, Status: reconcile.Done},
		{Action: write, Status: reconcile.Failed, Err: errors.New("disk full")},
		{Action: start, Status: reconcile.Skipped, Err: errors.New("skipped")},
	} {
		o.note(event, io.Discard)
	}
	var text bytes.Buffer
	if err := o.print(&text, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("changed=1 unchanged=4 failed=1 held=0\n", text.String()); diff != "" {
		t.Error(diff)
	}
	if o.Actions[1].Error != "disk full" || o.Actions[2].Status != reconcile.Skipped {
		t.Errorf("actions %+v", o.Actions)
	}
}

// A cause has one line, however many actions are skipped for it, and one at the end.
func TestACauseIsPrintedOnce(t *testing.T) {
	t.Parallel()
	pull := reconcile.Action{ID: "pull a", Verb: reconcile.PullImage, Object: "Image/a"}
	write := reconcile.Action{ID: "write-unit b", Verb: reconcile.WriteUnit, Object: "Container/b", Target: "b.service"}
	start := reconcile.Action{ID: "start b", Verb: reconcile.Start, Object: "Container/b", Target: "b.service"}
	other := reconcile.Action{ID: "start c", Verb: reconcile.Start, Object: "Container/c", Target: "c.service"}
	cause := errors.New("image a: a layer cannot be unpacked")
	o := &outcome{Failures: []agent.Failure{{Object: "Container/b", Reason: "skipped: " + cause.Error()}}}
	o.planned(reconcile.Plan{Actions: []reconcile.Action{pull, write, start, other}})
	var text bytes.Buffer
	for _, event := range []reconcile.Event{
		{Action: pull, Status: reconcile.Failed, Err: cause},
		{Action: write, Status: reconcile.Skipped, Err: fmt.Errorf("skipped: %w", cause)},
		{Action: start, Status: reconcile.Skipped, Err: fmt.Errorf("skipped: %w", cause)},
		{Action: other, Status: reconcile.Skipped, Err: errors.New("skipped: disk full")},
	} {
		o.note(event, &text)
	}
	want := "failed          image a: a layer cannot be unpacked\nskipped         write-unit Container/b: because of image a\n" +
		"skipped         start Container/b: because of image a\nskipped         start Container/c: disk full\n"
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Error(diff)
	}
	if err := o.failure(); err == nil || err.Error() != "Container/b: image a: a layer cannot be unpacked" {
		t.Errorf("got %v", err)
	}
}

// The first line on stderr names the cause.
func TestTheCauseComesFirst(t *testing.T) {
	t.Parallel()
	o := &outcome{
		Actions:  []result{{Action: reconcile.Action{ID: "restart web", Object: "Container/web"}}},
		Failures: []agent.Failure{{Object: "Container/a-long-broken-one", Reason: "no image"}, {Object: "Container/web", Reason: "exit code 3"}},
		warnings: []error{errors.New("warning: the node cannot be tidied up")},
	}
	const want = "Container/web: exit code 3\nContainer/a-long-broken-one: no image\nwarning: the node cannot be tidied up"
	var printed bytes.Buffer
	if err := o.withWarnings(o.failure(), &printed); err == nil || err.Error() != want || printed.Len() > 0 {
		t.Errorf("got %v, and printed %q", err, &printed)
	}
	if err := o.withWarnings(nil, &printed); err != nil || printed.String() != "warning: the node cannot be tidied up\n" {
		t.Errorf("without an error: %v, and printed %q", err, &printed)
	}
}
