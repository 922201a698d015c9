package mend

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/drift"
	"github.com/davit-project/davit/agent/launch/namespaces"
	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/rootfs"
	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

const testConflist = `{"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "davit", "bridge": "dv-net",
	"subnets": [{"subnet": "10.77.0.0/24", "gateway": "10.77.0.1"}, {"subnet": "fd77::/64", "gateway": "fd77::1"}]}]}`

// standUp makes the state of a running sandbox, as its start does.
func standUp(t *testing.T, id string, ports ...bundle.Port) *bundle.Bundle {
	t.Helper()
	return standUpOn(t, testConflist, id, ports...)
}

// standUpOn is standUp with another configuration of the network.
func standUpOn(t *testing.T, conflist, id string, ports ...bundle.Port) *bundle.Bundle {
	t.Helper()
	b := &bundle.Bundle{Spec: &specs.Spec{Hostname: id, Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
		{Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace},
	}}}}
	b.ID = id
	b.Network = bundle.Network{Mode: bundle.NetworkCNI, Ports: ports, Attachments: []bundle.Attachment{
		{Network: "net", Conflist: []byte(conflist), Names: []string{id}},
	}}
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	run := record.Run{Bundle: b, Dir: bundle.Path(bundle.DirName(id, text)), Text: text}
	if err := os.MkdirAll(run.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(run.Dir, bundle.ConfigFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	var set namespaces.Set
	for _, step := range []func() error{
		run.Claim,
		func() error { return set.PinSandbox(b) },
		func() error {
			_, err := network.Connect(t.Context(), b, network.Namespace{Path: set.Network})
			return err
		},
		func() error { return rootfs.WriteFiles(b) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	unlockRecords(t)
	return b
}

// unlockRecords closes the records that this process has locked, as it would by ending.
func unlockRecords(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		if strings.HasPrefix(target, bundle.AttachmentsDir) && strings.HasSuffix(strings.TrimSuffix(target, " (deleted)"), bundle.ConfigFile) {
			var fd int
			if _, err := fmt.Sscan(entry.Name(), &fd); err != nil {
				t.Fatal(err)
			}
			if err := unix.Close(fd); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

func TestWhatOthersRemoveIsFoundAndMadeAgain(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	web := standUp(t, "web", bundle.Port{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"})
	asks := standUp(t, "asks")
	all := []*bundle.Bundle{web, asks}
	check := func(what string) map[string][]string {
		t.Helper()
		faults, err := drift.Check(all)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return faults
	}
	if faults := check("nothing"); len(faults) > 0 {
		t.Fatalf("nothing was done, and it finds %v", faults)
	}
	net, _, err := bundle.DecodeBridgeNetwork([]byte(testConflist))
	if err != nil {
		t.Fatal(err)
	}
	const inside = "nsenter --net=/run/davit/containers/web/network "
	for _, test := range []struct{ remove, of, want string }{
		{"nft flush ruleset", "web", "the nftables rules that give the network net its way out are gone"},
		{"nft flush ruleset", "asks", "the nftables rules that give the network net its way out are gone"},
		{"nft flush chain inet davit ports", "web", "the nftables rule that publishes its port 8080/tcp is gone"},
		{"nft flush chain inet davit prerouting", "web", "the nftables rules that lead to published ports are gone"},
		{"nft flush chain inet davit guard", "web", "the nftables rules that lead to published ports are gone"},
		{"nft flush chain inet davit postrouting", "asks", "the nftables rules that give the network net its way out are gone"},
		{"ip link del dv-net", "web", "the bridge dv-net is gone"},
		{"ip link set dv-net down", "asks", "the bridge dv-net is down"},
		{"ip addr del 10.77.0.1/24 dev dv-net", "asks", "the bridge dv-net lacks its address 10.77.0.1/24"},
		{"ip addr del fd77::1/64 dev dv-net", "asks", "the bridge dv-net lacks its address fd77::1/64"},
		{"ip route del 10.77.0.0/24 dev dv-net", "asks", "the node has no route to 10.77.0.0/24 by the bridge dv-net"},
		{"ip -6 route del fd77::/64 dev dv-net", "asks", "the node has no route to fd77::/64 by the bridge dv-net"},
		{"echo 0 > /proc/sys/net/ipv4/ip_forward", "web", "net/ipv4/ip_forward is off"},
		{"echo 0 > /proc/sys/net/ipv4/conf/dv-net/route_localnet", "web", "the bridge dv-net takes nothing that the node sends from 127.0.0.1: route_localnet is off"},
		{"ip link del PORT", "web", "its device eth0 is gone"},
		{"ip link set PORT down", "web", "the node's end of its device eth0, PORT, is down"},
		{"ip link set PORT nomaster", "web", "its device eth0 is no port of the bridge dv-net"},
		{"bridge link set dev PORT hairpin off", "web", "its device eth0 cannot reach the container's own published ports"},
		{inside + "ip addr del $(cat /run/davit/containers/web/address)/24 dev eth0", "web", "its device eth0 lacks the address ADDRESS/24"},
		{inside + "ip link set eth0 down", "web", "its device eth0 is down"},
		{inside + "ip route del default", "web", "it has no route by the gateway 10.77.0.1"},
		{inside + "ip -6 route del default", "web", "it has no route by the gateway fd77::1"},
		{"rm /run/davit/cni/networks/net/$(cat /run/davit/containers/web/address)", "web", "the lease of its address ADDRESS is gone"},
		{"rm -r /run/davit/cni/networks/net", "asks", "the lease of its address"},
		{": > /run/davit/cni/networks/net/$(cat /run/davit/containers/web/address)", "web", "the lease of its address ADDRESS is gone"},
		{"rm /run/davit/members/web", "web", "the record of its addresses is gone"},
		{"rm /var/lib/davit/containers/web/hosts", "web", "the file of its /etc/hosts is gone from the node"},
		{"rm /var/lib/davit/containers/web/resolv.conf", "web", "the file of its /etc/resolv.conf is gone from the node"},
		{"rm /var/lib/davit/containers/web/hostname", "web", "the file of its /etc/hostname is gone from the node"},
		{"rm /run/davit/containers/web/config.json", "web", "the record of how it was started is gone"},
		{"rm /run/davit/containers/web/bundle", "web", "the record of which bundle it runs is gone"},
		{"rm /run/davit/containers/web/address", "web", "the record of its address is gone"},
	} {
		address, err := os.ReadFile(bundle.AddressFile("web"))
		if err != nil {
			t.Fatalf("before %s: %v", test.remove, err)
		}
		words := strings.NewReplacer("PORT", bridge.PortName(net, endpoint("eth0")), "ADDRESS", string(address))
		remove, mounted := words.Replace(test.remove), inode(t, bundle.EtcFile("web", "hosts"))
		testnode.Sh(t, remove)
		faults := check(remove)
		if !strings.Contains(strings.Join(faults[test.of], ", "), words.Replace(test.want)) {
			t.Errorf("%s: found %q of %s, want %q", remove, faults[test.of], test.of, words.Replace(test.want))
		}
		for id, err := range All([]string{"web", "asks"}) {
			t.Errorf("%s: mend %s: %v", remove, id, err)
		}
		unlockRecords(t)
		if faults := check(remove); len(faults) > 0 {
			t.Errorf("%s: after it was mended there is still wrong: %v", remove, faults)
		}
		if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Count(string(mounts), " /run/davit/containers/web/ipc ") != 1 {
			t.Errorf("%s: the namespace is mounted other than once: %v\n%s", remove, err, mounts)
		}
		if !strings.HasSuffix(remove, "hosts") && inode(t, bundle.EtcFile("web", "hosts")) != mounted {
			t.Errorf("%s: its /etc/hosts is another file than the one that it has mounted", remove)
		}
		after, err := os.ReadFile(bundle.AddressFile("web"))
		if err != nil || string(after) != string(address) {
			t.Errorf("%s: the address was %s, is %s, %v", remove, address, after, err)
		}
	}
}

func TestAContainerThatCrashedAndKeepsItsNetworkIsNoDrift(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	web := standUp(t, "web")
	web.Spec.Process = new(specs.Process) // its runtime has no record of it any more
	testnode.Sh(t, "rm /run/davit/containers/web/bundle")
	if faults, err := drift.Check([]*bundle.Bundle{web}); err != nil || len(faults) > 0 {
		t.Errorf("found %v, %v", faults, err)
	}
}

func TestReadyContainersComeFirstAfterRulesWereFlushed(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	port := bundle.Port{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}
	standing := map[string]nat.Standing{}
	for i, id := range []string{"rep@1", "rep@2", "rep@3"} {
		network := bundle.BridgeNetwork{Name: "net", Device: "lo", Subnets: []bundle.Subnet{{Subnet: netip.MustParsePrefix("10.77.0.0/24")}}}
		standing[id] = nat.Standing{Unready: id != "rep@2", Endpoint: nat.Endpoint{
			Container: id, Network: network, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 77, 0, byte(2 + i)})}, Ports: []bundle.Port{port},
		}}
	}
	first := func() string {
		t.Helper()
		output, err := exec.Command("sh", "-c", `nft list chain inet davit ports | grep -o 'comment "[^ ]*' | head -n 1`).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		return strings.TrimPrefix(strings.TrimSpace(string(output)), `comment "`)
	}
	all := []nat.Standing{standing["rep@1"], standing["rep@2"], standing["rep@3"]}
	if err := nat.Mend(all); err != nil {
		t.Fatal(err)
	}
	if got := first(); got != "rep@2" {
		t.Errorf("the port leads to %s first, which is not ready", got)
	}
	// The one that is ready has lost its rule alone, and those of the others come first.
	testnode.Sh(t, `nft delete rule inet davit ports handle $(nft -a list chain inet davit ports | sed -n 's/.*"rep@2 .*# handle //p')`)
	if err := nat.Mend(all); err != nil {
		t.Fatal(err)
	}
	if got := first(); got != "rep@2" {
		t.Errorf("the port leads to %s first, which is not ready", got)
	}
}

// endpoint is the end of a network that web has as this device.
func endpoint(device string) bridge.Endpoint {
	return bridge.Endpoint{Container: bundle.RuntimeID("web"), Interface: device}
}

func readMember(id string) (bundle.Member, error) {
	text, err := os.ReadFile(bundle.MemberFile(id))
	m, _ := bundle.DecodeMember(id, text)
	return m, err
}
