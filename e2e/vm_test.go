package e2e

import (
	"context"
	"errors"
	"flag"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/davit-project/davit/e2e/vm"
)

var (
	inMachines = flag.Bool("vm", false, "run the scenarios of testdata/vm, in virtual machines")
	release    = flag.String("release", "trixie", "the release of Debian in them")
)

// bootTimeout bounds the boot of a machine, once its disk exists. It takes half a minute on two
// processors that emulate, and many times that where others use them too.
const bootTimeout = 10 * time.Minute

// TestMachines runs each testdata/vm/*.txtar in a virtual machine of its own: scenarios that need the
// controllers of control groups, a newer systemd, or a disk that loses power.
func TestMachines(t *testing.T) {
	if !*inMachines {
		t.Skip("make test-vm runs the scenarios in virtual machines")
	}
	kit := newKit(t)
	// So that the first scenario's time is its own.
	if err := vm.Prepare(t.Context(), *release); err != nil {
		t.Fatal(err)
	}
	var systemd atomic.Int32 // the machines' own, all of one release
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/vm",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
			defer cancel()
			lab, err := newVirtualLab(ctx, kit, "node", *release)
			if err != nil {
				return err
			}
			output, err := lab.Output(ctx, "systemctl", "--version")
			if err != nil {
				return errors.Join(err, lab.Close())
			}
			version, err := parseVersion(output)
			if err != nil {
				return errors.Join(err, lab.Close())
			}
			systemd.Store(int32(version))
			return setup(env, kit, lab)
		},
		Condition: conditions(func() (int, error) { return int(systemd.Load()), nil }),
		Cmds:      commands,
	})
}
