package e2e

import (
	"debug/elf"
	"flag"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var cross = flag.Bool("cross", false, "compile for all architectures, and run what comes of it")

// TestCross compiles davit and its launcher for each architecture, and runs both as far as they print their
// version. The launcher is in one piece: the node need not have its libraries.
func TestCross(t *testing.T) {
	if !*cross {
		t.Skip("make test-cross compiles for other architectures")
	}
	for arch, want := range map[string]struct {
		machine  elf.Machine
		emulator string
	}{
		"amd64":   {elf.EM_X86_64, "qemu-x86_64-static"},
		"arm64":   {elf.EM_AARCH64, "qemu-aarch64-static"},
		"armv7":   {elf.EM_ARM, "qemu-arm-static"},
		"riscv64": {elf.EM_RISCV, "qemu-riscv64-static"},
	} {
		t.Run(arch, func(t *testing.T) {
			compile := exec.CommandContext(t.Context(), "make", "cross", "ARCH="+arch, "VERSION=cross-"+arch)
			compile.Dir = ".."
			if output, err := compile.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			for _, program := range []string{"bin/davit", "libexec/davit/davit-run"} {
				path := filepath.Join("..", "build", arch, program)
				checkFile(t, path, want.machine)
				output, err := exec.CommandContext(t.Context(), want.emulator, path, "version").CombinedOutput()
				if err != nil || !strings.Contains(string(output), "cross-"+arch) {
					t.Errorf("%s: %v: %s", program, err, output)
				}
			}
		})
	}
}

// checkFile checks that a program is for a machine and needs no libraries.
func checkFile(t *testing.T, path string, machine elf.Machine) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if file.Machine != machine {
		t.Errorf("%s is for %v", path, file.Machine)
	}
	if file.Section(".interp") != nil {
		t.Errorf("%s needs libraries of the node", path)
	}
}
