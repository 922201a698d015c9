package main

import (
	"bytes"
	"errors"
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

// TestCommands runs what needs no node: testdata/*.txtar.
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

// TestDocumentedCommandsAreRun keeps the documents to what the script of their name runs.
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

// The first line on stderr names the cause of what was asked for.
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
