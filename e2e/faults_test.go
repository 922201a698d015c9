package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/e2e/node"
)

var faults = flag.Bool("faults", false, "kill davit at every point, not at a few")

// judged is the output of e2e/judge, as far as a test compares it.
type judged struct {
	Units             map[string]judgedUnit
	Volumes           map[string]string
	Leftovers, Broken []string
	Jobs              int
	counts
}

// counts are the numbers of a node's things of a kind.
type counts struct{ Links, Mounts, Groups, Namespaces, Rules, Launchers int }

type judgedUnit struct {
	Object, Text, Bundle, Active, PID, Started string
	Versions                                   []string
}

// version are the parts of a unit that a change of its manifest changes.
func (u judgedUnit) version() string { return u.Text + " " + u.Bundle }

// bench is a node with a set of manifests in two versions, between which davit is killed.
type bench struct {
	*Lab
	t *testing.T
	// sets are the two versions, states the node's state in each.
	sets   [2]string
	states [2]judged
}

// TestKilledAtEveryPoint kills davit before and after each action of a plan that changes twenty manifests. At each
// moment, every container that is to stay keeps running or is replaced, each unit is whole, the old one or the new one,
// and the next apply ends where an undisturbed one would have.
//
// fault: davit is killed, at any action or system call of an apply | workloads go on or are replaced; the next apply ends it
func TestKilledAtEveryPoint(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("boots a node, which needs root: run it with sudo make test-e2e or test-faults")
	}
	t.Parallel()
	b := newBench(t)
	for point, at := 1, 0; ; point += stride(17) {
		if b.killAt(point, at) {
			t.Logf("no point %d", point)
			return
		}
		at = 1 - at
	}
}

// stride is how far the points are apart that are tried: without the flag it is a sample.
func stride(sample int) int {
	if *faults {
		return 1
	}
	return sample
}

func newBench(t *testing.T) *bench {
	t.Helper()
	kit := newKit(t)
	lab, err := NewLab(t.Context(), kit, "faults")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Lab: lab, t: t, sets: [2]string{manifestSet(0), manifestSet(1)}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(lab.Journal(context.Background()))
		}
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	b.build("failing-davit", "./agent/cmd/davit", "containers_image_openpgp,exclude_graphdriver_btrfs,grpcnotrace,failpoints")
	// Both versions are there once, so that both states are known, and their generations kept.
	for _, at := range []int{0, 1, 0} {
		b.put(at)
		b.must("davit", "apply", "--wait")
		b.must("sh", "-c", "echo canary > /var/lib/davit/volumes/data/canary")
		b.states[at] = b.look()
	}
	return b
}

// build puts a program of the module into the node's /usr/local/bin.
func (b *bench) build(name, source, tags string) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), name)
	command := exec.Command("go", "build", "-tags="+tags, "-ldflags=-s -w", "-o", path, source)
	command.Dir, command.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		b.t.Fatalf("build %s: %v\n%s", source, err, output)
	}
	program, err := os.Open(path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer program.Close()
	if err := b.Put("/usr/local/bin/"+name, program, 0o755); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) put(at int) {
	b.t.Helper()
	if err := b.Put("/etc/davit/manifests/app.yaml", strings.NewReader(b.sets[at]), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) must(args ...string) string {
	b.t.Helper()
	var output bytes.Buffer
	err := b.Run(b.t.Context(), node.Command{Args: args, Stdout: &output, Stderr: &output})
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, output.String())
	}
	return output.String()
}

func (b *bench) look() judged {
	b.t.Helper()
	var found judged
	if err := json.Unmarshal([]byte(b.must("judge")), &found); err != nil {
		b.t.Fatal(err)
	}
	return found
}

// settled waits until systemd has no job left: it continues the jobs that davit queued.
func (b *bench) settled() judged {
	b.t.Helper()
	var found judged
	err := Until(b.t.Context(), b.Wait(time.Minute), func(context.Context) error {
		if found = b.look(); found.Jobs > 0 {
			return fmt.Errorf("%d jobs", found.Jobs)
		}
		for name, unit := range found.Units {
			if unit.Active == "activating" || unit.Active == "deactivating" {
				return fmt.Errorf("%s is %s", name, unit.Active)
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// killAt kills an apply of the other version at a point of its own, judges, and has it finished. It
// reports whether the apply ended before it came to that point.
func (b *bench) killAt(point, at int) (ended bool) {
	b.t.Helper()
	return b.disturb(fmt.Sprintf("a kill at point %d", point), at, node.Command{
		Args: []string{"failing-davit", "apply", "--wait"}, Env: []string{fmt.Sprintf("DAVIT_FAIL=%d", point)},
	}, false)
}

// disturb runs a command that applies the other version and may be killed while it does, or may fail,
// judges, and has it finished. It reports whether the command ended as if nothing had happened.
func (b *bench) disturb(name string, at int, command node.Command, mayFail bool) (ended bool) {
	b.t.Helper()
	before, old, now := b.look(), b.states[at], b.states[1-at]
	b.put(1 - at)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := b.Run(b.t.Context(), command)
	if _, at, told := strings.Cut(output.String(), "killed at "); told {
		name += ", " + strings.TrimSpace(at)
	}
	if err != nil && !killed(err) && !mayFail {
		b.t.Errorf("%s: %v\n%s", name, err, output.String())
	}
	if err := b.judge(before, b.settled(), old, now); err != nil {
		b.t.Errorf("after %s: %v", name, err)
	}
	b.must("davit", "apply", "--wait")
	b.must("davit", "plan")
	if err := b.finished(before, b.settled(), now); err != nil {
		b.t.Errorf("finished after %s: %v", name, err)
	}
	return err == nil
}

// killed reports whether a command ended by SIGKILL, itself or as strace tells of one that did.
func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && (status.Signaled() && status.Signal() == syscall.SIGKILL || status.ExitStatus() == 128+int(syscall.SIGKILL))
}

// swept are the system calls at which an apply is killed, before each takes effect.
var swept = []string{"renameat,renameat2,rename", "fsync,fdatasync", "mkdirat,mkdir", "unlinkat,unlink", "connect", "execve", "flock"}

// refused are those that a full or failing disk refuses.
var refused = []string{"renameat,renameat2,rename", "fsync,fdatasync", "mkdirat,mkdir"}

// callPoint is a moment in an apply, and the fault at it: a thread's call of that number, or the
// first one about a path, is not made, and a signal or an error comes instead.
type callPoint struct {
	calls  string
	number int
	path   string
	fault  string
}

// The faults of a call.
const (
	kill   = "signal=KILL"
	noRoom = "error=ENOSPC"
	noDisk = "error=EIO"
)

func (p callPoint) String() string {
	return fmt.Sprintf("%s at call %d of %s %s", p.fault, p.number, p.calls, p.path)
}

// apply is an apply that this happens to.
func (p callPoint) apply() node.Command {
	args := []string{"strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=" + p.calls,
		"-e", fmt.Sprintf("inject=%s:%s:when=%d", p.calls, p.fault, p.number)}
	if p.path != "" {
		args = append(args, "-P", p.path)
	}
	return node.Command{Args: append(args, "davit", "apply", "--wait")}
}

// TestFaultsAtEverySystemCall kills an apply before each of the system calls that change something or
// affect others, and has the disk refuse those that it may. davit does not know that it is watched:
// no point is left out because its author did not think of it.
//
// fault: davit is killed, at any action or system call of an apply
// fault: the disk is full, or fails, at any rename, sync or new directory of an apply | reported; workloads go on; the next apply ends it
func TestFaultsAtEverySystemCall(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("boots a node, which needs root: run it with sudo make test-e2e or test-faults")
	}
	t.Parallel()
	b := newBench(t)
	at, faults := 0, 0
	points := [2][]callPoint{b.callPoints(0), b.callPoints(1)}
	for i := 0; i < max(len(points[0]), len(points[1])); i += stride(37) {
		for range points {
			if i < len(points[at]) {
				point := points[at][i]
				if !b.disturb(point.String(), at, point.apply(), point.fault != kill) {
					faults++
				}
			} else {
				b.put(1 - at)
				b.must("davit", "apply", "--wait")
			}
			at = 1 - at
		}
	}
	t.Logf("%d faults at %d and %d points", faults, len(points[0]), len(points[1]))
	if faults == 0 {
		t.Error("nothing ever happened")
	}
}

// mostCalls is how many calls of a kind one thread of an apply makes, or a few more: strace counts
// those of each thread.
const mostCalls = 12

// callPoints watches an undisturbed apply from one version to the other and lists the moments in it.
// The node is at that version before, and at the other one afterwards.
func (b *bench) callPoints(at int) []callPoint {
	b.t.Helper()
	b.put(1 - at)
	b.must("strace", "-f", "-qqq", "-y", "-o", "/root/trace", "-e", "trace="+strings.Join(swept, ","), "davit", "apply", "--wait")
	trace := b.must("cat", "/root/trace")
	var points []callPoint
	seen := map[callPoint]bool{}
	for line := range strings.Lines(trace) {
		call := tracedCall.FindStringSubmatch(line)
		if call == nil {
			continue
		}
		for _, path := range tracedPath.FindAllStringSubmatch(line, -1) {
			point := callPoint{call[1], 1, path[1], kill}
			if !seen[point] && !strings.Contains(path[1], "new-") {
				seen[point] = true
				points = append(points, point)
			}
		}
	}
	for _, calls := range swept {
		for number := range mostCalls {
			points = append(points, callPoint{calls, number + 1, "", kill})
		}
	}
	for _, calls := range refused {
		for number := range mostCalls {
			points = append(points, callPoint{calls, number + 1, "", noRoom}, callPoint{calls, number + 1, "", noDisk})
		}
	}
	return points
}

// tracedCall and tracedPath are a call's name, and the paths below davit's own places in its
// arguments, as strace writes them.
var (
	tracedCall = regexp.MustCompile(`^\d+ +(\w+)\(`)
	tracedPath = regexp.MustCompile(`["<](/(?:etc/systemd|var/lib/davit|run/davit|var/lib/containers)[^">]*)[">]`)
)

// alongside is the unit that is restarted with one that it requires.
const alongside = "requires.service"

// judge compares the node after a kill with its state before and the desired one.
func (b *bench) judge(before, after, old, now judged) error {
	var wrong []error
	for name, was := range old.Units {
		is, there := after.Units[name]
		next, stays := now.Units[name]
		switch {
		case !there && stays:
			wrong = append(wrong, fmt.Errorf("%s is gone", name))
		case there && is.version() != was.version() && is.version() != next.version():
			wrong = append(wrong, fmt.Errorf("%s is neither the old one nor the new one", name))
		case stays && is.Active != "active":
			wrong = append(wrong, fmt.Errorf("%s is %s", name, is.Active))
		case stays && was.version() == next.version() && name != alongside && (is.PID != before.Units[name].PID || is.Started != before.Units[name].Started):
			wrong = append(wrong, fmt.Errorf("%s was to stay and was restarted", name))
		}
	}
	if diff := cmp.Diff(before.Volumes, after.Volumes); diff != "" {
		wrong = append(wrong, fmt.Errorf("volumes: %s", diff))
	}
	return errors.Join(wrong...)
}

// finished compares the node with the result of an undisturbed apply.
func (b *bench) finished(before, after, want judged) error {
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(want.Units)) {
		is := after.Units[name]
		if is.version() != want.Units[name].version() || is.Active != want.Units[name].Active {
			wrong = append(wrong, fmt.Errorf("%s is not as wanted: %s", name, is.Active))
		}
	}
	if len(after.Units) != len(want.Units) {
		wrong = append(wrong, fmt.Errorf("%d units, want %d", len(after.Units), len(want.Units)))
	}
	if len(after.Leftovers)+len(after.Broken) > 0 {
		wrong = append(wrong, fmt.Errorf("left over: %v, broken: %v", after.Leftovers, after.Broken))
	}
	if diff := cmp.Diff(want.counts, after.counts); diff != "" {
		wrong = append(wrong, fmt.Errorf("left over: %s", diff))
	}
	if diff := cmp.Diff(before.Volumes, after.Volumes); diff != "" {
		wrong = append(wrong, fmt.Errorf("volumes: %s", diff))
	}
	return errors.Join(wrong...)
}

// manifestSet is one of two versions of the same application: some objects stay, some change, two
// are in one of them only.
func manifestSet(version int) string {
	const script = `"trap 'exit 0' TERM; while :; do sleep 100 & wait $!; done"`
	var set strings.Builder
	container := func(name, more string) {
		fmt.Fprintf(&set, "apiVersion: davit/v1\nkind: Container\nmetadata: {name: %s}\nspec:\n  image: docker.io/library/busybox:1\n  command: [sh, -c, %s]\n%s---\n", name, script, more)
	}
	fmt.Fprint(&set, "apiVersion: davit/v1\nkind: Volume\nmetadata: {name: data}\n---\n")
	fmt.Fprint(&set, "apiVersion: davit/v1\nkind: Network\nmetadata: {name: lab}\nspec: {subnets: [{subnet: 10.77.0.0/24}]}\n---\n")
	fmt.Fprintf(&set, "apiVersion: davit/v1\nkind: Config\nmetadata: {name: words}\ndata: {word: version %d}\n---\n", version)
	for i := range 5 {
		container(fmt.Sprintf("stays-%d", i), "")
	}
	for i := range 5 {
		container(fmt.Sprintf("changes-%d", i), fmt.Sprintf("  env: [{name: VERSION, value: \"%d\"}]\n  hostNetwork: true\n", version))
	}
	container("keeps", fmt.Sprintf("  env: [{name: VERSION, value: \"%d\"}]\n  volumeMounts: [{name: data, mountPath: /data}]\n", version))
	container("joins", fmt.Sprintf("  env: [{name: VERSION, value: \"%d\"}]\n  networks: [{name: lab}]\n", version))
	container("reads", "  volumeMounts: [{name: words, mountPath: /words}]\n  volumes: [{name: words, configMap: {name: words}}]\n")
	container("requires", "  dependsOn: [{name: changes-0, condition: Ready}]\n")
	container(fmt.Sprintf("only-%d", version), "")
	container(fmt.Sprintf("only-too-%d", version), "  hostNetwork: true\n")
	fmt.Fprintf(&set, `apiVersion: davit/v1
kind: Pod
metadata: {name: pod}
spec:
  containers:
  - {name: one, image: "docker.io/library/busybox:1", command: [sh, -c, %s], env: [{name: VERSION, value: "%d"}]}
  - {name: two, image: "docker.io/library/busybox:1", command: [sh, -c, %s]}
`, script, version, script)
	return set.String()
}
