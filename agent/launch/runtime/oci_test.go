package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davit-project/davit/units/bundle"
)

func TestPlainBundlesAreChecked(t *testing.T) {
	t.Chdir(t.TempDir()) // reading a bundle changes the working directory
	const rest = `"root": {"path": "."}, "linux": {}, `
	for text, want := range map[string]string{
		`{`: "unexpected end of JSON input",
		`{"ociVersion": "2.0.0", ` + rest + `"process": {"args": ["a"], "cwd": "/"}}`: `ociVersion: "2.0.0": want one of 1`,
		`{"ociVersion": "1.3.0"}`:                                                                                        "root: missing",
		`{"ociVersion": "1.3.0", "root": {"path": "."}}`:                                                                 "linux: missing",
		`{"ociVersion": "1.3.0", ` + rest + `"process": {"cwd": "/"}}`:                                                   "process.args: missing",
		`{"ociVersion": "1.3.0", ` + rest + `"process": {"args": ["a"], "cwd": "a"}}`:                                    `process.cwd: "a": want an absolute path`,
		`{"ociVersion": "1.3.0", ` + rest + `"process": {"args": ["a"], "cwd": "/", "rlimits": [{"type": "RLIMIT_X"}]}}`: `process.rlimits[0].type: there is no limit "RLIMIT_X"`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, bundle.ConfigFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readPlainBundle(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestAProcessThatNeverBecomesItsProgramIsNotAwaitedForEver(t *testing.T) {
	t.Parallel()
	pid := os.Getpid()
	if err := awaitProgram(pid, executable(pid), 10*time.Millisecond); err == nil || !strings.Contains(err.Error(), "within 10ms") {
		t.Errorf("it runs the same: %v", err)
	}
	if err := awaitProgram(pid, "/proc/self/exe", 0); err != nil {
		t.Errorf("it runs something else: %v", err)
	}
	const none = 1 << 22 // PID_MAX_LIMIT, proc_sys_kernel(5)
	if err := awaitProgram(none, "/bin/sh", 0); err != nil {
		t.Errorf("it has ended: %v", err)
	}
}
