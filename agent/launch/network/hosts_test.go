package network

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

func TestNeighboursAreNamedInTheOrderInWhichTheyCame(t *testing.T) {
	t.Parallel()
	web := neighbour{ID: "web", Endpoint: bundle.Endpoint{Names: []string{"web", "www"}, Addresses: []string{"10.0.0.2", "fd00::2"}}}
	db := neighbour{ID: "db", Endpoint: bundle.Endpoint{Names: []string{"db"}, Addresses: []string{"10.0.0.3"}}}
	all := neighbours{}.with(web).with(db)
	want := "10.0.0.2\tweb www\nfd00::2\tweb www\n10.0.0.3\tdb\n"
	if diff := cmp.Diff(want, all.lines()); diff != "" {
		t.Error(diff)
	}
	web.Names = []string{"web"}
	if diff := cmp.Diff("10.0.0.2\tweb\nfd00::2\tweb\n10.0.0.3\tdb\n", all.with(web).lines()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("10.0.0.3\tdb\n", all.without("web").lines()); diff != "" {
		t.Error(diff)
	}
}

func TestAHostNameThatNeighboursDoNotKnowIsTheContainersOwn(t *testing.T) {
	t.Parallel()
	web := bundle.Member{ID: "web", Hostname: "frontend", Networks: map[string]bundle.Endpoint{
		"app": {Names: []string{"web", "www"}, Addresses: []string{"10.0.0.2", "fd00::2"}}, "back": {Names: []string{"web", "frontend"}, Addresses: []string{"10.1.0.3"}},
	}}
	if diff := cmp.Diff("10.0.0.2\tfrontend\nfd00::2\tfrontend\n", ownHosts(web)); diff != "" {
		t.Error(diff)
	}
}

func TestUnreadyReplicasLeaveTheirNamesToReadyOnes(t *testing.T) {
	t.Parallel()
	replica := func(id, address string, unready bool) neighbour {
		return neighbour{ID: id, Unready: unready, Endpoint: bundle.Endpoint{Names: []string{id, "web"}, Addresses: []string{address}}}
	}
	for name, test := range map[string]struct {
		all  neighbours
		want string
	}{
		"one is ready": {
			neighbours{replica("web-1", "10.0.0.1", true), replica("web-2", "10.0.0.2", false)},
			"10.0.0.1\tweb-1\n10.0.0.2\tweb-2 web\n",
		},
		"none is ready": { // a refusal tells more than a name that is not known
			neighbours{replica("web-1", "10.0.0.1", true), replica("web-2", "10.0.0.2", true)},
			"10.0.0.1\tweb-1 web\n10.0.0.2\tweb-2 web\n",
		},
		"a spare without a name of its own": {
			neighbours{replica("web", "10.0.0.1", true), replica("web", "10.0.0.2", false)},
			"10.0.0.2\tweb web\n",
		},
	} {
		if diff := cmp.Diff(test.want, test.all.lines()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestHostsAreWrittenWhereTheyDiffer(t *testing.T) {
	t.Parallel()
	const base = "127.0.0.1\tlocalhost\n"
	for name, test := range map[string]struct {
		file, old, new string
		patched        bool
	}{
		"one comes":           {base + "1\ta\n", "1\ta\n", "1\ta\n2\tb\n", true},
		"the last one goes":   {base + "1\ta\n2\tb\n", "1\ta\n2\tb\n", "1\ta\n", true},
		"the first one goes":  {base + "1\ta\n2\tb\n", "1\ta\n2\tb\n", "2\tb\n", true},
		"all go":              {base + "1\ta\n", "1\ta\n", "", true},
		"one gets longer":     {base + "1\ta\n2\tb\n", "1\ta\n2\tb\n", "1\ta c\n2\tb\n", true},
		"not as it should be": {base + "1\ta\n# the container's\n", "1\ta\n", "2\tb\n", false},
	} {
		file := filepath.Join(testnode.Root(t, map[string]string{"hosts": test.file}), "hosts")
		patched, err := difference(test.old, test.new).apply(file, len(base))
		if err != nil || patched != test.patched {
			t.Errorf("%s: %v, %v", name, patched, err)
		}
		want := test.file
		if test.patched {
			want = base + test.new
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if patched, err := difference("", "1\ta\n").apply(filepath.Join(t.TempDir(), "none"), 0); patched || err != nil {
		t.Errorf("no file: %v, %v", patched, err)
	}
}

func TestANeighbourThatLeasesItsHostsCostsNobodyElse(t *testing.T) {
	t.Parallel()
	dir := testnode.Root(t, map[string]string{"first": "1\ta\n", "hostile": "1\ta\n", "last": "1\ta\n"})
	testnode.Lease(t, filepath.Join(dir, "hostile"), unix.F_RDLCK)
	all := neighbours{{ID: "first"}, {ID: "hostile"}, {ID: "last"}}
	began := time.Now()
	refused, err := all.tell(func(n neighbour) error {
		_, err := difference("1\ta\n", "1\ta\n2\tb\n").apply(filepath.Join(dir, n.ID), 0)
		return err
	})
	// The kernel takes a lease away after 45 s.
	if took := time.Since(began); err != nil || took > 10*time.Second {
		t.Errorf("%v after %s", err, took)
	}
	if len(refused) != 1 || !errors.Is(refused["hostile"], untrusted.ErrLeased) {
		t.Errorf("refused: %v", refused)
	}
	if all[0].Base != 0 || all[1].Base != -1 || all[2].Base != 0 {
		t.Errorf("to be written as a whole: %+v", all)
	}
	for name, want := range map[string]string{"first": "1\ta\n2\tb\n", "hostile": "1\ta\n", "last": "1\ta\n2\tb\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	_, err = all.tell(func(neighbour) error { return unix.EIO })
	if !errors.Is(err, unix.EIO) {
		t.Errorf("an error of the node's: %v", err)
	}
}
