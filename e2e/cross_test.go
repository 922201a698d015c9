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

// TestCross compiles davit and its launcher for each architecture, and runs both as far as they tell what
// they are. The launcher is in one piece: the node need not have its libraries.
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
			out := filepath.Join("..", "build", arch)
			for program, says := range map[string]string{
				"bin/davit --version":             "cross-" + arch,
				"libexec/davit/davit-run version": "cross-" + arch,
			} {
				words := strings.Fields(program)
				words[0] = filepath.Join(out, words[0])
				if file, err := elf.Open(words[0]); err != nil {
					t.Error(err)
				} else {
					if file.Machine != want.machine {
						t.Errorf("%s is for %v", words[0], file.Machine)
					}
					if file.Section(".interp") != nil {
						t.Errorf("%s needs libraries of the node", words[0])
					}
					file.Close()
				}
				output, err := exec.CommandContext(t.Context(), want.emulator, words...).CombinedOutput()
				if err != nil || !strings.Contains(string(output), says) {
					t.Errorf("%s: %v: %s", program, err, output)
				}
			}
		})
	}
}
