package probe

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/davit-project/davit/units/bundle"
)

// TestChecksAreMadeFromInside asks a server on the loopback of another network namespace, which
// the node has nothing of.
func TestChecksAreMadeFromInside(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("makes a network namespace, which needs root")
	}
	inside := exec.Command("sh", "-c", "ip link set lo up && echo up && exec cat")
	inside.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	stdin, err := inside.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := inside.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := inside.Start(); err != nil {
		t.Fatal(err)
	}
	defer inside.Wait()
	defer stdin.Close()
	if _, err := io.ReadFull(stdout, make([]byte, 3)); err != nil {
		t.Skip("needs ip(8): ", err)
	}
	opened, err := OpenTarget(&bundle.Bundle{Launch: bundle.Launch{ID: "no-such-container"}}, inside.Process.Pid, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()

	// A server of this machine is not there, ...
	here, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	_, port := at(t, "http://"+here.Addr().String())
	check := bundle.Check{TCP: &bundle.TCPCheck{Port: port}}
	judge(t, "from inside", opened.Check(t.Context(), check), "connection refused")
	// ... also by a name that is looked up here, and this process has not gone anywhere.
	named := bundle.Check{TCP: &bundle.TCPCheck{Host: "localhost", Port: port}}
	judge(t, "by name", opened.Check(t.Context(), named), "connection refused")
	for range 50 {
		judge(t, "from here", target("127.0.0.1").Check(t.Context(), check), "")
	}

	there := listenInside(t, inside.Process.Pid)
	defer there.Close()
	_, port = at(t, "http://"+there.Addr().String())
	judge(t, "inside", opened.Check(t.Context(), bundle.Check{TCP: &bundle.TCPCheck{Port: port}}), "")
}

func listenInside(t *testing.T, pid int) net.Listener {
	t.Helper()
	namespace, err := openNamespace(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer namespace.Close()
	var listener net.Listener
	if err := namespace.enter(func() (err error) {
		var config net.ListenConfig
		listener, err = config.Listen(context.Background(), "tcp", "127.0.0.1:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return listener
}
