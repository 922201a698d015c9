package facts

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/check"
)

func TestSystemdIsAskedOnce(t *testing.T) {
	t.Parallel()
	right, wrong := check.Assignment{Section: "Service", Name: "CPUWeight", Value: "5"}, check.Assignment{Section: "Unit", Name: "Nothing", Value: "x"}
	asked, failure := "", error(nil)
	p := &parser{verify: func(_ context.Context, text string) (string, bool, error) {
		asked += text
		return "4: Unit uses something old.\n6: Unknown key 'Nothing' in section [Unit], ignoring.\n1: not ours, ignoring\n", false, failure
	}}
	want := map[check.Assignment]check.Fault{wrong: {Unknown: true, Message: "Unknown key 'Nothing' in section [Unit], ignoring."}}
	for range 2 {
		got, ok := p.Parse([]check.Assignment{right, wrong})
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%v, %s", ok, diff)
		}
	}
	if want := "[Service]\nExecStart=/bin/true\n[Service]\nCPUWeight=5\n[Unit]\nNothing=x\n"; asked != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
	failure = errors.New("no systemd-analyze")
	if _, ok := p.Parse([]check.Assignment{right, {Section: "Unit", Name: "New", Value: "x"}}); ok {
		t.Error("what could not be asked was answered")
	}
}

func TestOnlyTheLastAnswersAreRemembered(t *testing.T) {
	t.Parallel()
	asked := 0
	p := &parser{verify: func(context.Context, string) (string, bool, error) { asked++; return "", false, nil }}
	one, other := check.Assignment{Section: "Service", Name: "CPUWeight", Value: "5"}, check.Assignment{Section: "Service", Name: "CPUWeight", Value: "6"}
	for i, given := range [][]check.Assignment{{one, other}, {one}, {one}, {one, other}} {
		p.Parse(given)
		if want := []int{1, 1, 1, 2}[i]; asked != want || len(p.known) != len(given) {
			t.Errorf("step %d: asked %d times, remembers %d answers; want %d and %d", i, asked, len(p.known), want, len(given))
		}
	}
}

func TestAllQuestionsHaveOneDeadline(t *testing.T) {
	t.Parallel()
	deadlines := map[time.Time]bool{}
	p := &parser{verify: func(ctx context.Context, text string) (string, bool, error) {
		at, _ := ctx.Deadline()
		deadlines[at] = true
		return strconv.Itoa(strings.Count(text, "\n")) + ": Invalid path", strings.Count(text, "\n") > 4, nil // the last one stops it
	}}
	var given []check.Assignment
	for _, value := range []string{"a", "b", "c"} {
		given = append(given, check.Assignment{Section: "Service", Name: "RootDirectory", Value: value})
	}
	if faults, ok := p.Parse(given); !ok || len(faults) != 2 || len(deadlines) != 1 || deadlines[time.Time{}] {
		t.Errorf("%v, %v, deadlines %v", ok, faults, deadlines)
	}
}

// TestSystemdIsAsked asks this machine's.
func TestSystemdIsAsked(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	given := []check.Assignment{
		{Section: "Service", Name: "MemoryMaxx", Value: "1G"}, {Section: "Service", Name: "LogExtraFields", Value: "bad"},
		{Section: "Service", Name: "RootDirectory", Value: "no/path"}, {Section: "Service", Name: "CPUWeight", Value: "heavy"},
		{Section: "Unit", Name: "PartOf", Value: "ssh.service"}, {Section: "Service", Name: "TimeoutStartSec", Value: "1min 30s"},
	}
	faults, ok := SystemdParser.Parse(given)
	if !ok || len(faults) != 4 || !faults[given[0]].Unknown {
		t.Errorf("%v, %+v", ok, faults)
	}
	for _, wrong := range given[1:4] {
		if fault := faults[wrong]; fault.Unknown || fault.Message == "" {
			t.Errorf("%v: %+v", wrong, fault)
		}
	}
}
