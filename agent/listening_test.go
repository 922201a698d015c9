package agent

import (
	"net"
	"strings"
	"testing"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// TestWhatListensOnPortsIsNoted listens in this process on a port that is to be published, or is published already.
func TestWhatListensOnPortsIsNoted(t *testing.T) {
	t.Parallel()
	socket, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	port := bundle.Port{HostPort: int32(socket.Addr().(*net.TCPAddr).Port), ContainerPort: 80, Protocol: "tcp"}
	publishes := &bundle.Bundle{Launch: bundle.Launch{Network: bundle.Network{Ports: []bundle.Port{port}}}}
	actual := reconcile.Actual{Workloads: map[string]reconcile.ActualWorkload{
		"web.service":  {Bundle: publishes, BundleDir: "1", RunningDir: "1"},
		"down.service": {Bundle: publishes, BundleDir: "2"},
	}}
	desired := reconcile.Desired{Workloads: map[string]reconcile.Workload{"down.service": {Bundle: publishes}}}
	if err := noteListeners(desired, &actual); err != nil {
		t.Fatal(err)
	}
	if got := actual.Listeners[port]; !strings.Contains(got, "listens on") || !strings.Contains(got, "stop it") {
		t.Errorf("of the port that is to be published it says %q", got)
	}
	for unit, want := range map[string]string{"web.service": actual.Listeners[port], "down.service": ""} {
		if got := actual.Workloads[unit].Contested; got != want {
			t.Errorf("%s: got %q, want %q", unit, got, want)
		}
	}
}
