package drift

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inOwnNode runs the test again in a process with a network of its own, and mounts where davit keeps its files. It
// reports whether this is that process.
func inOwnNode(t *testing.T) bool {
	const mark = "DAVIT_TEST_OWN_NODE"
	if os.Getenv(mark) != "" {
		sh(t, "mount --make-rprivate / && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib")
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("mounts, which needs root")
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), mark+"=1")
	again.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS}
	if output, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
	return false
}

// TestTheListenerHears checks that the listener notices each kind of change.
func TestTheListenerHears(t *testing.T) {
	if !inOwnNode(t) {
		return
	}
	for _, command := range []string{
		"mkdir -p /run/davit/members /run/units /run/a /run/b", "touch /run/davit/members/web",
		"ip link add dv-net type bridge", "ip link set dv-net up", "ip address add 10.77.0.1/24 dev dv-net",
		"ip link add port0 type veth peer name inside0", "ip link set port0 master dv-net", "ip link set port0 up", "ip link set port0 type bridge_slave hairpin on",
		"echo 1 > /proc/sys/net/ipv4/conf/dv-net/route_localnet", "ip link set lo up",
		"nft add table inet davit", "nft add chain inet davit ports", "nft add rule inet davit ports accept", "mount --bind /run/a /run/b",
		"echo 1 > /proc/sys/net/ipv4/ip_forward",
	} {
		sh(t, command)
	}
	changes := make(chan Change, 100)
	l, err := NewListener([]string{"/run/units"}, func(change Change) { changes <- change })
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Arm(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	for _, test := range []struct {
		command string
		want    Change
	}{
		{"nft flush ruleset", Running},
		{"ip link set dv-net mtu 1400", Running},
		{"ip link set port0 type bridge_slave hairpin off", Running},
		{"echo 0 > /proc/sys/net/ipv4/conf/dv-net/route_localnet", Running},
		{"ip route replace 10.77.0.0/24 dev lo", Running},
		{"ip address del 10.77.0.1/24 dev dv-net", Running},
		{"ip link set dv-net down", Running},
		{"ip link del dv-net", Running},
		// One that comes later.
		{"ip link add dv-new type bridge", Running},
		{"echo 0 > /proc/sys/net/ipv4/conf/dv-new/route_localnet", Running},
		{"echo 0 > /proc/sys/net/ipv4/ip_forward", Running},
		{"rm /run/davit/members/web", Running},
		{"umount /run/b", Running},
		{"mount --bind /run/a /run/b", Running},
		{"umount /run/b", Running},
		{"touch /run/units/web.service", State},
	} {
		for len(changes) > 0 {
			<-changes
		}
		sh(t, test.command)
		select {
		case got := <-changes:
			if got != test.want {
				t.Errorf("%s: heard %v, want %v", test.command, got, test.want)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: heard nothing", test.command)
		}
	}
	l.watches.mu.Lock()
	if _, known := l.watches.bridges["dv-net"]; known || len(l.watches.bridges) != 1 {
		t.Errorf("watched are the settings of %v", l.watches.bridges)
	}
	l.watches.mu.Unlock()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	l.stop()
	if err := l.Arm(); err == nil || l.watches.fd >= 0 || l.end >= 0 {
		t.Errorf("descriptors are used after they were closed: %v", err)
	}
}

func sh(t *testing.T, script string) {
	t.Helper()
	if output, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, output)
	}
}
