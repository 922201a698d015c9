package cdi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const reader = `
cdiVersion: "0.6.0"
kind: acme.example/reader
containerEdits: {env: [READER=%]}
devices:
  - {name: front, containerEdits: {deviceNodes: [{path: /dev/reader, hostPath: /dev/zero}]}}
`

// TestFind has specifications in two directories, of which the second wins, and a file that is none.
func TestFind(t *testing.T) {
	t.Parallel()
	static, dynamic := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(static, "reader.yaml", strings.Replace(reader, "%", "static", 1))
	write(dynamic, "reader.yaml", strings.Replace(reader, "%", "dynamic", 1))
	write(static, "twice-1.yaml", strings.ReplaceAll(reader, "reader", "twice"))
	write(static, "twice-2.yaml", strings.ReplaceAll(reader, "reader", "twice"))
	write(static, "damaged.yaml", "cdiVersion: [")
	found, err := Find([]string{"acme.example/reader=front", "acme.example/reader=back", "acme.example/twice=front"}, []string{static, dynamic})
	if err != nil {
		t.Fatal(err)
	}
	front := found["acme.example/reader=front"]
	if front.File != filepath.Join(dynamic, "reader.yaml") || front.Common.Env[0] != "READER=dynamic" || front.Own.DeviceNodes[0].HostPath != "/dev/zero" {
		t.Errorf("front is %+v", front)
	}
	for name, want := range map[string]string{
		"acme.example/reader=back": "no specification in " + static + " or " + dynamic + " defines it; " + static + "/damaged.yaml: yaml: line 1: ",
		"acme.example/twice=front": "conflicting device",
	} {
		if got := found[name].Missing; !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestNothingIsReadForNoDevice(t *testing.T) {
	t.Parallel()
	if found, err := Find(nil, []string{"/nowhere"}); len(found) > 0 || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
}
