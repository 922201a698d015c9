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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/e2e/node"
)

var faults = flag.Bool("faults", false, "kill davit at every point, not at a few")

// judged is what e2e/judge prints, as far as a test compares it.
type judged struct {
	Units                       map[string]judgedUnit
	Volumes                     map[string]string
	Leftovers                   []string
	Links, Mounts, Groups, Jobs int
}

type judgedUnit struct{ Text, Bundle, Active, PID, Started string }

// changed are the parts of a unit that a change of its manifest changes.
func (u judgedUnit) version() string { return u.Text + " " + u.Bundle }

// bench is a node with a set of manifests in two versions, between which davit is killed.
type bench struct {
	*Lab
	t *testing.T
	// sets are the two versions, states what the node is in each.
	sets   [2]string
	states [2]judged
}

// TestKilledAtEveryPoint kills davit before and after each action of a plan that changes twenty
// manifests. Whatever the moment, every container that is to stay goes on or is replaced, each unit is
// whole, the old one or the new one, and the next apply ends where an undisturbed one would have.
func TestKilledAtEveryPoint(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("boots a node, which needs root: run it with sudo make test-e2e or test-faults")
	}
	t.Parallel()
	b := newBench(t)
	for point, at := 1, 0; ; point += b.stride() {
		if b.killAt(point, at) {
			t.Logf("no point %d", point)
			return
		}
		at = 1 - at
	}
}

// stride is how far the points are apart that are tried: one in CI is a sample.
func (b *bench) stride() int {
	if *faults {
		return 1
	}
	return 17
}

func newBench(t *testing.T) *bench {
	t.Helper()
	kit, err := NewKit(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
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
	b.build("failing-davit", "./agent/cmd/davit", "containers_image_openpgp,exclude_graphdriver_btrfs,failpoints")
	b.build("judge", "./e2e/judge", "")
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

// settled waits until systemd has no job left: it goes on with those that davit queued.
func (b *bench) settled() judged {
	b.t.Helper()
	var found judged
	err := Until(b.t.Context(), time.Minute, func(context.Context) error {
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

// killAt kills an apply of the other version at a point, judges, and has it finished. It reports
// whether the apply ended before it came to that point.
func (b *bench) killAt(point, at int) (ended bool) {
	b.t.Helper()
	before, old, now := b.look(), b.states[at], b.states[1-at]
	b.put(1 - at)
	var output bytes.Buffer
	err := b.Run(b.t.Context(), node.Command{
		Args: []string{"failing-davit", "apply", "--wait"}, Env: []string{fmt.Sprintf("DAVIT_FAIL=%d", point)},
		Stdout: &output, Stderr: &output,
	})
	name := "at the end"
	if _, at, killed := strings.Cut(output.String(), "killed at "); killed {
		name = strings.TrimSpace(at)
	} else if err != nil {
		b.t.Fatalf("point %d: %v\n%s", point, err, output.String())
	}
	if err := b.judge(before, b.settled(), old, now); err != nil {
		b.t.Errorf("killed at point %d, %s: %v", point, name, err)
	}
	b.must("davit", "apply", "--wait")
	b.must("davit", "plan")
	if err := b.finished(before, b.settled(), now); err != nil {
		b.t.Errorf("finished after the kill at point %d, %s: %v", point, name, err)
	}
	return err == nil
}

// alongside is the unit that is restarted with one that it requires.
const alongside = "requires.service"

// judge holds the node after a kill against what it was and what it is to be.
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

// finished holds the node against what an undisturbed apply makes of it.
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
	if len(after.Leftovers) > 0 {
		wrong = append(wrong, fmt.Errorf("left over: %v", after.Leftovers))
	}
	if after.Links != want.Links || after.Mounts != want.Mounts || after.Groups != want.Groups {
		wrong = append(wrong, fmt.Errorf("%d links, %d mounts, %d groups, want %d, %d, %d",
			after.Links, after.Mounts, after.Groups, want.Links, want.Mounts, want.Groups))
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
