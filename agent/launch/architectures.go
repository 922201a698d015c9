package launch

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/davit-project/davit/agent/untrusted"
)

// loaders are where the dynamic programs of 32-bit architectures have their loader, which their ABIs
// fix: x86's, Arm's and s390's, in glibc and in musl.
var loaders = []string{
	"lib/ld-linux.so.2", "lib/ld-musl-i386.so.1",
	"lib/ld-linux-armhf.so.3", "lib/ld-linux.so.3", "lib/ld-musl-armhf.so.1", "lib/ld-musl-arm.so.1",
	"lib/ld.so.1",
}

// limitArchitectures leaves the system call filter with the node's own architecture where the container
// starts a 64-bit program of an image that cannot run others: it has then no way to the kernel's 32-bit
// calls, and libseccomp makes the filter in an eighth of the time. In doubt the filter has all.
func (r *run) limitArchitectures() error {
	filter := r.Spec.Linux.Seccomp
	if !r.OwnCalls || filter == nil || len(filter.Architectures) < 2 {
		return nil
	}
	only, err := r.only64Bit()
	if untrusted.IsRefusal(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the program: %w", err)
	}
	if only {
		filter.Architectures = filter.Architectures[:1]
	}
	return nil
}

func (r *run) only64Bit() (bool, error) {
	process := r.Spec.Process
	for _, path := range searched(process.Args[0], process.Cwd, process.Env) {
		is64Bit, err := programIs64Bit(r.rootfs, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !is64Bit {
			return false, err
		}
		return r.hasNoLoader()
	}
	return false, nil // it may be in a volume
}

func (r *run) hasNoLoader() (bool, error) {
	for _, loader := range loaders {
		file, err := untrusted.OpenBelow(r.rootfs, loader)
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

// searched are the paths where a program may be, as the runtime looks for it.
func searched(program, cwd string, env []string) []string {
	if strings.Contains(program, "/") {
		return []string{inDir(cwd, program)}
	}
	var paths []string
	for _, entry := range env {
		if list, ok := strings.CutPrefix(entry, "PATH="); ok {
			paths = nil // the last one counts
			for _, dir := range filepath.SplitList(list) {
				paths = append(paths, filepath.Join(inDir(cwd, dir), program))
			}
		}
	}
	return paths
}

func inDir(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
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

// headBelow reads as much of a program as the kernel reads to know what it is (BINPRM_BUF_SIZE).
func headBelow(rootfs, path string) ([]byte, error) {
	file, err := untrusted.OpenBelow(rootfs, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(file, 256))
}
