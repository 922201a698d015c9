// Package deploy holds the files that are installed beside the programs, and its tests.
package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSystemdAcceptsTheUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	var units []string
	for _, pattern := range []string{"*.service", "*.slice", "*.timer"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		units = append(units, found...)
	}
	dir := t.TempDir()
	var files []string
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		// The programs are not installed here; any that is will do.
		for _, program := range []string{"/usr/local/bin/davit", "/usr/local/libexec/davit/davit-git-sync"} {
			text = []byte(strings.ReplaceAll(string(text), program, "/bin/true"))
		}
		file := filepath.Join(dir, unit)
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	output, err := exec.Command(analyze, append([]string{"verify", "--man=no", "--recursive-errors=no"}, files...)...).CombinedOutput()
	if err != nil || strings.Contains(string(output), "davit") {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestTheProfileCompiles(t *testing.T) {
	t.Parallel()
	// deps.sh installs it.
	output, err := exec.Command("/usr/sbin/apparmor_parser", "--skip-kernel-load", "--skip-cache", "apparmor.d/davit-default").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// The rating of each service by systemd, times ten. A higher one shows that a restriction was lost.
var exposure = map[string]int{"davit.service": 52, "davit-git-sync.service": 20}

func TestTheServicesStayConfined(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	for service, ceiling := range exposure {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			threshold := fmt.Sprintf("--threshold=%d", ceiling)
			output, err := exec.Command(analyze, "security", "--no-pager", "--offline=true", threshold, "./"+service).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

// sync runs davit-git-sync and returns its output.
func sync(t *testing.T, state, repository string, more ...string) (string, error) {
	t.Helper()
	command := exec.Command("./davit-git-sync")
	command.Env = append(os.Environ(), append([]string{"STATE=" + state, "REPOSITORY=" + repository}, more...)...)
	output, err := command.CombinedOutput()
	return string(output), err
}

// repository makes a repository with one commit and returns its path and a function that
// runs git in it.
func repository(t *testing.T) (string, func(args ...string)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "work")
	git := func(args ...string) {
		t.Helper()
		command := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, output)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	git("init", "--quiet", "--initial-branch=main")
	commit(t, dir, git, "a.yaml", "one")
	return dir, git
}

func commit(t *testing.T, dir string, git func(...string), name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	git("add", "--all")
	git("commit", "--quiet", "--message", "change "+name)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGitSyncFollowsCommitsAndOutlivesTheRepository(t *testing.T) {
	t.Parallel()
	dir, git := repository(t)
	state := filepath.Join(t.TempDir(), "state")
	current := filepath.Join(state, "current", "a.yaml")
	for _, text := range []string{"one", "two", "three"} {
		if text != "one" {
			commit(t, dir, git, "a.yaml", text)
		}
		if output, err := sync(t, state, dir); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		if got := read(t, current); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	git("reset", "--quiet", "--hard", "HEAD~2")
	if output, err := sync(t, state, dir); err != nil || read(t, current) != "one" {
		t.Errorf("a branch that went back: %v\n%s", err, output)
	}
	if output, err := sync(t, state, dir+"-gone"); err != nil || !strings.Contains(output, "stay as they are") || read(t, current) != "one" {
		t.Errorf("without its repository: %v\n%s", err, output)
	}
	commits, err := os.ReadDir(filepath.Join(state, "commits"))
	if err != nil || len(commits) > 2 {
		t.Errorf("%d commits are kept, %v", len(commits), err)
	}
}

func TestGitSyncRefuses(t *testing.T) {
	t.Parallel()
	dir, _ := repository(t)
	for name, more := range map[string]string{
		"a commit without a signature": "VERIFY=yes", "a directory that is not there": "SUBDIRECTORY=none", "a branch that is not there": "REF=none",
	} {
		state := filepath.Join(t.TempDir(), "state")
		if output, err := sync(t, state, dir, more); err == nil {
			t.Errorf("%s is taken:\n%s", name, output)
		}
		if _, err := os.Lstat(filepath.Join(state, "current")); err == nil {
			t.Errorf("%s became current", name)
		}
	}
}
