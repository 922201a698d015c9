package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	// Its module has the validation programs.
	_ "github.com/opencontainers/runtime-tools/generate/seccomp"

	"github.com/davit-project/davit/e2e/cache"
	"github.com/davit-project/davit/e2e/node"
)

var (
	update = flag.Bool("update", false, "rewrite docs/conformance.md, docs/faults.md and testdata/counts.json")
	all    = flag.Bool("conformance", false, "run all validation programs, not the life cycle's alone")
)

// deviation is a requirement of a validation program that davit-run does not meet.
type deviation struct {
	// program may be a pattern of path.Match.
	program string
	// check is the number of the one that fails; with 0 the program fails as a whole.
	check  int
	reason string
}

const (
	cgroup1  = "reads the hierarchies of cgroup v1, which davit does not support"
	since11  = "since version 1.1.0 the specification requires "
	since13  = "since version 1.3.0 the specification requires "
	noKernel = "the kernels of the tests have no "
)

// deviations are all that there are.
var deviations = []deviation{
	{"linux_cgroups_*", 0, cgroup1},
	{"delete_resources", 0, cgroup1},
	{"delete_only_create_resources", 0, cgroup1},
	{"linux_mount_label", 0, noKernel + "SELinux, and the policy of the virtual machines, Debian's, does not accept its label"},
	{"linux_process_apparmor_profile", 0, noKernel + "AppArmor; it passes in a virtual machine, with make test-vm"},
	{"process_capabilities", 0, "needs CAP_SYS_RESOURCE, which a machine that is itself a container may lack; it passes in a virtual machine, with make test-vm"},
	{"process_capabilities_fail", 0, "expects an error for an unknown capability; " + since11 + "a warning"},
	{"poststart_fail", 0, "expects a warning when a poststart hook fails; " + since13 + "an error"},
	{"hooks_stdin", 1, "expects prestart hooks to see the state created; " + since11 + "that they run in the state creating"},
	{"prestart", 0, "expects prestart hooks at the start; " + since11 + "them at the creation"},
	{"hooks", 0, "expects a text that its own hooks do not write"},
	{"start", 7, "needs a container without a process, which libcontainer cannot create"},
	{"process_rlimits", 13, "is a Go program, whose runtime raises the soft limit of open files to the hard one"},
	{"linux_devices", 0, "gives a FIFO the numbers of a device, which libcontainer refuses"},
	{"mounts", 0, "mounts a directory with options of tmpfs, which libcontainer refuses"},
	{"linux_seccomp", 0, "forbids getcwd, with which libcontainer checks that the working directory is inside the container (CVE-2024-21626)"},
	{"misc_props", 1, "its bundle lacks the program of the container"},
	{"pidfile", 0, "usually kills a process that has already ended, which must be an error"},
	{"poststart", 0, "expects the process to write a line before the hook does, which is a race"},
	{"killsig", 0, "signals a shell that may not have set its trap yet"},
}

// races are the programs among them that pass now and then.
var races = []string{"pidfile", "poststart", "killsig"}

// lifeCycle are the programs that run unless all do: they are of davit-run's own code, not
// libcontainer's.
var lifeCycle = []string{
	"create", "delete", "hooks_stdin", "kill", "kill_no_effect", "poststop", "poststop_fail",
	"prestart_fail", "start", "state",
}

// programTimeout bounds a program that waits for a feature that davit-run lacks.
const programTimeout = 2 * time.Minute

// TestConformance runs the validation programs of the Open Container Initiative against davit-run
// in a node.
func TestConformance(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("boots a node, which needs root: run it with sudo make test-oci")
	}
	if testing.Short() {
		t.Skip("boots a node; make test-oci runs it")
	}
	t.Parallel()
	programs := lifeCycle
	if *all {
		programs = allPrograms(t)
	}
	dir := buildValidation(t, programs)
	installation := t.TempDir()
	if err := install(t.Context(), installation); err != nil {
		t.Fatal(err)
	}
	n, err := node.Boot(t.Context(), node.Config{Layers: []string{installation}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	outputs, failures := make([]bytes.Buffer, len(programs)), make([]error, len(programs))
	var group errgroup.Group
	group.SetLimit(8) // they wait most of the time
	for i, program := range programs {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
			defer cancel()
			failures[i] = n.Run(ctx, node.Command{
				Args: []string{filepath.Join(dir, program)}, Dir: dir, Env: []string{"RUNTIME=/usr/local/libexec/davit/davit-run"},
				Stdout: &outputs[i], Stderr: &outputs[i],
			})
			return nil
		})
	}
	_ = group.Wait() // the failures are each program's
	for i, program := range programs {
		t.Run(program, func(t *testing.T) { judge(t, program, outputs[i].String(), failures[i]) })
	}
}

// tapLine is a program's result of a check (https://testanything.org/tap-specification.html).
var tapLine = regexp.MustCompile(`(?m)^(not )?ok (\d+)(.*)$`)

// judge compares a program's results with the deviations.
func judge(t *testing.T, program, output string, failure error) {
	t.Helper()
	checks := tapLine.FindAllStringSubmatch(output, -1)
	if d := ofProgram(program); d != nil {
		passes := failure == nil && !saysFailure(checks, output)
		if passes && !slices.Contains(races, program) {
			t.Errorf("it passes now: take it off the list of deviations (%s)\n%s", d.reason, output)
		}
		t.Skipf("passes: %v: %s", passes, d.reason)
	}
	if failure != nil {
		t.Fatalf("%v\n%s", failure, output)
	}
	expected := map[string]bool{}
	for _, d := range deviations {
		if d.program == program {
			expected[fmt.Sprint(d.check)] = true
		}
	}
	for _, check := range checks {
		failed, number := check[1] != "", check[2]
		switch {
		case failed && !expected[number]:
			t.Errorf("%s\n%s", check[0], output)
		case !failed && expected[number]:
			t.Errorf("check %s passes now: take it off the list of deviations", number)
		}
	}
	if len(checks) == 0 && saysFailure(nil, output) {
		t.Error(output)
	}
}

// ofProgram is the deviation of a program that fails as a whole; nil if there is none.
func ofProgram(program string) *deviation {
	for _, d := range deviations {
		if matches, err := path.Match(d.program, program); err == nil && matches && d.check == 0 {
			return &d
		}
	}
	return nil
}

// saysFailure reports whether one of a program's checks failed. Programs without numbered checks say it in a diagnostic.
func saysFailure(checks [][]string, output string) bool {
	failed := func(check []string) bool { return check[1] != "" }
	return slices.ContainsFunc(checks, failed) || len(checks) == 0 && strings.Contains(output, `"error":`)
}

// allPrograms are the validation programs.
func allPrograms(t *testing.T) []string {
	t.Helper()
	dirs, err := os.ReadDir(filepath.Join(validationModule(t), "validation"))
	if err != nil {
		t.Fatal(err)
	}
	var programs []string
	for _, dir := range dirs {
		if dir.IsDir() && dir.Name() != "util" {
			programs = append(programs, dir.Name())
		}
	}
	return programs
}

func validationModule(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runtime-tools").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(dir))
}

// buildValidation builds programs of the module, with its own dependencies, unless an earlier run
// did, and returns their directory, with the files they need.
func buildValidation(t *testing.T, programs []string) string {
	t.Helper()
	kept, unlock, err := cache.Lock("validation.lock")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	module, dir := validationModule(t), filepath.Join(kept, "validation")
	command := exec.Command("go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", dir+"/", "./cmd/runtimetest")
	for _, program := range programs {
		command.Args = append(command.Args, "./validation/"+program)
	}
	command.Dir = module
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build the validation programs: %v\n%s", err, output)
	}
	name := fmt.Sprintf("rootfs-%s.tar.gz", runtime.GOARCH)
	if err := copyFile(filepath.Join(module, name), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	defer target.Close()
	_, err = io.Copy(target, source)
	return err
}

// TestConformanceIsDocumented keeps the table of docs/conformance.md as the deviations are.
func TestConformanceIsDocumented(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- deviations: written by go test ./e2e -run Conformance -update -->\n", "<!-- /deviations -->"
	table := "\n| program | check | why |\n|---------|-------|-----|\n"
	for _, d := range deviations {
		check := "all"
		if d.check > 0 {
			check = fmt.Sprint(d.check)
		}
		table += fmt.Sprintf("| %s | %s | %s |\n", d.program, check, d.reason)
	}
	holdPart(t, filepath.Join("..", "docs", "conformance.md"), begin, end, table+"\n")
}
