package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/davit-project/davit/e2e/node"
	"github.com/davit-project/davit/e2e/vm"
)

var (
	outages = flag.Int("outages", 0, "how often TestPowerLoss cuts the power")
	seed    = flag.Uint64("seed", 0, "the seed of its moments, as an earlier run printed it; 0 makes a new one")
)

// unsynced has the storage library not sync layers, as it does by default.
const unsynced = `[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
[storage.options.overlay]
sync = "none"
`

// mostControls is how often the control may lose power before it shows damage.
const mostControls = 10

// TestPowerLoss cuts a virtual machine's power at moments spread over updates: data that its kernel had not
// written is lost. At each moment, the machine boots and has each object in its old or its new state,
// all that ran runs with no agent, images and volumes are sound, and the agent ends the update with
// nothing left over. So that this means something, a machine that does not sync its layers has to show
// damage.
//
// fault: power is lost at any moment of an update | each object is as it was or as it is to be, and runs with no agent; the agent ends the update, with nothing left over
func TestPowerLoss(t *testing.T) {
	if *outages == 0 {
		t.Skip("make test-power cuts the power of virtual machines")
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("make test-power OUTAGES=%d SEED=%d tries these moments again", *outages, *seed)
	kit := newKit(t)
	own := *kit
	own.Images = filepath.Join(t.TempDir(), "images")
	if err := editionImages(own.Images, kit.Images, *outages+mostControls+2, rand.New(rand.NewPCG(*seed, 0))); err != nil {
		t.Fatal(err)
	}
	t.Run("control", func(t *testing.T) {
		random := rand.New(rand.NewPCG(*seed, 1))
		s := newSeries(t, &own, map[string]string{"/etc/containers/storage.conf": unsynced})
		for range mostControls {
			s.lose(moment{phase: phasePull, fraction: random.Float64(), newImage: true})
			if s.damage > 0 {
				s.converge() // davit verifies the data after a crash
				return
			}
		}
		t.Error("layers that are not synced survive: the test proves nothing")
	})
	t.Run("davit", func(t *testing.T) {
		random := rand.New(rand.NewPCG(*seed, 2))
		s := newSeries(t, &own, nil)
		for range *outages {
			s.lose(pick(random))
			if s.damage > 0 {
				t.Fatal("the storage is damaged")
			}
		}
		s.converge()
	})
}

// series is a machine that loses power again and again.
type series struct {
	*bench
	machine *vm.Machine
	// edition is the desired edition of the machine, sound its state when it last was as desired, and
	// previous the edition of that time.
	edition, previous edition
	sound             judged
	// windows are where in an update its phases are.
	windows map[bool]map[phase]window
	// log has the agent's lines of this boot.
	log chan string
	// booting and recovering are how long the last boot and the last recovery took.
	booting, recovering time.Duration
	// calm is set while nothing has happened since the machine last was sound.
	calm bool
	// rounds are the outages so far; those from unjudged on happened since the machine last was sound.
	rounds   []*round
	unjudged int
	damage   int
}

// round is one loss of power.
type round struct {
	moment
	// when is the agent's action, and last its last message; after is the time from the change.
	when, last string
	after      time.Duration
	found      judged
	outcome    string
	took       time.Duration
}

// newSeries boots a machine with further files, brings it to an edition, and measures two undisturbed
// updates, of which the first brings an image.
func newSeries(t *testing.T, kit *Kit, files map[string]string) *series {
	t.Helper()
	lab, err := newVirtualLab(t.Context(), kit, "power", *release, lean...)
	if err != nil {
		t.Fatal(err)
	}
	s := &series{bench: &bench{Lab: lab, t: t}, machine: lab.Machine.(*vm.Machine), windows: map[bool]map[phase]window{}}
	t.Cleanup(s.end)
	s.putFile("/etc/davit/config.yaml", "generations: 2\n")
	for path, text := range files {
		s.putFile(path, text)
	}
	s.follow()
	s.change(s.edition)
	s.converge()
	s.must("sh", "-c", "for i in $(seq 20); do head -c $((i * 1000)) /dev/urandom > "+canaries+"/$i; done; sync -f "+canaries)
	for _, newImage := range []bool{true, false} {
		s.sound = s.look() // with the canaries, and without the needs of the first edition alone
		s.change(s.edition.next(newImage))
		s.windows[newImage] = s.measure(newImage)
		s.converge()
	}
	return s
}

// end prints the result, and more of it after a failure.
func (s *series) end() {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tAFTER\tIN\tLAST LINE OF THE AGENT\tBOOTED\tOUTCOME\tTOOK")
	for i, r := range s.rounds {
		fmt.Fprintf(w, "%d\t%.1fs\t%s\t%s\t%s\t%s\t%.0fs\n", i+1, r.after.Seconds(), r.when, r.last, r.bootedWith(), r.outcome, r.took.Seconds())
	}
	w.Flush()
	s.t.Logf("%d losses of power:\n%s", len(s.rounds), table.String())
	if s.t.Failed() {
		const script = `ls -l --full-time /etc/davit/manifests; grep -o -m1 'VERSION.*}' /etc/davit/manifests/app.yaml; dmesg | grep -i ext4; for boot in -1 0; do echo "--- boot $boot"; journalctl --boot=$boot --no-hostname --output=short-precise | grep -v ' kernel: '; done`
		journal, err := s.Output(context.Background(), "sh", "-c", script)
		s.t.Logf("%v\n%s", err, journal)
	}
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *series) putFile(path, text string) {
	s.t.Helper()
	if err := s.Put(path, strings.NewReader(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// follow has the agent's lines of this boot from now on.
func (s *series) follow() {
	lines := make(chan string, 10000) // more than a boot has
	s.log = lines
	go func() {
		defer close(lines)
		// It ends with the boot.
		_ = s.Run(s.t.Context(), node.Command{
			Args:   []string{"journalctl", "--boot", "--follow", "--lines=all", "--output=cat", "--unit=davit"},
			Stdout: &lineWriter{to: lines},
		})
	}()
}

// lineWriter sends on whole lines.
type lineWriter struct {
	to   chan<- string
	rest []byte
}

// Write implements [io.Writer].
func (w *lineWriter) Write(text []byte) (int, error) {
	w.rest = append(w.rest, text...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		w.to <- string(line)
		w.rest = rest
	}
}

// change brings an edition's manifests. They are on the disk for certain; all that davit does about
// them is not.
func (s *series) change(to edition) {
	s.t.Helper()
	s.previous, s.edition, s.calm = s.edition, to, false
	for len(s.log) > 0 {
		<-s.log
	}
	s.Registry.Requests()
	const file = "/etc/davit/manifests/app.yaml"
	s.putFile(file, to.manifests())
	s.must("sync", file, filepath.Dir(file))
}

// lose cuts the power at a moment and boots the machine.
func (s *series) lose(m moment) {
	s.t.Helper()
	r, began := &round{moment: m}, time.Now()
	switch m.phase {
	case phaseBoot:
		s.machine.Kill()
		s.cutBoot(r)
	case phaseRecover:
		s.startAgent()
		s.pass(r, fractionOf(m.fraction, 0, s.recovering))
	default:
		s.converge()
		s.change(s.edition.next(m.newImage))
		s.await(r)
	}
	s.machine.Kill()
	s.calm = false
	s.boot(r)
	r.took = time.Since(began)
	s.rounds = append(s.rounds, r)
	s.t.Logf("round %d: %.1fs after a change, in %s (%s), booted %s, damaged: %d", len(s.rounds), r.after.Seconds(), r.when, r.last, r.bootedWith(), len(r.found.Broken))
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// cutBoot begins a boot and cuts the power in it.
func (s *series) cutBoot(r *round) {
	s.t.Helper()
	r.when, r.after = string(phaseBoot), fractionOf(r.fraction, 0, s.booting)
	ctx, cancel := context.WithTimeout(s.t.Context(), r.after)
	defer cancel()
	if err := s.machine.Crash(ctx); err != nil && ctx.Err() == nil {
		s.t.Fatal(err)
	}
}

// lean leaves out of a boot the services that only take time here.
var lean = []string{
	"systemd.mask=modprobe@configfs.service", "systemd.mask=modprobe@fuse.service", "systemd.mask=kmod-static-nodes.service",
	"systemd.mask=systemd-modules-load.service", "systemd.mask=systemd-network-generator.service",
	"systemd.mask=systemd-udev-load-credentials.service", "systemd.mask=systemd-random-seed.service",
	"systemd.mask=dev-hugepages.mount", "systemd.mask=dev-mqueue.mount", "systemd.mask=sys-kernel-debug.mount",
	"systemd.mask=sys-kernel-tracing.mount", "systemd.mask=sys-kernel-config.mount", "systemd.mask=sys-fs-fuse-connections.mount",
}

// pass lets time go by.
func (s *series) pass(r *round, wait time.Duration) {
	r.when, r.after = string(phaseRecover), wait
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case r.last = <-s.log:
		case <-timer.C:
			r.last = shorten(r.last)
			return
		}
	}
}

// boot boots the machine after a loss of power and looks at it, before the agent or while it runs.
func (s *series) boot(r *round) {
	s.t.Helper()
	s.machine.SetKernel(lean...)
	if r.agent {
		s.machine.SetKernel(append(slices.Clone(lean), "systemd.wants=davit.service")...)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), bootTimeout)
	defer cancel()
	began := time.Now()
	// The registry's listeners have gone with the machine, which is an error to some.
	_ = s.Registry.Down()
	if err := s.machine.Crash(ctx); err != nil {
		s.t.Fatal(err)
	}
	if err := s.registryUp(); err != nil {
		s.t.Fatal(err)
	}
	s.booting = time.Since(began)
	s.follow()
	r.found = s.look()
	if r.agent {
		return // it may be in the middle of something
	}
	for _, damage := range r.found.Broken {
		s.t.Logf("damaged: %s", damage)
	}
	s.damage += len(r.found.Broken)
	wanted := s.edition.units()
	for name, unit := range r.found.Units {
		// A new object's unit may be there before it was enabled, and one that goes after it was disabled.
		_, stays := wanted[name]
		if stays && s.sound.Units[name].Text != "" && unit.Active != "active" {
			s.t.Errorf("after a boot with no agent %s is %s", name, unit.Active)
		}
	}
}

func (s *series) startAgent() { s.must("systemctl", "start", "davit") }

// recoveryTimeout bounds the agent's work after a boot.
const recoveryTimeout = 10 * time.Minute

// converge has the agent finish its work, and judges the result and the state since the machine
// last was sound.
func (s *series) converge() {
	s.t.Helper()
	if s.calm {
		return
	}
	began := time.Now()
	s.startAgent()
	s.awaitPass()
	err := Until(s.t.Context(), recoveryTimeout, func(context.Context) error { return s.idle() })
	if err != nil {
		s.t.Fatalf("the agent does not come to an end: %v", err)
	}
	s.recovering = time.Since(began)
	now := s.look()
	s.checkFinished(now)
	for _, r := range s.rounds[s.unjudged:] {
		r.outcome = s.checkRound(r.found, now, !r.agent)
	}
	s.unjudged, s.sound, s.calm = len(s.rounds), now, true
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// awaitPass waits for the end of the agent's first pass of this boot, or the first since a change.
func (s *series) awaitPass() {
	s.t.Helper()
	for !strings.Contains(s.nextLine(), passEnded) {
	}
}

// idle reports the changes that a next pass would make, or an unhealthy object.
func (s *series) idle() error {
	var plan struct {
		Actions, Held []struct{ ID, Object, Reason string }
	}
	if err := s.ask(&plan, "davit", "plan", "--output=json"); err != nil {
		return err
	}
	if len(plan.Actions)+len(plan.Held) > 0 {
		return fmt.Errorf("planned %v, held %v", plan.Actions, plan.Held)
	}
	var status struct {
		Objects []struct {
			Object, State string
			Causes        []struct{ Message string }
		}
	}
	if err := s.ask(&status, "davit", "status", "--output=json"); err != nil {
		return err
	}
	for _, object := range status.Objects {
		if !strings.HasPrefix(object.State, "active ") || len(object.Causes) > 0 {
			return fmt.Errorf("%s: %s %v", object.Object, object.State, object.Causes)
		}
	}
	return nil
}

// ask returns the output of a command with any exit status: a plan that is not empty is no success.
func (s *series) ask(answer any, command ...string) error {
	var output, problem bytes.Buffer
	err := s.Run(s.t.Context(), node.Command{Args: command, Stdout: &output, Stderr: &problem})
	if json.Unmarshal(output.Bytes(), answer) != nil {
		return fmt.Errorf("%v: %w: %s", command, err, problem.String())
	}
	return nil
}

func (r *round) bootedWith() string {
	if r.agent {
		return "with the agent"
	}
	return "without"
}

// pick chooses a moment.
func pick(random *rand.Rand) moment {
	var deck []moment
	for _, w := range weights {
		deck = append(deck, slices.Repeat([]moment{{phase: w.phase, newImage: w.newImage}}, w.weight)...)
	}
	m := deck[random.IntN(len(deck))]
	m.fraction, m.agent = random.Float64(), random.IntN(3) == 0
	return m
}
