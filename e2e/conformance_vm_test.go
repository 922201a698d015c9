package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/davit-project/davit/e2e/node"
	"github.com/davit-project/davit/e2e/vm"
)

// validationDir is a machine's directory of the validation programs: below /usr/local, which is a disk of its own.
const validationDir = "share/validation"

// inKernels are the programs that need more of the kernel than a node may have, by further arguments of the kernel.
var inKernels = map[string][]string{
	"security=apparmor": {"process_capabilities", "linux_process_apparmor_profile"},
}

// TestConformanceInMachines runs in virtual machines the programs that deviate in a node only because the node's kernel lacks
// something.
func TestConformanceInMachines(t *testing.T) {
	if !*inMachines {
		t.Skip("make test-vm runs it in virtual machines")
	}
	installation := t.TempDir()
	if err := install(t.Context(), installation); err != nil {
		t.Fatal(err)
	}
	local := filepath.Join(installation, "usr/local")
	addValidation(t, filepath.Join(local, validationDir))
	if err := vm.Prepare(t.Context(), *release); err != nil {
		t.Fatal(err)
	}
	for kernel, programs := range inKernels {
		t.Run(kernel, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
			defer cancel()
			machine, err := vm.Boot(ctx, vm.Config{
				Hostname: "node", Release: *release, Local: local, CPUs: 2, MemoryMiB: 1024, Kernel: []string{kernel},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer machine.Close()
			// The profile that one of the programs names.
			const profile = `apparmor_parser --add <<< 'profile acme_secure_profile flags=(complain) {}' || ! aa-enabled --quiet`
			if output, err := machine.Output(ctx, "bash", "-c", profile); err != nil {
				t.Fatalf("%v: %s", err, output)
			}
			for _, program := range programs {
				t.Run(program, func(t *testing.T) { runInMachine(t, machine, program) })
			}
		})
	}
}

// addValidation copies the programs and the files they need.
func addValidation(t *testing.T, to string) {
	t.Helper()
	names := []string{"runtimetest", "rootfs-" + runtime.GOARCH + ".tar.gz"}
	var programs []string
	for _, some := range inKernels {
		programs = append(programs, some...)
	}
	from := buildValidation(t, programs)
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, programs...) {
		if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(to, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func runInMachine(t *testing.T, machine Machine, program string) {
	t.Helper()
	dir := filepath.Join("/usr/local", validationDir)
	var output bytes.Buffer
	err := machine.Run(t.Context(), node.Command{
		Args: []string{filepath.Join(dir, program)}, Dir: dir, Env: []string{"RUNTIME=/usr/local/libexec/davit/davit-run"},
		Stdout: &output, Stderr: &output,
	})
	checks := tapLine.FindAllStringSubmatch(output.String(), -1)
	if err != nil || len(checks) == 0 || saysFailure(checks, output.String()) {
		t.Errorf("%v\n%s", err, output.String())
	}
}
