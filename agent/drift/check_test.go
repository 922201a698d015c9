package drift

import (
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
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
		sh(t, "mkdir -p /run/davit/containers/"+id+" && cd /run/davit/containers/"+id+" && touch config.json hosts hostname resolv.conf && ln -s / bundle")
		return &bundle.Bundle{Launch: bundle.Launch{ID: id, Network: bundle.Network{Mode: mode}}, Spec: &specs.Spec{Process: &specs.Process{}}}
	}
	all := []*bundle.Bundle{of("whole", ""), of("starting", ""), of("unreadable", bundle.NetworkCNI), of("damaged", "")}
	sh(t, "rm /run/davit/containers/starting/hosts /run/davit/containers/damaged/hosts && mkdir -p /run/davit/members/unreadable")
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
}

// TestABridgeIsCheckedAgainstTheNetworkOnRecord has no bridge.
func TestABridgeIsCheckedAgainstTheNetworkOnRecord(t *testing.T) {
	if !inOwnNode(t) {
		return
	}
	network := bundle.BridgeNetwork{Name: "net", Device: "dv-net", Subnets: []bundle.Subnet{{
		Subnet: netip.MustParsePrefix("10.77.0.0/24"), Gateway: netip.MustParseAddr("10.77.0.1"),
	}}}
	older := network
	older.MTU = 1300
	conflist, err := network.Encode()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]json.RawMessage{"conflist": conflist})
	if err != nil {
		t.Fatal(err)
	}
	sh(t, "mkdir -p "+bundle.NetworkRecordsDir)
	if err := os.WriteFile(bundle.NetworkRecord("net"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		running []bundle.BridgeNetwork
		want    []bool // whether the bridge is missed
	}{
		"all have the network on record": {[]bundle.BridgeNetwork{network, network}, []bool{true, true}},
		"one has an older one":           {[]bundle.BridgeNetwork{older, network}, []bool{false, true}},
		"all have an older one":          {[]bundle.BridgeNetwork{older, older}, []bool{true, true}},
	} {
		var running []*bundle.Bundle
		for _, one := range test.running {
			conflist, err := one.Encode()
			if err != nil {
				t.Fatal(err)
			}
			running = append(running, &bundle.Bundle{Launch: bundle.Launch{Network: bundle.Network{Attachments: []bundle.Attachment{{Network: "net", Conflist: conflist}}}}})
		}
		c := &checker{circumstances: circumstances{differing: differing(running)}, devices: map[string]*device{}}
		for i, one := range test.running {
			c.use(container{attached: []attachment{{network: one}}})
			fault, err := c.checkDevice(one)
			if err != nil || strings.Contains(fault, "is gone") != test.want[i] {
				t.Errorf("%s: found %q of container %d, %v", name, fault, i, err)
			}
		}
	}
}
