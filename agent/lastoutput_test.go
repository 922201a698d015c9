package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// systemd may have begun the next try by the time the reason is asked for.
func TestTheCauseIsThatOfTheRunThatWasObserved(t *testing.T) {
	t.Parallel()
	run := reconcile.Run{Last: &bundle.LastRun{Result: "exit-code", Failure: &bundle.Failure{Error: "start web: no such volume"}}}
	v := &view{actual: reconcile.Actual{Workloads: map[string]reconcile.ActualWorkload{"web.service": {Run: &run}}}}
	got := (&Node{}).withCause(t.Context(), v, "web.service", errors.New("it ended (exit-code)"))
	if want := "start web: no such volume"; got.Error() != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFailedOpenOfStandardOutputNamesTheSetting(t *testing.T) {
	t.Parallel()
	const setting = `logging: {driver: pipe}`
	container := func(output string, terminal bool) *bundle.Bundle {
		return &bundle.Bundle{Spec: &specs.Spec{Process: &specs.Process{Terminal: terminal}}, Launch: bundle.Launch{Output: output}}
	}
	for name, test := range map[string]struct {
		words string
		b     *bundle.Bundle
		want  bool
	}{
		"a C program":         {`open() "/var/log/error.log" failed (6: No such device or address)`, container("", false), true},
		"a Go program":        {"open /dev/stdout: no such device or address", container("", false), true},
		"a program of Node's": {"Error: ENXIO: open '/dev/stdout'", container("", false), true},
		"another error":       {"no such file or directory", container("", false), false},
		"with a pipe":         {"no such device or address", container(bundle.OutputPipe, false), false},
		"on a terminal":       {"no such device or address", container("", true), false},
		"of a lost bundle":    {"no such device or address", nil, false},
	} {
		if got := strings.Contains(quote(test.words, test.b), setting); got != test.want {
			t.Errorf("%s: %q", name, quote(test.words, test.b))
		}
	}
}
