package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// commandVariable makes this test program the command.
const commandVariable = "DAVIT_TRIAL_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is the command with arguments. Its temporary files lie in a directory of their own.
func command(t *testing.T, args ...string) (c *exec.Cmd, temporary string) {
	t.Helper()
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("boots a node, which needs root: run it with sudo make test-e2e")
	}
	temporary = t.TempDir()
	c = exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), commandVariable+"=1", "TMPDIR="+temporary)
	return c, temporary
}

// folder makes a directory with files, by name; those with #! are executable.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path, mode := filepath.Join(dir, name), os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// empty checks that nothing is left of a command.
func empty(t *testing.T, temporary string) {
	t.Helper()
	entries, err := os.ReadDir(temporary)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("left behind in %s: %v", temporary, entries)
	}
}

func TestScriptRunsInANodeWithItsFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"run.sh": `pwd; cat below/data; below/tool; readlink link
davit plan > /dev/null && echo davit is installed
curl --silent --fail http://127.0.0.1:5000/v2/ > /dev/null && echo the registry answers
read line || echo no input
echo a complaint >&2
exit 3
`,
		"below/data": "data\n",
		"below/tool": "#!/bin/sh\necho tool\n",
	})
	if err := os.Symlink("below/data", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	c, temporary := command(t, "-folder", dir, "run.sh")
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("got %v, want exit status 3", err)
	}
	const want = "/trial\ndata\ntool\nbelow/data\ndavit is installed\nthe registry answers\nno input\n"
	if got := stdout.String(); got != want {
		t.Errorf("stdout: got %q, want %q", got, want)
	}
	if got, want := stderr.String(), "a complaint\n"; got != want {
		t.Errorf("stderr: got %q, want %q", got, want)
	}
	empty(t, temporary)
}

func TestShellReadsStandardInput(t *testing.T) {
	t.Parallel()
	c, temporary := command(t)
	c.Stdin = strings.NewReader("systemctl is-system-running\nexit 4\n")
	output, err := c.Output()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("got %v, want exit status 4", err)
	}
	if got, want := string(output), "running\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	empty(t, temporary)
}

func TestNothingIsLeftAfterAnInterruption(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"run.sh": "echo up; exec sleep 1000000"})
	c, temporary := command(t, "-folder", dir, "run.sh")
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if line != "up\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
	if err := c.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	err = c.Wait()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("got %v, want exit status 130", err)
	}
	empty(t, temporary)
}

func TestMissingScriptIsReported(t *testing.T) {
	t.Parallel()
	c, _ := command(t, "-folder", t.TempDir(), "run.sh")
	output, err := c.CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("got %v, want exit status 1", err)
	}
	if !strings.Contains(string(output), "run.sh: no such file or directory") {
		t.Errorf("got %q", output)
	}
}
