package node

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("boots a node, which needs root: run it with sudo make test-e2e")
	}
}

func bootNode(t *testing.T) *Node {
	t.Helper()
	n, err := Boot(t.Context(), Config{Hostname: "harbour"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func output(t *testing.T, n *Node, args ...string) string {
	t.Helper()
	text, err := n.Output(t.Context(), args...)
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, text)
	}
	return strings.TrimSpace(text)
}

func TestNodeRunsSystemdWithNothingFailed(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	n := bootNode(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"systemctl", "is-system-running"}, "running"},
		{[]string{"cat", "/proc/1/comm"}, "systemd"},
		{[]string{"hostname"}, "harbour"},
		{[]string{"stat", "--file-system", "--format=%T", "/sys/fs/cgroup"}, "cgroup2fs"},
		{[]string{"busctl", "--system", "get-property", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
			"org.freedesktop.systemd1.Manager", "NFailedUnits"}, "u 0"},
	} {
		if got := output(t, n, test.args...); got != test.want {
			t.Errorf("%s: got %q, want %q", strings.Join(test.args, " "), got, test.want)
		}
	}
}

func TestMountsAreSharedWithinANodeAlone(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	n := bootNode(t)
	for _, path := range []string{"/", "/run", "/var/lib/containers"} {
		if got := output(t, n, "findmnt", "--noheadings", "--output=PROPAGATION", path); got != "shared" {
			t.Errorf("the propagation of %s is %q, want shared", path, got)
		}
	}
	// A copy of the mount namespace, as a service or a container has one, gets later mounts.
	const script = `mkdir -p /srv/inner
unshare --mount --propagation=slave sh -c 'touch /run/copied; until test -e /run/mounted; do sleep 0.01; done; findmnt --noheadings /srv/inner' &
until test -e /run/copied; do sleep 0.01; done
mount -t tmpfs of-the-node /srv/inner && touch /run/mounted && wait $!`
	if got := output(t, n, "sh", "-c", script); !strings.Contains(got, "of-the-node") {
		t.Errorf("a mount does not reach a copy of the mount namespace: %q", got)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), "of-the-node") {
		t.Error("a mount of the node is the machine's too")
	}
}

func TestNodeCannotSetTheClock(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	n := bootNode(t)
	for name, command := range map[string][]string{
		"a command": {"date", "--set=+0 seconds"},
		"a service": {"systemd-run", "--quiet", "--wait", "--pipe", "date", "--set=+0 seconds"},
	} {
		if text, err := n.Output(t.Context(), command...); err == nil || !strings.Contains(text, "Operation not permitted") {
			t.Errorf("%s can set the clock: %v: %s", name, err, text)
		}
	}
}

func TestDisksOutliveRebootAndCrash(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	n := bootNode(t)
	const bootID = "/proc/sys/kernel/random/boot_id"
	first, machine := output(t, n, "cat", bootID), output(t, n, "cat", "/etc/machine-id")
	for _, path := range []string{"/etc/kept", "/var/lib/containers/kept", "/run/lost"} {
		if err := n.Put(path, strings.NewReader("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, again := range map[string]func(context.Context) error{"reboot": n.Reboot, "crash": n.Crash} {
		if err := again(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := output(t, n, "cat", "/etc/kept", "/var/lib/containers/kept"); got != "texttext" {
			t.Errorf("after a %s the kept files hold %q", name, got)
		}
		if _, err := n.Output(t.Context(), "test", "-e", "/run/lost"); err == nil {
			t.Errorf("after a %s /run is not fresh", name)
		}
		if got := output(t, n, "cat", bootID); got == first {
			t.Errorf("after a %s the boot id is the same", name)
		}
		if got := output(t, n, "cat", "/etc/machine-id"); got != machine {
			t.Errorf("after a %s the machine id changed from %s to %s", name, machine, got)
		}
	}
}

// victimVariable tells this test program to boot a node and wait to be killed.
const victimVariable = "DAVIT_NODE_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		victim()
	}
	os.Exit(m.Run())
}

// victim boots a node and runs a command in it that says so and holds this program's
// stdout open.
func victim() {
	n, err := Boot(context.Background(), Config{})
	if err == nil {
		err = n.Run(context.Background(), Command{Args: []string{"sh", "-c", "echo up; exec sleep infinity"}, Stdout: os.Stdout})
	}
	os.Stderr.WriteString(err.Error() + "\n")
	os.Exit(1)
}

func TestNodeEndsWithAProgramThatIsKilled(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), victimVariable+"=1")
	program.Stderr = os.Stderr
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	program.Stdout = writer
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	if err := reader.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	up := make([]byte, 3)
	if _, err := io.ReadFull(reader, up); err != nil {
		t.Fatalf("the program did not boot its node: %v", err)
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The end of the file is the end of the last process that has the pipe open, which
	// is the node's.
	if _, err := reader.Read(up); err != io.EOF {
		t.Errorf("the node outlives its program: %v", err)
	}
	program.Wait()
}
