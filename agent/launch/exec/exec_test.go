package exec

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExitStatusesAreThoseOfShells(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "exit 255": 255, "kill -9 $$": 137, "kill -15 $$": 143} {
		command := exec.Command("sh", "-c", script)
		// An exit status is no error here.
		_ = command.Run()
		if got := exitStatus(command.ProcessState); got != want {
			t.Errorf("%s: got %d, want %d", script, got, want)
		}
	}
}

func TestStatusesOfCommandsThatDidNotRun(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`unable to start container process: exec: "nope": executable file not found in $PATH`:                 127,
		`unable to start container process: exec: "/no/such": stat /no/such: no such file or directory`:       127,
		`unable to start container process: exec: "/etc/passwd": permission denied`:                           126,
		`unable to start container process: chdir to cwd ("/x") set in config.json failed: permission denied`: 125,
		`not running: open /run/davit/runtime/x: no such file or directory`:                                   125,
	} {
		if got := statusOf(errors.New(text)); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
}

// TestOutputEndsWithItsProcess has a writer left behind that never closes the pipe.
func TestOutputEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	from, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	out, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{from: from, to: to, done: make(chan error, 1)}
	go func() { r.done <- r.copy() }()
	if _, err := io.WriteString(writer, "said last"); err != nil {
		t.Fatal(err)
	}
	finished := make(chan error, 1)
	go func() { finished <- errors.Join(r.finish(), to.Close()) }()
	select {
	case err := <-finished:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("waits for a process that was left behind")
	}
	got, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("said last", string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestDetachKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"ctrl-p,ctrl-q": "\x10\x11", "ctrl-a,d": "\x01d", "": ""} {
		got, err := DetachKeys(text)
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	if _, err := DetachKeys("hyper-x"); err == nil {
		t.Error("an unknown key is taken")
	}
}
