package program

import (
	"bytes"
	"debug/elf"
	"errors"
	"io/fs"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/untrusted"
)

// loaders are where the dynamic programs of 32-bit architectures have their loader, which their ABIs
// fix: x86's, Arm's and s390's, in glibc and in musl.
var loaders = []string{
	"lib/ld-linux.so.2", "lib/ld-musl-i386.so.1",
	"lib/ld-linux-armhf.so.3", "lib/ld-linux.so.3", "lib/ld-musl-armhf.so.1", "lib/ld-musl-arm.so.1",
	"lib/ld.so.1",
}

// Only64Bit reports whether a process starts a 64-bit program of an image, at rootfs, that cannot run 32-bit programs.
func Only64Bit(rootfs string, process *specs.Process) (bool, error) {
	for _, path := range searched(process.Args[0], process.Cwd, process.Env) {
		is64Bit, err := programIs64Bit(rootfs, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !is64Bit {
			return false, err
		}
		return hasNoLoader(rootfs)
	}
	return false, nil // it may be in a volume
}

func hasNoLoader(rootfs string) (bool, error) {
	for _, loader := range loaders {
		file, err := untrusted.OpenBelow(rootfs, loader)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		return false, file.Close()
	}
	return true, nil
}

// programIs64Bit reports whether a program is a 64-bit ELF file, or a script that one runs.
func programIs64Bit(rootfs, path string) (bool, error) {
	head, err := headBelow(rootfs, path)
	if err != nil {
		return false, err
	}
	if script, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ := bytes.Cut(script, []byte("\n"))
		words := bytes.Fields(line)
		if len(words) == 0 {
			return false, nil
		}
		if head, err = headBelow(rootfs, string(words[0])); err != nil {
			return false, err
		}
	}
	return len(head) > elf.EI_CLASS && string(head[:len(elf.ELFMAG)]) == elf.ELFMAG && elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64, nil
}
