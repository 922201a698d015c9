package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/davit-project/davit/units/bundle"
)

func subnet(prefix, gateway string) bundle.Subnet {
	return bundle.Subnet{Subnet: netip.MustParsePrefix(prefix), Gateway: netip.MustParseAddr(gateway)}
}

// pool lends addresses as the directory of leases does.
type pool map[netip.Addr]string

func (p pool) reserveFor(container string) func(netip.Addr) error {
	return func(address netip.Addr) error {
		if p[address] != "" {
			return fs.ErrExist
		}
		p[address] = container
		return nil
	}
}

func (p pool) lend(in bundle.Subnet, container string, asked netip.Addr) (netip.Addr, error) {
	return lendOf(in, asked, Endpoint{Container: container}, p.reserveFor(container))
}

func TestEachAddressIsLentOnce(t *testing.T) {
	t.Parallel()
	for in, want := range map[bundle.Subnet]int{
		subnet("10.50.0.0/29", "10.50.0.1"):       5,
		subnet("10.50.0.0/29", "10.50.0.6"):       5,
		subnet("10.50.0.0/30", "10.50.0.1"):       1,
		subnet("10.50.0.0/31", "10.50.0.1"):       0,
		subnet("10.50.0.0/32", "10.50.0.0"):       0,
		subnet("fd00::/125", "fd00::1"):           6,
		subnet("10.255.255.0/24", "10.255.255.1"): 253,
	} {
		lent := pool{}
		for i := range want {
			address, err := lent.lend(in, fmt.Sprint("c", i), netip.Addr{})
			if err != nil {
				t.Fatalf("%v, after %d: %v", in, i, err)
			}
			if !in.Subnet.Contains(address) || address == in.Gateway || address == in.Subnet.Masked().Addr() {
				t.Errorf("%v lends %s", in, address)
			}
		}
		if len(lent) != want {
			t.Errorf("%v lent %d addresses", in, len(lent))
		}
		if address, err := lent.lend(in, "one-more", netip.Addr{}); err == nil {
			t.Errorf("%v lends %s, and has none left", in, address)
		}
	}
}

func TestAContainerHasTheSameAddressAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := subnet("10.89.0.0/24", "10.89.0.1")
		lent := pool{}
		name := rapid.StringMatching(`[a-z][a-z0-9]{0,20}`).Draw(t, "name")
		first, err := lent.lend(in, name, netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		delete(lent, first)
		for range rapid.IntRange(0, 20).Draw(t, "others") {
			other := rapid.StringMatching(`[a-z][a-z0-9]{0,20}`).Draw(t, "other")
			if _, err := lent.lend(in, other, netip.Addr{}); err != nil {
				t.Fatal(err)
			}
		}
		taken := lent[first] != ""
		again, err := lent.lend(in, name, netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		if !taken && again != first {
			t.Errorf("had %s, has %s", first, again)
		}
	})
}

func TestAnAddressThatIsAskedFor(t *testing.T) {
	t.Parallel()
	in := subnet("10.50.0.0/24", "10.50.0.1")
	lent := pool{}
	asked := netip.MustParseAddr("10.50.0.77")
	if got, err := lent.lend(in, "one", asked); err != nil || got != asked {
		t.Fatalf("got %s, %v", got, err)
	}
	if _, err := lent.lend(in, "two", asked); err == nil {
		t.Error("an address is lent twice")
	}
	if _, err := lent.lend(in, "two", in.Gateway); err == nil {
		t.Error("the gateway's address is lent")
	}
	failure := errors.New("disk full")
	_, err := lendOf(in, netip.Addr{}, Endpoint{Container: "x"}, func(netip.Addr) error { return failure })
	if !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}

func TestMACsBelongToAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"10.89.0.2": "02:64:0a:59:00:02", "fd64::2": "02:64:c3:1b:0f:2a"} {
		got := macOf(netip.MustParseAddr(address))
		if got.String() != want || got[0]&0x03 != 0x02 {
			t.Errorf("%s has %s", address, got)
		}
	}
}
