package resolver

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

func TestNodePart(t *testing.T) {
	t.Parallel()
	const lan, local, mixed = "nameserver 192.0.2.1\n", "nameserver 127.0.0.53\n", "nameserver ::1\nsearch a.example\nnameserver 192.0.2.1\n"
	for name, test := range map[string]struct {
		node, resolved string // their texts
		mode           string
		want, err      string
	}{
		"a server that containers reach":                   {lan, "", bundle.NetworkCNI, lan, ""},
		"those on loopback are left out":                   {mixed, "", bundle.NetworkCNI, "search a.example\nnameserver 192.0.2.1\n", ""},
		"loopback alone, and systemd-resolved's":           {local, lan, bundle.NetworkCNI, lan, ""},
		"loopback alone":                                   {local + "search a.example\n", "", bundle.NetworkCNI, "search a.example\n", "names only servers on the node's loopback"},
		"loopback alone, and so are systemd-resolved's":    {local, local, bundle.NetworkCNI, "", "names only servers on the node's loopback"},
		"the node's network reaches its loopback":          {local, lan, bundle.NetworkHost, local, ""},
		"without a network it is as the node's":            {local, lan, bundle.NetworkNone, local, ""},
		"empty":                                            {"\n", lan, bundle.NetworkCNI, "\n", "names no server"},
		"a server that is no address is for its container": {"nameserver dns.example\n", "", bundle.NetworkCNI, "nameserver dns.example\n", ""},
	} {
		dir := t.TempDir()
		node, resolved := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "resolved")
		write(t, node, test.node)
		if test.resolved != "" {
			write(t, resolved, test.resolved)
		}
		got, err := nodePart(node, resolved, test.mode)
		if string(got) != test.want || !says(err, test.err) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// fault: the node's /etc/resolv.conf is a directory, a link to nothing, empty, a pipe or far too large
func TestAnOddFileOfTheNodeIsAnErrorAndNoText(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(path string) error
		err  string
	}{
		"missing":            {func(string) error { return nil }, "is missing"},
		"a directory":        {func(path string) error { return os.Mkdir(path, 0o755) }, "is no regular file"},
		"a link to nothing":  {func(path string) error { return os.Symlink("nothing", path) }, "is missing, or a link to a file that is missing"},
		"a link to itself":   {func(path string) error { return os.Symlink(path, path) }, "too many levels of symbolic links"},
		"a pipe":             {func(path string) error { return unix.Mkfifo(path, 0o600) }, "is no regular file"},
		"larger than it may": {func(path string) error { return os.WriteFile(path, make([]byte, maxFile+1), 0o600) }, "is larger than 64 KiB"},
		"a device":           {func(path string) error { return os.Symlink("/dev/zero", path) }, "is no regular file"},
		"a file as a parent": {func(path string) error { return os.Symlink("/proc/version/x", path) }, "not a directory"},
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := test.make(path); err != nil {
			t.Fatal(err)
		}
		for _, mode := range []string{bundle.NetworkCNI, bundle.NetworkHost} {
			if got, err := nodePart(path, "", mode); len(got) > 0 || !says(err, test.err) {
				t.Errorf("%s, mode %s: got %q, %v", name, mode, got, err)
			}
		}
		if got, err := nodePart(path, "", bundle.NetworkNone); len(got) > 0 || err != nil {
			t.Errorf("%s, without a network: got %q, %v", name, got, err)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dns        bundle.DNS
		node, want string
	}{
		"the node's":                         {bundle.DNS{}, "nameserver 192.0.2.1\n", "nameserver 192.0.2.1\n"},
		"the manifest's servers come first":  {bundle.DNS{Servers: []string{"192.0.2.9"}}, "nameserver 192.0.2.1\n", "nameserver 192.0.2.9\nnameserver 192.0.2.1\n"},
		"its searches last, on a line":       {bundle.DNS{Searches: []string{"a", "b"}, Options: []string{"ndots:2"}}, "search c", "search c\nsearch a b\noptions ndots:2\n"},
		"nothing is nothing":                 {bundle.DNS{}, "", ""},
		"text that davit does not know goes": {bundle.DNS{}, "# note\nsortlist 192.0.2.0\n\n", "# note\nsortlist 192.0.2.0\n\n"},
	} {
		text := string(Text(test.dns, []byte(test.node)))
		first, rest, _ := strings.Cut(text, "\n")
		if !strings.HasPrefix(first, "# davit keeps this file") || rest != test.want {
			t.Errorf("%s: %q", name, text)
		}
		if !isMarked([]byte(text)) {
			t.Errorf("%s: is not marked: %q", name, text)
		}
	}
	only := Text(bundle.DNS{Only: true, Servers: []string{"192.0.2.9"}}, []byte("nameserver 192.0.2.1\n"))
	if string(only) != "nameserver 192.0.2.9\n" || isMarked(only) {
		t.Errorf("the manifest's alone: %q", only)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	text := func(node string) string { return string(Text(bundle.DNS{}, []byte(node))) }
	old, short, long := text("nameserver 192.0.2.1\n"), text(""), text("nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
	for name, test := range map[string]struct {
		before, to string
		want       string
	}{
		"a longer text":                     {old, long, long},
		"a shorter text":                    {old, short, short},
		"the same text":                     {old, old, old},
		"a write that was interrupted":      {old + "\n\n\n", long, long},
		"a line that the container added":   {old + "nameserver 198.51.100.1\n", long, old + "nameserver 198.51.100.1\n"},
		"a line that the container edited":  {strings.Replace(old, "192.0.2.1", "192.0.2.7", 1), long, strings.Replace(old, "192.0.2.1", "192.0.2.7", 1)},
		"a file of the container's":         {"nameserver 198.51.100.1\n", long, "nameserver 198.51.100.1\n"},
		"a file that the container emptied": {"", long, ""},
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		write(t, path, test.before)
		changed, err := Replace(path, []byte(test.to))
		got, _ := os.ReadFile(path)
		if err != nil || string(got) != test.want || changed != (test.before != test.want) {
			t.Errorf("%s: got %q, changed %v, %v", name, got, changed, err)
		}
	}
	if changed, err := Replace(filepath.Join(t.TempDir(), "none"), []byte(old)); changed || err != nil {
		t.Errorf("a container that has ended: %v, %v", changed, err)
	}
}

func TestReplaceDoesNotTrustTheContainer(t *testing.T) {
	t.Parallel()
	text := Text(bundle.DNS{}, []byte("nameserver 192.0.2.1\n"))
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	old := string(Text(bundle.DNS{}, nil))
	write(t, victim, old)
	link, pipe, huge := filepath.Join(dir, "link"), filepath.Join(dir, "pipe"), filepath.Join(dir, "huge")
	if err := errors.Join(os.Symlink(victim, link), unix.Mkfifo(pipe, 0o600), os.WriteFile(huge, nil, 0o600), os.Truncate(huge, 1<<40)); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"a link": link, "a pipe without a reader": pipe, "a file of a terabyte": huge} {
		if changed, err := Replace(path, text); changed {
			t.Errorf("%s is changed: %v", name, err)
		}
	}
	if got, err := os.ReadFile(victim); err != nil || string(got) != old {
		t.Errorf("the target of a link is %q, %v", got, err)
	}
	leased, err := os.Open(victim)
	if err != nil {
		t.Fatal(err)
	}
	defer leased.Close()
	testnode.SetLease(t, leased.Fd(), unix.F_RDLCK)
	if _, err := Replace(victim, text); !errors.Is(err, untrusted.ErrLeased) {
		t.Errorf("a file with a lease: %v", err)
	}
	if _, err := unix.FcntlInt(leased.Fd(), unix.F_SETLEASE, unix.F_UNLCK); err != nil {
		t.Fatal(err)
	}
	if changed, err := Replace(victim, text); !changed || err != nil {
		t.Errorf("when the lease is over: %v, %v", changed, err)
	}
	if got, _ := os.ReadFile(victim); !bytes.Equal(got, text) {
		t.Errorf("when the lease is over: %q", got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// says reports whether an error is one with this text; "" is none.
func says(err error, text string) bool {
	if text == "" || err == nil {
		return text == "" && err == nil
	}
	return strings.Contains(err.Error(), text)
}
