package confine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/units/bundle"
)

// Files of the test images: the head of a program, by which the kernel recognises its format.
const (
	elf64 = "\x7fELF\x02\x01\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"
	elf32 = "\x7fELF\x01\x01\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x03\x00"
	link  = "-> "
)

func TestLimitArchitectures(t *testing.T) {
	for name, test := range map[string]struct {
		files   map[string]string
		program string
		kept    bool // the filter has all architectures
	}{
		"a 64-bit program":                  {map[string]string{"bin/app": elf64}, "/bin/app", false},
		"found in PATH":                     {map[string]string{"bin/app": elf64}, "app", false},
		"found in the working directory":    {map[string]string{"srv/bin/app": elf64}, "bin/app", false},
		"a 32-bit program":                  {map[string]string{"bin/app": elf32}, "/bin/app", true},
		"a 32-bit loader":                   {map[string]string{"bin/app": elf64, "lib/ld-linux.so.2": elf32}, "/bin/app", true},
		"a loader where lib is a link":      {map[string]string{"bin/app": elf64, "usr/lib/ld-musl-armhf.so.1": elf32, "lib": link + "/usr/lib"}, "/bin/app", true},
		"a link to a 64-bit program":        {map[string]string{"bin/busybox": elf64, "bin/app": link + "/bin/busybox"}, "app", false},
		"a link out of the image":           {map[string]string{"bin/app": link + "../../../../../../../../bin/true"}, "/bin/app", true},
		"a script of a 64-bit shell":        {map[string]string{"bin/sh": elf64, "app": "#! /bin/sh -e\n"}, "/app", false},
		"a script of a 32-bit shell":        {map[string]string{"bin/sh": elf32, "app": "#!/bin/sh\n"}, "/app", true},
		"a script of a shell that is not":   {map[string]string{"app": "#!/bin/sh\n"}, "/app", true},
		"a script of nothing":               {map[string]string{"app": "#!\n"}, "/app", true},
		"a text":                            {map[string]string{"app": "echo\n"}, "/app", true},
		"an empty file":                     {map[string]string{"app": ""}, "/app", true},
		"a directory":                       {map[string]string{"app/x": ""}, "/app", true},
		"no program: it may be in a volume": {nil, "/data/app", true},
	} {
		t.Run(name, func(t *testing.T) {
			rootfs := t.TempDir()
			for path, text := range test.files {
				path = filepath.Join(rootfs, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				target, isLink := strings.CutPrefix(text, link)
				write := func() error { return os.WriteFile(path, []byte(text), 0o755) }
				if isLink {
					write = func() error { return os.Symlink(target, path) }
				}
				if err := write(); err != nil {
					t.Fatal(err)
				}
			}
			filter := &specs.LinuxSeccomp{Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}}
			b := &bundle.Bundle{
				Spec: &specs.Spec{
					Process: &specs.Process{Args: []string{test.program}, Cwd: "/srv", Env: []string{"PATH=/usr/bin:/bin"}},
					Linux:   &specs.Linux{Seccomp: filter},
				},
				Launch: bundle.Launch{OwnCalls: true},
			}
			if err := LimitArchitectures(b, rootfs); err != nil {
				t.Fatal(err)
			}
			if kept := len(filter.Architectures) == 3; kept != test.kept {
				t.Errorf("the filter is for %v", filter.Architectures)
			}
			if filter.Architectures[0] != specs.ArchX86_64 {
				t.Errorf("the node's own is not there: %v", filter.Architectures)
			}
		})
	}
}
