package images

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"
)

// multiarch is the directory Debian keeps an architecture's libraries in
// (https://wiki.debian.org/Multiarch/Tuples).
var multiarch = map[string]string{
	"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "arm": "arm-linux-gnueabihf",
	"riscv64": "riscv64-linux-gnu",
}[runtime.GOARCH]

// closure adds to a set of pool entries their dependencies: the targets of symbolic links, and the
// dynamic linker and the shared libraries of programs.
func (p *pool) closure(names []string) (map[string]bool, error) {
	closed := map[string]bool{}
	for len(names) > 0 {
		name := names[len(names)-1]
		names = names[:len(names)-1]
		if closed[name] {
			continue
		}
		have, ok := p.entries[name]
		if !ok {
			return nil, fmt.Errorf("no package has %s", name)
		}
		closed[name] = true
		switch {
		case have.link != "":
			target := have.link
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(name), target)
			}
			names = append(names, clean(target))
		case have.mode.IsRegular() && have.text == nil:
			needed, err := p.needed(name)
			if err != nil {
				return nil, err
			}
			names = append(names, needed...)
		}
	}
	return closed, nil
}

// needed returns the libraries that the dynamic linker would load for a program, as ld.so(8) searches. It
// returns nothing for a file that is no program.
func (p *pool) needed(name string) ([]string, error) {
	file, err := elf.Open(p.file(name))
	if notELF := new(elf.FormatError); errors.As(err, &notELF) || errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	runpaths, err := file.DynString(elf.DT_RUNPATH)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var needed []string
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP {
			interpreter, err := io.ReadAll(program.Open())
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			needed = append(needed, clean(strings.TrimRight(string(interpreter), "\x00")))
		}
	}
	for _, library := range libraries {
		found, err := p.library(library, strings.Split(strings.Join(runpaths, ":"), ":"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		needed = append(needed, found)
	}
	return needed, nil
}

func (p *pool) library(name string, runpaths []string) (string, error) {
	for _, directory := range append(runpaths, "usr/lib/"+multiarch, "usr/lib", "usr/lib64") {
		if directory == "" {
			continue
		}
		candidate := clean(path.Join(directory, name))
		if _, ok := p.entries[candidate]; ok {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("no package has its library %s", name)
}
