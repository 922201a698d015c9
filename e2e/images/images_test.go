package images

import (
	"io/fs"
	"slices"
	"testing"
)

func TestPathsOfPackagesAreMergedIntoUsr(t *testing.T) {
	for name, want := range map[string]string{
		"./bin/sh":                        "usr/bin/sh",
		"/lib64/ld-linux-x86-64.so.2":     "usr/lib64/ld-linux-x86-64.so.2",
		"./usr/lib/x86_64-linux-gnu/x.so": "usr/lib/x86_64-linux-gnu/x.so",
		"./etc/../lib/x":                  "usr/lib/x",
		"./library/x":                     "library/x",
	} {
		if got := clean(name); got != want {
			t.Errorf("clean(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestOfAlternativeDependenciesTheFirstCounts(t *testing.T) {
	const stanza = "Package: nginx\nDepends: libc6 (>= 2.34), iproute2 <!x>, libssl3t64 | libssl3, lib:any\nPre-Depends: dpkg"
	got := dependencies(stanza)
	want := []string{"libc6", "iproute2", "libssl3t64", "lib", "dpkg"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClosureFollowsSymbolicLinks(t *testing.T) {
	p := newPool(t.TempDir())
	p.entries["usr/lib/a.so"] = entry{mode: fs.ModeSymlink, link: "a.so.1"}
	p.entries["usr/lib/a.so.1"] = entry{mode: fs.ModeSymlink, link: "/lib/a.so.1.2"}
	p.entries["usr/lib/a.so.1.2"] = entry{text: []byte("text")}
	closed, err := p.closure([]string{"usr/lib/a.so"})
	if err != nil || len(closed) != 3 {
		t.Errorf("got %v, %v, want all three", closed, err)
	}
	p.entries["usr/lib/broken"] = entry{mode: fs.ModeSymlink, link: "nowhere"}
	if _, err := p.closure([]string{"usr/lib/broken"}); err == nil {
		t.Error("a link to nowhere is no error")
	}
}
