package images

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// brokenImage has programs that the kernel cannot execute, each for another reason.
func brokenImage(p *pool, programs string, shell v1.Layer) (named, error) {
	hello, err := os.ReadFile(filepath.Join(programs, "hello"))
	if err != nil {
		return named{}, err
	}
	dynamic, err := os.ReadFile(p.file("usr/bin/redis-cli")) // its loader is in another layer
	if err != nil {
		return named{}, err
	}
	entries := map[string]entry{
		"directory": {mode: fs.ModeDir | 0o755},
		"foreign":   {mode: 0o755, text: foreign(hello)},
		"dynamic":   {mode: 0o755, text: dynamic},
		"plain":     {mode: 0o644, text: []byte("#!/bin/sh\nexec sleep 100000\n")},
	}
	for name, text := range map[string]string{
		"crlf":     "#!/bin/sh\r\nexec sleep 100000\r\n",
		"none":     "exec sleep 100000\n",
		"python":   "#!/usr/bin/python3\nprint()\n",
		"indirect": "#!/none\n",
		"empty":    "",
	} {
		entries[name] = entry{mode: 0o755, text: []byte(text)}
	}
	layer, err := (&content{entries: entries}).layer(p)
	if err != nil {
		return named{}, err
	}
	image, err := imageOf(v1.Config{Env: []string{searchPath}}, shell, layer)
	if err != nil {
		return named{}, fmt.Errorf("image broken: %w", err)
	}
	return named{image, namesOf("davit-project/broken", []string{"1"})}, nil
}

// foreign is an ELF program of this machine's, said to be for another architecture.
func foreign(program []byte) []byte {
	const machineAt = 18 // e_machine of elf(5), in both classes
	program = append([]byte(nil), program...)
	machine := elf.EM_AARCH64
	if binary.LittleEndian.Uint16(program[machineAt:]) == uint16(machine) {
		machine = elf.EM_X86_64
	}
	binary.LittleEndian.PutUint16(program[machineAt:], uint16(machine))
	return program
}
