package drift

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

func TestWhatIsNotChecked(t *testing.T) {
	if !inOwnNode(t) {
		return
	}
	of := func(id, mode string) *bundle.Bundle {
		sh(t, "mkdir -p /run/davit/containers/"+id+" /var/lib/davit/containers/"+id+" && cd /var/lib/davit/containers/"+id+
			" && touch hosts hostname resolv.conf && cd /run/davit/containers/"+id+" && touch config.json && ln -s / bundle")
		return &bundle.Bundle{Launch: bundle.Launch{ID: id, Network: bundle.Network{Mode: mode}}, Spec: &specs.Spec{Process: &specs.Process{}}}
	}
	all := []*bundle.Bundle{of("whole", ""), of("starting", ""), of("unreadable", bundle.NetworkCNI), of("damaged", "")}
	sh(t, "rm /var/lib/davit/containers/starting/hosts /var/lib/davit/containers/damaged/hosts && mkdir -p /run/davit/members/unreadable")
	record, err := os.Open(bundle.RecordFile("starting"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(record.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	check := func(running []*bundle.Bundle, faulty, unchecked []string, reason error) {
		t.Helper()
		faults, err := Check(running)
		if got := slices.Sorted(maps.Keys(faults)); !slices.Equal(got, faulty) {
			t.Errorf("found faults of %v, want %v", got, faulty)
		}
		incomplete, _ := errors.AsType[Unchecked](err)
		if got := slices.Sorted(maps.Keys(incomplete.IDs)); !slices.Equal(got, unchecked) || !errors.Is(incomplete.Err, reason) {
			t.Errorf("not checked: %v, %v; want %v, %v", got, incomplete.Err, unchecked, reason)
		}
	}
	check(all, []string{"damaged"}, []string{"starting", "unreadable"}, unix.EISDIR)
	check(all[:2], nil, []string{"starting"}, nil)
	record.Close()
	check(all[:2], []string{"starting"}, nil, nil)

	// One that has run to its end has no record any more, while its unit is up.
	finished := of("finished", "")
	sh(t, "rm -r /run/davit/containers/finished/config.json /var/lib/davit/containers/finished")
	check([]*bundle.Bundle{finished}, nil, nil, nil)

	// A container whose process has ended is about to be cleaned up.
	ended := of("ended", bundle.NetworkCNI)
	sh(t, "rm /var/lib/davit/containers/ended/hosts && echo {} > /run/davit/members/ended && mkdir -p "+filepath.Join(bundle.RuntimeDir, bundle.RuntimeID("ended")))
	state := filepath.Join(bundle.RuntimeDir, bundle.RuntimeID("ended"), "state.json")
	for _, test := range []struct {
		process           int
		faulty, unchecked []string
	}{
		{os.Getpid(), []string{"ended"}, nil},
		{math.MaxInt32, nil, []string{"ended"}},
	} {
		if err := os.WriteFile(state, fmt.Appendf(nil, `{"init_process_pid":%d}`, test.process), 0o600); err != nil {
			t.Fatal(err)
		}
		check([]*bundle.Bundle{ended}, test.faulty, test.unchecked, nil)
	}
}
