package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// simulation is a node in memory on which time passes: registries may not answer, and starts and stops
// take a while. It makes passes as the agent does.
type simulation struct {
	*reconciletest.Node
	now        time.Time
	kept       []history.Generation
	states     map[int]reconcile.Desired
	quarantine map[string]history.Quarantined
	// behave returns the behaviour of a unit that is started from a bundle.
	behave func(unit, bundleDir string) behaviour
	// available says whether an image can be pulled, and its reference resolved, now.
	available func(reference string) bool
	steady    bool // the answers of registries stay as they are
	last      struct {
		digest  string
		desired reconcile.Desired
	}
	suspended map[string]string    // facts that no event changes
	hold      string               // why nothing may be removed
	most      int                  // how many generations are kept; 0 for all
	until     map[string]time.Time // when systemd's job for a unit is done with its present step
	// systemd is another one than the simulation itself; nil for none.
	systemd interface {
		apply.UnitFiles
		apply.Services
		// look reads the actual state; carryOut begins the actions of a plan.
		look(desired reconcile.Desired)
		carryOut(plan reconcile.Plan)
	}
}

// behaviour is the behaviour of a version of a unit.
type behaviour struct {
	start, stop time.Duration // how long they take
	broken      bool          // its start fails
	neverReady  bool
	crash       time.Duration // how long after its start it crashes; 0 for never
}

func newSimulation() *simulation {
	return &simulation{
		Node: reconciletest.NewNode(), now: time.Unix(1_000_000, 0), states: map[int]reconcile.Desired{}, quarantine: map[string]history.Quarantined{},
		behave:    func(string, string) behaviour { return behaviour{start: time.Second, stop: time.Second} },
		available: func(string) bool { return true },
		until:     map[string]time.Time{},
	}
}

func (s *simulation) drivers() apply.Drivers {
	drivers := apply.Drivers{Images: s, Networks: s, Volumes: s, Bundles: s, UnitFiles: s, Services: s, Repairs: s}
	if s.systemd != nil {
		drivers.UnitFiles, drivers.Services = s.systemd, s.systemd
	}
	return drivers
}

// EnsureImage implements [Images].
func (s *simulation) EnsureImage(ctx context.Context, image reconcile.Image) error {
	if !s.available(image.Reference) {
		return reconcile.Waiting{For: "pull of " + image.Reference}
	}
	return s.Node.EnsureImage(ctx, image)
}

// StartUnit implements [Services].
func (s *simulation) StartUnit(_ context.Context, name string) error {
	return s.queue("start", name)
}

// RestartUnit implements [Services].
func (s *simulation) RestartUnit(_ context.Context, name string) error {
	return s.queue("restart", name)
}

// StopUnit implements [Services].
func (s *simulation) StopUnit(_ context.Context, name string) error {
	return s.queue("stop", name)
}

// queue begins a job as systemd does.
func (s *simulation) queue(verb, name string) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Calls = append(s.Calls, verb+" "+name)
	current, exists := s.Actual.Workloads[name]
	if !exists {
		return nil
	}
	switch {
	case current.NeedReload:
		return fmt.Errorf("%s was not reloaded", name)
	case verb == "start" && current.Active == "active":
		return nil
	case verb == "start":
		s.begin(name, &current)
	case current.IsDown() && verb == "restart":
		s.begin(name, &current)
	case current.IsDown():
		return nil
	default:
		current.Active, current.Sub, current.Job = "deactivating", "stop", verb
		s.until[name] = s.now.Add(s.behave(name, current.RunningDir).stop)
	}
	s.Actual.Workloads[name] = current
	return reconcile.Waiting{For: verb + " of " + name}
}

// begin has a unit start from the loaded unit file.
func (s *simulation) begin(name string, current *reconcile.ActualWorkload) {
	current.Active, current.Sub, current.Job, current.Result, current.Started = "activating", "start", "start", "success", true
	current.RunningDir, current.Running = current.BundleDir, nil
	current.Run = &reconcile.Run{Begun: s.now}
	s.until[name] = s.now.Add(s.behave(name, current.BundleDir).start)
}

// tick lets a second pass.
func (s *simulation) tick() {
	s.now = s.now.Add(time.Second)
	for name, current := range s.Actual.Workloads {
		if until, busy := s.until[name]; !busy || until.After(s.now) {
			continue
		}
		switch behaves := s.behave(name, current.RunningDir); {
		case current.Active == "deactivating" && current.Job == "restart":
			s.begin(name, &current)
		case current.Active == "deactivating":
			delete(s.until, name)
			current.Active, current.Sub, current.Job, current.RunningDir, current.Running = "inactive", "dead", "", "", nil
		case current.Active == "activating" && behaves.neverReady:
			continue
		case current.Active == "activating" && behaves.broken:
			delete(s.until, name)
			current.Sub, current.Job, current.Result, current.RunningDir = "auto-restart", "", "exit-code", ""
			current.Run.Restarts++
		case current.Active == "activating":
			delete(s.until, name)
			current.Active, current.Sub, current.Job, current.Run.Entered = "active", "running", "", s.now
			if behaves.crash > 0 {
				s.until[name] = s.now.Add(behaves.crash)
			}
		case current.Active == "active":
			delete(s.until, name)
			current.Active, current.Sub, current.Result, current.RunningDir = "activating", "auto-restart", "exit-code", ""
			current.Run.Restarts++
		}
		s.Actual.Workloads[name] = current
	}
}

// desire resolves the images of registries that answer.
func (s *simulation) desire(objects []object.Object) reconcile.Desired {
	images := reconciletest.Resolved(objects, reconciletest.Command)
	for request := range images {
		if !s.available(request.Reference) {
			images[request] = resolve.ImageResult{Err: reconcile.Waiting{For: "answer about " + request.Reference}}
		}
	}
	return resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode})
}

// wanted is the desired state of manifests, resolved once if registries always answer the same.
func (s *simulation) wanted(objects []object.Object, digest string) reconcile.Desired {
	if s.last.digest != digest || !s.steady {
		s.last.digest, s.last.desired = digest, s.desire(objects)
	}
	return s.last.desired
}

// pass brings the node to the state of the manifests, as far as that is possible now. It returns the remaining actions.
func (s *simulation) pass(objects []object.Object, digest string) reconcile.Plan {
	for range 3 {
		wanted := s.wanted(objects, digest)
		s.quarantine = history.Lasting(s.quarantine, wanted, s.hold == "")
		desired, held, _ := history.Settle(wanted, s.quarantine, s.kept, s.earlier)
		if s.systemd != nil {
			s.systemd.look(desired)
		}
		if s.judge(desired) {
			continue
		}
		if spared := history.LastConfirmed(s.kept, s.Actual); s.most > 0 {
			all := s.kept
			s.kept = slices.DeleteFunc(slices.Clone(all), func(g history.Generation) bool { return g.Number < all[0].Number-s.most+1 && !spared[g.Number] })
		}
		options := diff.Options{Kept: s.kept, Held: held, Now: s.now, HoldPrune: s.hold, Suspended: s.suspended}
		if len(s.kept) > 0 {
			options.Owed, options.OwedAt, options.RunsOn = s.kept[0].Owed, s.kept[0].OwedAt, s.kept[0].RunsOn
		}
		plan := diff.Diff(desired, s.Actual, options)
		if plan.Empty() {
			return plan
		}
		generation := s.revise(desired, plan, digest)
		s.Desired = desired
		_ = apply.Apply(context.Background(), plan, desired, s.drivers(), generation.Record)
		if s.systemd != nil {
			s.systemd.carryOut(plan)
		}
		generation.Forgo()
		if !s.keep(generation, desired) {
			return plan
		}
	}
	return reconcile.Plan{}
}

// earlier returns the desired state of a generation. Its resources must not have been removed.
func (s *simulation) earlier(number int) (reconcile.Desired, error) {
	for _, workload := range s.states[number].Workloads {
		if workload.BundleDir != "" && !slices.Contains(s.Actual.Bundles, workload.BundleDir) {
			return reconcile.Desired{}, fmt.Errorf("generation %d: %s is not there any more", number, workload.BundleDir)
		}
	}
	return s.states[number], nil
}

// revise begins the next generation, or goes on with the newest.
func (s *simulation) revise(desired reconcile.Desired, plan reconcile.Plan, digest string) history.Generation {
	var generation history.Generation
	id := fmt.Sprint(history.Versions(desired), history.WaitingOf(desired))
	switch {
	case len(s.kept) > 0 && s.kept[0].Digest == id && s.kept[0].Manifests == digest:
		generation = s.kept[0]
	case len(s.kept) > 0 && s.kept[0].Joins(desired, digest):
		generation = s.kept[0].Join(desired, id)
		s.kept[0], s.states[generation.Number] = generation, desired
	default:
		generation = history.NewGeneration(len(s.states)+1, desired, id, s.now)
		generation.Manifests = digest
		generation.Inherit(s.kept)
		s.kept, s.states[generation.Number] = slices.Insert(s.kept, 0, generation), desired
	}
	generation.Retry(plan)
	generation.Owe(plan, desired, s.Actual, s.now)
	return generation
}

// keep takes a generation's record down. It reports whether an object of it is taken back.
func (s *simulation) keep(generation history.Generation, desired reconcile.Desired) bool {
	generation.Settle()
	s.kept[0] = generation
	for i := range s.kept[1:] {
		s.kept[1+i].Learn(generation)
	}
	bad := history.TakeBack(desired, s.quarantine, s.kept, s.now)
	for object, version := range bad {
		s.quarantine[object] = version
	}
	return len(bad) > 0
}

// judge takes the verdicts down. It reports whether an object is taken back.
func (s *simulation) judge(desired reconcile.Desired) bool {
	if len(s.kept) == 0 {
		return false
	}
	newest, judged := s.kept[0], map[string]string{}
	if len(newest.Unconfirmed) > 0 {
		versions := history.Versions(desired)
		for object, reason := range newest.Unconfirmed {
			if versions[object] == newest.Objects[object] {
				judged[object] = reason
			}
		}
	}
	newest.Arrived(desired, s.Actual)
	newest.Await(desired)
	for object, verdict := range history.Judge(desired, s.Actual, judged, s.now) {
		switch {
		case newest.Excuses(object, verdict):
		case verdict.Progress == history.Confirmed:
			newest.Confirm(object)
		case verdict.Progress == history.Broken:
			newest.Fail(object, verdict.Reason)
		}
	}
	return s.keep(newest, desired)
}

// runs reports whether a unit is up in the version that is desired.
func (s *simulation) runs(unit string, desired reconcile.Desired) bool {
	return s.Actual.Workloads[unit].IsSettled(desired.Workloads[unit])
}

func TestSimulationMakesAContainerRun(t *testing.T) {
	t.Parallel()
	s := newSimulation()
	objects := reconciletest.Load(t, reconciletest.Container("web", "hostNetwork: true"))
	for range 3 {
		s.pass(objects, "one")
		s.tick()
	}
	if !s.runs("web.service", s.desire(objects)) {
		t.Errorf("web is %+v", s.Actual.Workloads["web.service"])
	}
	for range 15 {
		s.tick()
		s.pass(objects, "one")
	}
	if !s.kept[0].Works(reconciletest.WebObject) || s.kept[0].State != history.Applied {
		t.Errorf("not confirmed: %s", s.kept[0].Summary())
	}
}
