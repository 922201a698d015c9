package stdio

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
)

func TestWhatOpensStandardOutputByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"plain.conf": "log = stdout\n", "named.conf": "log = /dev/stdout\n", "large": strings.Repeat("x", bundle.MaxOutputFile) + "/dev/stdout",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := func(names ...string) (list []bundle.File) {
		for _, name := range names {
			list = append(list, bundle.File{Path: name})
		}
		return list
	}
	paths := func(names ...string) (list []bundle.HostPath) {
		for _, name := range names {
			list = append(list, bundle.HostPath{Path: filepath.Join(dir, name)})
		}
		return list
	}
	for name, test := range map[string]struct {
		launch   bundle.Launch
		args     []string
		env      []string
		terminal bool
		image    string
		want     string
	}{
		"nothing":                       {args: []string{"app"}, env: []string{"A=b"}},
		"the image":                     {image: "/log is a link to /dev/stdout", want: "/log is a link to /dev/stdout"},
		"an argument":                   {args: []string{"app", "--log=/dev/stdout"}, want: "an argument names /dev/stdout"},
		"a variable":                    {env: []string{"LOG=/dev/stderr"}, want: "the variable LOG names /dev/stderr"},
		"a file of the bundle":          {launch: bundle.Launch{Files: files("plain.conf", "named.conf")}, want: "the file named.conf names /dev/stdout"},
		"a file of the node":            {launch: bundle.Launch{HostPaths: paths("named.conf")}, want: "the file " + filepath.Join(dir, "named.conf") + " names /dev/stdout"},
		"a large file":                  {launch: bundle.Launch{Files: files("large"), HostPaths: paths("large")}},
		"a directory of the node":       {launch: bundle.Launch{HostPaths: paths("")}},
		"a file that is not there":      {launch: bundle.Launch{HostPaths: paths("none")}},
		"an argument, on a terminal":    {args: []string{"/dev/stdout"}, terminal: true},
		"an argument, with pipes":       {args: []string{"/dev/stdout"}, launch: bundle.Launch{Output: bundle.OutputPipe}},
		"an argument, with no output":   {args: []string{"/dev/stdout"}, launch: bundle.Launch{Output: bundle.OutputNone}},
		"the image, and so no argument": {args: []string{"/dev/stderr"}, image: "/a names /dev/fd/1", want: "/a names /dev/fd/1"},
	} {
		process := &specs.Process{Args: test.args, Env: test.env, Terminal: test.terminal}
		run := record.Run{Bundle: &bundle.Bundle{Spec: &specs.Spec{Process: process}, Launch: test.launch}, Dir: dir}
		if got, err := OpenedByName(run, test.image); err != nil || got != test.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, test.want)
		}
	}
}
