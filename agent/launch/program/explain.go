package program

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/untrusted"
)

// WhyNotExecuted looks for the reason why the kernel cannot execute a program below a root directory. The cause may be
// gone by then.
func WhyNotExecuted(root string, args []string, cwd string, env []string) error {
	if err := tooLong(args, env); err != nil {
		return err
	}
	for _, path := range searched(args[0], cwd, env) {
		err := whyNotProgram(root, path, cwd, maxInterpreters)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.New("it cannot be executed: its last output says more")
}

// maxStrings and maxString are the limits of execve(2): of all arguments and variables together, a quarter of the
// stack's usual limit, and of one of them (MAX_ARG_STRLEN). Each has a zero at its end, and a pointer leads to it.
const (
	maxStrings = 2 << 20
	maxString  = 128 << 10
)

func tooLong(args, env []string) error {
	total := 8 * (len(args) + len(env))
	for i, arg := range args {
		if len(arg) >= maxString {
			return fmt.Errorf("argument %d has %d bytes: the kernel takes %d", i, len(arg), maxString-1)
		}
		total += len(arg) + 1
	}
	for _, entry := range env {
		if len(entry) >= maxString {
			name, _, _ := strings.Cut(entry, "=")
			return fmt.Errorf("variable %s has %d bytes: the kernel takes %d", name, len(entry), maxString-1)
		}
		total += len(entry) + 1
	}
	if total > maxStrings {
		return fmt.Errorf("arguments and environment have %d bytes: the kernel takes %d", total, maxStrings)
	}
	return nil
}

// maxInterpreters is how many interpreters of interpreters the kernel follows (exec_binprm of Linux' fs/exec.c).
const maxInterpreters = 5

// whyNotProgram returns the reason why this node cannot run a file as a program of the container.
func whyNotProgram(root, path, cwd string, depth int) error {
	head, err := headBelow(root, path)
	if err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(head, []byte("#!")):
		return whyNotScript(root, head, cwd, depth)
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return whyNotELF(root, path, head)
	case len(head) == 0:
		return errors.New("exec format error: it is empty")
	default:
		return errors.New("exec format error: it has no #! line and is no ELF program")
	}
}

// whyNotScript returns the reason why a script that begins with head cannot be run.
func whyNotScript(root string, head []byte, cwd string, depth int) error {
	line, _, _ := bytes.Cut(head[len("#!"):], []byte("\n"))
	// The kernel separates its words by spaces and tabs, and takes a carriage return for a part of the name.
	interpreter, _, _ := strings.Cut(strings.ReplaceAll(strings.Trim(string(line), " \t"), "\t", " "), " ")
	if interpreter == "" {
		return errors.New("exec format error: its #! line names no interpreter")
	}
	if depth == 0 {
		return fmt.Errorf("its interpreter %q is a script of a script, too many times", interpreter)
	}
	err := whyNotProgram(root, inDir(cwd, interpreter), cwd, depth-1)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(interpreter, "\r"):
		return fmt.Errorf("its interpreter %q is not in the image (Windows line endings?)", interpreter)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its interpreter %q is not in the image", interpreter)
	default:
		return fmt.Errorf("its interpreter %q: %w", interpreter, err)
	}
}

// errNoCause is returned for a program that looks as it should.
var errNoCause = errors.New("the kernel does not execute it, though it looks as it should: its last output says more")

// whyNotELF returns the reason why an ELF program that begins with head cannot be run.
func whyNotELF(root, path string, head []byte) error {
	if name := machineOf(head); name != "" && !runs(name) {
		return fmt.Errorf("exec format error: it is for %s, this node is %s", name, runtime.GOARCH)
	}
	file, err := untrusted.OpenBelow(root, path)
	if err != nil {
		return err
	}
	defer file.Close()
	program, err := elf.NewFile(file)
	if err != nil {
		return fmt.Errorf("exec format error: a damaged ELF program: %w", err)
	}
	if program.Type != elf.ET_EXEC && program.Type != elf.ET_DYN {
		return errors.New("exec format error: it is no ELF program but a part of one")
	}
	loader := loaderOf(program)
	if loader == "" {
		return noCause(machineOf(head))
	}
	switch info, err := headBelow(root, loader); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its loader %s is not in the image%s", loader, builtFor(loader))
	case err != nil:
		return fmt.Errorf("its loader %s: %w", loader, err)
	case !bytes.HasPrefix(info, []byte(elf.ELFMAG)):
		return fmt.Errorf("its loader %s is no ELF program", loader)
	}
	return noCause(machineOf(head))
}

// noCause is why a program that looks as it should is not executed: one of 32 bits may be more than a 64-bit kernel was
// built for.
func noCause(architecture string) error {
	if architecture == related[runtime.GOARCH] {
		return fmt.Errorf("exec format error: it is for %s, which the kernel of this %s node does not run", architecture, runtime.GOARCH)
	}
	return errNoCause
}

// loaderOf is the path of a dynamic program's loader; a static program has none.
func loaderOf(program *elf.File) string {
	for _, segment := range program.Progs {
		if segment.Type != elf.PT_INTERP || segment.Filesz > maxPath {
			continue
		}
		name := make([]byte, segment.Filesz)
		if _, err := segment.ReadAt(name, 0); err == nil {
			return string(bytes.TrimRight(name, "\x00"))
		}
	}
	return ""
}

// maxPath is PATH_MAX of Linux.
const maxPath = 4096

// builtFor guesses the C library from the name of its loader.
func builtFor(loader string) string {
	switch name := filepath.Base(loader); {
	case strings.HasPrefix(name, "ld-musl-"):
		return " (built for musl?)"
	case strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld64.so") || name == "ld.so.1":
		return " (built for glibc?)"
	default:
		return ""
	}
}

// machines are Go's names of the architectures of ELF programs.
var machines = map[elf.Machine]string{
	elf.EM_X86_64: "amd64", elf.EM_386: "386", elf.EM_AARCH64: "arm64", elf.EM_ARM: "arm", elf.EM_RISCV: "riscv64",
	elf.EM_PPC64: "ppc64", elf.EM_S390: "s390x", elf.EM_MIPS: "mips", elf.EM_LOONGARCH: "loong64",
}

// machineOf is the architecture of an ELF program by its header, of elf(5); "" where it has none.
func machineOf(header []byte) string {
	const at = 18 // e_machine
	if len(header) < at+2 {
		return ""
	}
	machine := elf.Machine(binary.LittleEndian.Uint16(header[at:]))
	if elf.Data(header[elf.EI_DATA]) == elf.ELFDATA2MSB {
		machine = elf.Machine(binary.BigEndian.Uint16(header[at:]))
	}
	if name, ok := machines[machine]; ok {
		return name
	}
	return machine.String()
}

// related are the architectures of 32 bits whose programs a 64-bit kernel may run too.
var related = map[string]string{"amd64": "386", "arm64": "arm"}

// runs reports whether this node may run programs of an architecture.
func runs(architecture string) bool {
	return strings.HasPrefix(runtime.GOARCH, architecture) || architecture == related[runtime.GOARCH]
}

// Denied adds to an error of a program that may not be executed that its file system is mounted so.
func Denied(err error, spec *specs.Spec) error {
	if !strings.Contains(err.Error(), "permission denied") { // it comes from another process, as text
		return err
	}
	for _, path := range searched(spec.Process.Args[0], spec.Process.Cwd, spec.Process.Env) {
		var on specs.Mount
		for _, mount := range spec.Mounts {
			if below := strings.TrimSuffix(mount.Destination, "/") + "/"; strings.HasPrefix(path, below) && len(mount.Destination) >= len(on.Destination) {
				on = mount
			}
		}
		if slices.Contains(on.Options, "noexec") {
			return fmt.Errorf("%w: %s is mounted noexec", err, on.Destination)
		}
	}
	return err
}
