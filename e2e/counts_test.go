package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/davit-project/davit/e2e/node"
)

// cost is the cost of a start or a pass, in things that can be counted: they are the same on every machine
// and under any load, where times are not.
type cost struct {
	// Processes are those that are made, the container's own among them, Programs those that are run before its own.
	Processes, Programs int
	// SystemCalls are those of all of them until the container's program runs, without those with which
	// Go's runtime schedules threads and collects garbage: these differ from run to run.
	SystemCalls int
	// Syncs are the calls that wait for the disk, Bytes the size of writes to files.
	Syncs, Bytes int
	// Messages are those to systemd over D-Bus.
	Messages int
}

// countedUnits are containers that differ in their network. They run a program outside /usr, because strace may record it
// and [ownProgram] counts programs below /usr as part of the start.
var countedUnits = []string{"bare", "bridge", "port"}

const countedManifests = `
apiVersion: davit/v1
kind: Container
metadata: {name: bare}
spec: {image: docker.io/library/busybox:1, command: [/bin/sleep, "100000"], hostNetwork: true, terminationGracePeriodSeconds: 0}
---
apiVersion: davit/v1
kind: Container
metadata: {name: bridge}
spec: {image: docker.io/library/busybox:1, command: [/bin/sleep, "100000"], terminationGracePeriodSeconds: 0}
---
apiVersion: davit/v1
kind: Container
metadata: {name: port}
spec:
  image: docker.io/library/busybox:1
  command: [/bin/sleep, "100000"]
  terminationGracePeriodSeconds: 0
  ports: [{containerPort: 80, hostPort: 8080}]
`

// countedRange publishes as many ports as there are above those of others, by both protocols.
const countedRange = `
apiVersion: davit/v1
kind: Container
metadata: {name: range}
spec:
  image: docker.io/library/busybox:1
  command: [/bin/sleep, "100000"]
  terminationGracePeriodSeconds: 0
  ports: [{containerPort: 10000, endPort: 65535, hostPort: 10000}, {containerPort: 10000, endPort: 65535, hostPort: 10000, protocol: UDP}]
`

// countedPipe is a container whose image opens standard output by name: a process of its start stays.
const countedPipe = `
apiVersion: davit/v1
kind: Container
metadata: {name: pipe}
spec: {image: "127.0.0.1:5000/logging:links", command: [/bin/sleep, "100000"], hostNetwork: true, terminationGracePeriodSeconds: 0}
`

// TestCountsOfAStart compares the start of a container with its highest cost, which is in
// testdata/counts.json. A change that costs more on purpose runs this with -update, and says why.
func TestCountsOfAStart(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("boots a node, which needs root: run it with sudo make test-e2e")
	}
	t.Parallel()
	lab := countingLab(t)
	for _, unit := range countedUnits {
		holdTo(t, "testdata/counts.json", unit, countStart(t, lab, unit))
	}
	put(t, lab, "range.yaml", countedRange)
	put(t, lab, "pipe.yaml", countedPipe)
	apply(t, lab)
	for _, unit := range []string{"range", "pipe"} {
		holdTo(t, "testdata/counts.json", unit, countStart(t, lab, unit))
	}
}

// TestCountsOfAPass compares a pass with nothing to do, and one with one change, with their highest cost,
// however many containers run.
func TestCountsOfAPass(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("boots a node, which needs root: run it with sudo make test-e2e")
	}
	t.Parallel()
	lab := countingLab(t)
	pass := func() cost { return countCommand(t, lab, "davit apply --wait") }
	nothing := pass()
	holdTo(t, "testdata/counts-pass.json", "nothing", nothing)
	var more strings.Builder
	for i := range 9 {
		fmt.Fprintf(&more, "---\n"+`{apiVersion: davit/v1, kind: Container, metadata: {name: more-%d}, spec: {image: "docker.io/library/busybox:1", `+
			`command: [/bin/sleep, "100000"], hostNetwork: true, terminationGracePeriodSeconds: 0}}`+"\n", i)
	}
	put(t, lab, "more.yaml", more.String())
	apply(t, lab)
	if got := pass(); got.Messages != nothing.Messages || got.Syncs > 0 {
		t.Errorf("a pass with nothing to do costs %+v with more containers, and %+v with less", got, nothing)
	}
	put(t, lab, "more.yaml", strings.Replace(more.String(), `"100000"`, `"100001"`, 1))
	holdTo(t, "testdata/counts-pass.json", "change", pass())
}

// holdTo holds a cost to the bound of that name in a file, or changes the bound.
func holdTo(t *testing.T, file, name string, got cost) {
	t.Helper()
	bounds := map[string]cost{}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &bounds); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %+v", name, got)
	if !*update {
		if over := got.over(bounds[name]); len(over) > 0 {
			t.Errorf("%s costs more than it may: %s", name, strings.Join(over, ", "))
		}
		return
	}
	bounds[name] = got.withRoom()
	if text, err = json.MarshalIndent(bounds, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, lab *Lab, name, text string) {
	t.Helper()
	if err := lab.Put("/etc/davit/manifests/"+name, strings.NewReader(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, lab *Lab) {
	t.Helper()
	if output, err := lab.Output(t.Context(), "davit", "apply", "--wait"); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

func countingLab(t *testing.T) *Lab {
	t.Helper()
	kit := newKit(t)
	lab, err := NewLab(t.Context(), kit, "counts")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	put(t, lab, "app.yaml", countedManifests)
	apply(t, lab)
	return lab
}

// over are the counts that are beyond their bounds.
func (c cost) over(bounds cost) []string {
	var over []string
	got, most := reflect.ValueOf(c), reflect.ValueOf(bounds)
	for i := range got.NumField() {
		if n, bound := got.Field(i).Int(), most.Field(i).Int(); n > bound {
			over = append(over, fmt.Sprintf("%d %s, bound to %d", n, got.Type().Field(i).Name, bound))
		}
	}
	return over
}

// withRoom are the bounds for a count. A thread more or less, and an address or a name that is
// longer, makes a few calls and bytes.
func (c cost) withRoom() cost {
	c.SystemCalls += c.SystemCalls / 20
	c.Bytes += c.Bytes / 20
	return c
}

// countStart counts the cost of a unit's start: it has strace follow the processes that systemd starts.
func countStart(t *testing.T, lab *Lab, unit string) cost {
	t.Helper()
	const script = `set -e
rm -rf /root/trace; mkdir /root/trace
systemctl stop $0
strace -ff -qq -y -s 0 -o /root/trace/t -p 1 & tracer=$!
until grep -q 'TracerPid:.*[1-9]' /proc/1/status; do kill -0 $tracer; done
systemctl start $0
kill -INT $tracer; wait $tracer || true
cd /root/trace; rm -f t.1.*
for file in t.*; do echo "== $file"; cat $file; done`
	trace := run(t, lab, script, unit)
	t.Logf("%s: programs: %s", unit, strings.Join(executed.FindAllString(trace, -1), ", "))
	return countTrace(trace)
}

// countCommand counts the cost of a shell command, without the work of systemd for it. System calls are not counted: Go's
// runtime makes many, and a pass makes more with each container. Only calls that count are traced.
func countCommand(t *testing.T, lab *Lab, command string) cost {
	t.Helper()
	const script = `set -e
rm -rf /root/trace; mkdir /root/trace
strace -ff --seccomp-bpf -qq -y -s 0 -o /root/trace/t \
	-e trace=execve,clone,clone3,?fork,?vfork,connect,write,writev,pwrite64,sendmsg,fsync,fdatasync,syncfs,sync $0 > /dev/null
cd /root/trace
for file in t.*; do echo "== $file"; cat $file; done`
	c := countTrace(run(t, lab, script, command))
	c.SystemCalls = 0
	return c
}

// run runs a script with an argument and returns its output.
func run(t *testing.T, lab *Lab, script, argument string) string {
	t.Helper()
	var printed strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), lab.Wait(time.Minute))
	defer cancel()
	if err := lab.Run(ctx, node.Command{Args: []string{"sh", "-c", script, argument}, Stdout: &printed}); err != nil {
		t.Fatalf("trace %s: %v\n%s", argument, err, printed.String())
	}
	return printed.String()
}

var (
	countedCall = regexp.MustCompile(`(?m)^(\w+)\((.*)\) += (-?\d+)`)
	executed    = regexp.MustCompile(`(?m)^execve\(.*= 0$`)
	// ownProgram are the programs that a start runs before the container's, and davit itself.
	ownProgram = regexp.MustCompile(`^"(/usr/local/libexec/davit/|/usr/local/bin/davit"|/proc/self/fd/|/usr/s?bin/)`)
	// writtenFile is a file that is written to, as strace -y shows it; a file of the kernel is none.
	writtenFile = regexp.MustCompile(`^\d+<(/[^>]*)>`)
	unwritten   = regexp.MustCompile(`^/(proc|sys|dev)/`)
	writes      = []string{"write", "pwrite64", "writev"}
	sends       = []string{"write", "sendmsg"}
	// toSystemd is a socket that was connected to systemd's, as strace -y shows it.
	toSystemd = regexp.MustCompile(`(?m)^connect\((\d+<[^>]*>), .*"/run/systemd/private"`)
	syncs     = []string{"fsync", "fdatasync", "syncfs", "sync"}
	forks     = []string{"clone", "clone3", "fork", "vfork"}
	// scheduling are the calls of Go's runtime that come as they come.
	scheduling = []string{
		"futex", "nanosleep", "clock_nanosleep", "epoll_wait", "epoll_pwait", "sched_yield", "tgkill", "getpid", "gettid",
		"rt_sigreturn", "rt_sigprocmask", "sigaltstack", "madvise", "mmap", "munmap", "mprotect", "rseq", "set_robust_list", "restart_syscall", "exit",
	}
)

// countTrace counts the calls in a trace of strace -ff, whose files begin with "== NAME". That of systemd
// counts for the processes that it makes.
func countTrace(trace string) cost {
	var c cost
	systemd := map[string]bool{}
	for _, socket := range toSystemd.FindAllStringSubmatch(trace, -1) {
		systemd[socket[1]] = true
	}
	for _, file := range strings.Split(trace, "== ") {
		isSystemd := strings.HasPrefix(file, "t.1\n")
		for _, call := range countedCall.FindAllStringSubmatch(file, -1) {
			name, arguments := call[1], call[2]
			result, _ := strconv.Atoi(call[3]) // digits
			if name == "execve" && result == 0 && !ownProgram.MatchString(arguments) {
				break // it is the container's own from here on, if strace still sees it
			}
			switch {
			case slices.Contains(forks, name) && !strings.Contains(arguments, "CLONE_THREAD") && result > 0:
				c.Processes++
			case isSystemd:
				continue
			case name == "execve" && result == 0:
				c.Programs++
			case slices.Contains(syncs, name):
				c.Syncs++
			case slices.Contains(writes, name) && result > 0 && isWritten(arguments):
				c.Bytes += result
			}
			if to, _, _ := strings.Cut(arguments, ", "); systemd[to] && slices.Contains(sends, name) {
				c.Messages++
			}
			if !isSystemd && !slices.Contains(scheduling, name) {
				c.SystemCalls++
			}
		}
	}
	return c
}

func isWritten(arguments string) bool {
	file := writtenFile.FindStringSubmatch(arguments)
	return file != nil && !unwritten.MatchString(file[1])
}
