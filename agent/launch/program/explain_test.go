package program

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestWhyAProgramIsNotExecuted(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	foreign := append([]byte(nil), own[:4096]...)
	binary.NativeEndian.PutUint16(foreign[18:], uint16(elf.EM_SPARCV9))
	for name, test := range map[string]struct {
		files map[string]string
		args  []string
		want  string
	}{
		"Windows line endings": {
			map[string]string{"run": "#!/bin/sh\r\nexit\r\n", "bin/sh": "x"}, []string{"/run"},
			`its interpreter "/bin/sh\r" is not in the image (Windows line endings?)`,
		},
		"an interpreter that is missing, with an argument": {
			map[string]string{"run": "#! \t/usr/bin/python3 -u\n"}, []string{"/run"}, `its interpreter "/usr/bin/python3" is not in the image`,
		},
		"an interpreter that is no program": {
			map[string]string{"run": "#!sh\n", "sh": "exit"}, []string{"./run"},
			`its interpreter "sh": exec format error: it has no #! line and is no ELF program`,
		},
		"a #! line alone":                {map[string]string{"run": "#!\n"}, []string{"/run"}, `exec format error: its #! line names no interpreter`},
		"an interpreter of itself":       {map[string]string{"run": "#!/run\n"}, []string{"/run"}, `"/run" is a script of a script, too many times`},
		"no #! line, found by PATH":      {map[string]string{"opt/run": "exit\n"}, []string{"run"}, `exec format error: it has no #! line and is no ELF program`},
		"an empty file":                  {map[string]string{"run": ""}, []string{"/run"}, `exec format error: it is empty`},
		"a program of other machines":    {map[string]string{"run": string(foreign)}, []string{"/run"}, `exec format error: it is for EM_SPARCV9, this node is `},
		"half of a program":              {map[string]string{"run": elf.ELFMAG}, []string{"/run"}, `exec format error: a damaged ELF program: `},
		"an argument that is too long":   {nil, []string{"/run", strings.Repeat("x", 128<<10)}, `argument 1 has 131072 bytes: the kernel takes 131071`},
		"too many arguments":             {nil, append([]string{"/run"}, strings.Split(strings.Repeat("x ", 1<<18), " ")...), `arguments and environment have `},
		"a program that is as it should": {map[string]string{"run": string(own)}, []string{"/run"}, ``},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for path, text := range test.files {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			err := WhyNotExecuted(root, test.args, "/", []string{"PATH=/bin:/opt"})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestALoaderTellsTheLibrary(t *testing.T) {
	t.Parallel()
	for loader, want := range map[string]string{
		"/lib64/ld-linux-x86-64.so.2": " (built for glibc?)", "/lib/ld-linux-aarch64.so.1": " (built for glibc?)",
		"/lib/ld-musl-x86_64.so.1": " (built for musl?)", "/system/bin/linker64": "",
	} {
		if got := builtFor(loader); got != want {
			t.Errorf("%s: got %q, want %q", loader, got, want)
		}
	}
}

func TestAProgramOnAFileSystemMountedNoexec(t *testing.T) {
	t.Parallel()
	spec := &specs.Spec{
		Process: &specs.Process{Args: []string{"run"}, Cwd: "/", Env: []string{"PATH=/bin:/data/bin"}},
		Mounts: []specs.Mount{
			{Destination: "/data", Options: []string{"noexec"}}, {Destination: "/data/bin/exec"}, {Destination: "/database"},
		},
	}
	refused := errors.New("exec: permission denied")
	if got := Denied(refused, spec).Error(); got != "exec: permission denied: /data is mounted noexec" {
		t.Errorf("got %s", got)
	}
	spec.Mounts[1].Destination = "/data/bin"
	if got := Denied(refused, spec); got != refused {
		t.Errorf("a mount below it: got %v", got)
	}
	if other := errors.New("exec: no such file"); Denied(other, spec) != other {
		t.Error("another error has been changed")
	}
}
