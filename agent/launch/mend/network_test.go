package mend

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/drift"
	"github.com/davit-project/davit/agent/launch/namespaces"
	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/units/bundle"
)

// mended restores all, and fails the test if something cannot be restored.
func mended(t *testing.T, ids ...string) {
	t.Helper()
	for id, err := range All(ids) {
		t.Errorf("mend %s: %v", id, err)
	}
	unlockRecords(t)
}

func TestALostMemberLearnsOfLaterNeighbours(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	standUp(t, "web")
	for name, remove := range map[string]string{
		"its own record":    "rm /run/davit/members/web",
		"those of networks": "rm -r /run/davit/members/web /run/davit/names",
		"all":               "rm -r /run/davit/members /run/davit/names",
	} {
		id := strings.ReplaceAll(name, " ", "-")
		hosts, err := os.Open(bundle.EtcFile("web", "hosts")) // as its mount has it
		if err != nil {
			t.Fatal(err)
		}
		defer hosts.Close()
		testnode.Sh(t, remove)
		mended(t, "web")
		standUp(t, id)
		text, err := os.ReadFile(namespaces.Path(hosts))
		if err != nil || !strings.Contains(string(text), "\t"+id+"\n") || !strings.Contains(string(text), "\tweb\n") {
			t.Errorf("%s: its /etc/hosts has not all names: %v\n%s", name, err, text)
		}
	}
}

func TestALostReplicaIsNoMoreReadyThanBefore(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	rep := standUp(t, "rep")
	if _, err := network.Withdraw(rep); err != nil {
		t.Fatal(err)
	}
	testnode.Sh(t, "rm /run/davit/members/rep")
	mended(t, "rep")
	if m, err := readMember("rep"); err != nil || !m.Unready {
		t.Errorf("%+v, %v", m, err)
	}
}

// rewriteRecord replaces the record of a container's start.
func rewriteRecord(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bundle.RecordFile(b.ID), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNetworksAfterAForeignOneAreMended(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	web := standUp(t, "web")
	foreign := bundle.Attachment{Network: "lan", Conflist: []byte(`{"cniVersion": "1.0.0", "name": "lan", "plugins": [{"type": "macvlan"}]}`), Names: []string{"web"}}
	web.Network.Attachments = append([]bundle.Attachment{foreign}, web.Network.Attachments...)
	rewriteRecord(t, web)
	mended(t, "web")
	net, _, err := bundle.DecodeBridgeNetwork([]byte(testConflist))
	if err != nil {
		t.Fatal(err)
	}
	port := "/sys/class/net/" + bridge.PortName(net, endpoint("eth1"))
	if !record.Exists(port) {
		t.Fatal("the device of its second network is not there")
	}
	// Without any record its addresses on the second network are known by the device.
	testnode.Sh(t, "rm -r /run/davit/members/web /run/davit/names")
	mended(t, "web")
	m, err := readMember("web")
	if err != nil || len(m.Networks["net"].Addresses) != 2 || len(m.Networks["lan"].Names) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestABridgeIsMendedByTheConfigurationOnRecord(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	suspended := standUp(t, "suspended")
	newer := strings.NewReplacer("10.77.0", "10.78.0", "fd77:", "fd78:").Replace(testConflist)
	text, err := json.Marshal(bundle.NetworkRecord{Bridge: "dv-net", Conflist: []byte(newer)})
	if err != nil {
		t.Fatal(err)
	}
	path := bundle.NetworkRecordFile("net")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	web := standUpOn(t, newer, "web")
	testnode.Sh(t, "ip link set dv-net down")
	mended(t, "suspended", "web")
	testnode.Sh(t, "ip address show dev dv-net | grep 10.78.0.1/24 && ! ip address show dev dv-net | grep 10.77.0.1/24")
	if faults, err := drift.Check([]*bundle.Bundle{suspended, web}); len(faults) > 0 || err != nil {
		t.Errorf("%v, %v", faults, err)
	}
}

func TestACrashedContainerStillAdministersTheNetworkOfItsPod(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	testnode.Sh(t, "mount -t tmpfs units /etc/systemd && mkdir "+bundle.UnitsDir)
	pod := standUp(t, "app-pod")
	vpn := bundle.Bundle{
		Spec:   &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_NET_ADMIN"}}}},
		Launch: bundle.Launch{ID: "app-vpn", Sandbox: "app-pod"},
	}
	text, err := vpn.Encode()
	if err != nil {
		t.Fatal(err)
	}
	dir := bundle.Path(bundle.DirName("app-vpn", text))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, bundle.ConfigFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	unit := "[Unit]\nBindsTo=app-pod.service\n[Service]\nExecStart=/usr/bin/davit-run start " + dir + "\n"
	if err := os.WriteFile(filepath.Join(bundle.UnitsDir, "app-vpn.service"), []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	const inside = "nsenter --net=/run/davit/containers/app-pod/network "
	testnode.Sh(t, inside+"ip route del default")
	if faults, err := drift.Check([]*bundle.Bundle{pod}); len(faults) > 0 || err != nil {
		t.Errorf("%v, %v", faults, err)
	}
	mended(t, "app-pod")
	testnode.Sh(t, "! "+inside+"ip route | grep default")
}
