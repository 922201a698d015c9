package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/davit-project/davit/e2e/images"
)

var long = flag.Bool("long", false, "run scenarios in their full length")

// TestScenarios runs each testdata/*.txtar on a node of its own.
func TestScenarios(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("scenarios boot nodes, which needs root: run them with sudo make test-e2e")
	}
	if testing.Short() {
		t.Skip("scenarios boot nodes; make test-e2e runs them")
	}
	kit := newKit(t)
	// Scenarios run in parallel, after this function has returned.
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			lab, err := NewLab(context.Background(), kit, "node")
			if err != nil {
				return err
			}
			return setup(env, kit, lab)
		},
		Condition: conditions(systemdVersion),
		Cmds:      commands,
	})
}

// patience is measured once, before the scenarios keep the machine busy themselves.
var patience = sync.OnceValues(func() (float64, error) {
	measured, err := measurePatience(context.Background())
	fmt.Fprintf(os.Stderr, "e2e: limits of time are those of an idle machine times %.1f\n", measured)
	return measured, err
})

// newKit is the kit that a test boots its labs from.
func newKit(t *testing.T) *Kit {
	t.Helper()
	kit, err := NewKit(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if kit.Patience, err = patience(); err != nil {
		t.Fatal(err)
	}
	return kit
}

// labKey is the key under which a scenario keeps its lab.
type labKey struct{}

// setup gives a scenario its lab.
func setup(env *testscript.Env, kit *Kit, lab *Lab) error {
	env.Values[labKey{}] = lab
	t := env.T().(testing.TB)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(lab.Journal(context.Background()))
		}
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	env.Setenv("MANIFESTS", "/etc/davit/manifests")
	env.Setenv("REGISTRY", RegistryAddress)
	env.Setenv("PRIVATE_REGISTRY", privateRegistryAddress)
	examples, err := filepath.Abs("../examples")
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLES", examples)
	deploy, err := filepath.Abs("../deploy")
	if err != nil {
		return err
	}
	env.Setenv("DEPLOY", deploy)
	env.Setenv("IMAGES", kit.Images)
	return os.WriteFile(filepath.Join(env.WorkDir, "ca.crt"), kit.CA, 0o644)
}

// conditions knows, beside testscript's own conditions,
//
//	[systemd:N]          the node's systemd is of version N or later
//	[installed:COMMAND]  this machine, and so a node, has the command
//	[long]               there is time (make test-long, and make test-faults)
func conditions(systemd func() (int, error)) func(text string) (bool, error) {
	return func(text string) (bool, error) {
		kind, value, _ := strings.Cut(text, ":")
		switch kind {
		case "long":
			return *long || *faults, nil
		case "systemd":
			want, err := strconv.Atoi(value)
			if err != nil {
				return false, err
			}
			have, err := systemd()
			return have >= want, err
		case "installed":
			_, err := exec.LookPath(value)
			return err == nil, nil
		case "runs386":
			return images.Runs386()
		}
		return false, errUnknownCondition(text)
	}
}

// systemdVersion is the version of this machine's systemd.
func systemdVersion() (int, error) {
	output, err := exec.Command("systemctl", "--version").Output()
	if err != nil {
		return 0, err
	}
	return parseVersion(string(output))
}

// parseVersion parses the output of `systemctl --version`.
func parseVersion(text string) (version int, err error) {
	_, err = fmt.Sscanf(text, "systemd %d", &version)
	return version, err
}

type errUnknownCondition string

func (e errUnknownCondition) Error() string { return "unknown condition " + string(e) }
