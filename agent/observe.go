package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/davit-project/davit/agent/bundles"
	"github.com/davit-project/davit/agent/health"
	"github.com/davit-project/davit/agent/images"
	"github.com/davit-project/davit/agent/listeners"
	"github.com/davit-project/davit/agent/networks"
	"github.com/davit-project/davit/agent/volumes"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
	"github.com/davit-project/davit/units/systemd"
)

// question is one to systemd, for all units at once; the disk is read while it thinks.
type question struct {
	// heard says that changes of units are heard of: units that have not changed are not asked for again.
	heard bool

	done   chan struct{}
	states map[string]units.State
	err    error
}

// ask asks systemd for the units of files.
func (n *Node) ask(ctx context.Context, files map[string]units.Own, heard bool) *question {
	q := &question{heard: heard, done: make(chan struct{})}
	go func() {
		defer close(q.done)
		q.states, q.err = n.Systemd.States(ctx, slices.Sorted(maps.Keys(files)))
	}()
	return q
}

// answer waits for the answer. It is the caller's own, and may be asked for once.
func (q *question) answer() (map[string]units.State, error) {
	<-q.done
	return q.states, q.err
}

// readActual reads the actual state from systemd and the disk: of the units that davit's files are of, with more of
// those of objects that are judged. asked is the question about the units.
func (n *Node) readActual(
	ctx context.Context, files map[string]units.Own, desired reconcile.Desired, judged map[string]string, asked *question,
) (reconcile.Actual, error) {
	var actual reconcile.Actual
	var reads errgroup.Group
	for _, read := range []func() error{
		func() (err error) { actual.Workloads, err = n.workloads(ctx, files, desired, judged, asked); return },
		func() (err error) { actual.Images, err = images.List(); return },
		func() (err error) { actual.Networks, err = networks.List(); return },
		func() (err error) { actual.Volumes, err = volumes.List(); return },
		func() (err error) { actual.Bundles, err = bundles.List(); return },
		func() (err error) { actual.Completed, actual.PutAside, err = bundles.Completed(); return },
	} {
		reads.Go(read)
	}
	err := reads.Wait()
	if err == nil {
		n.noteDamage(actual.Workloads)
		actual.Foreign, err = n.foreign(ctx, desired, actual)
	}
	if err == nil {
		err = noteListeners(desired, &actual)
	}
	if err != nil {
		return reconcile.Actual{}, fmt.Errorf("observe the node: %w", err)
	}
	n.bundles.Forget(actual.Bundles)
	n.known.retain(files)
	return actual, nil
}

// workloads reads davit's unit files and systemd's state of the units.
func (n *Node) workloads(
	ctx context.Context, files map[string]units.Own, desired reconcile.Desired, judged map[string]string, asked *question,
) (map[string]reconcile.ActualWorkload, error) {
	pending := systemd.PendingReload()
	shadows, err := systemd.Shadows(files)
	if err != nil {
		return nil, err
	}
	links, err := systemd.ReadEnabled()
	if err != nil {
		return nil, err
	}
	// systemd needs about as long for its answer as the rest takes to read.
	var reads errgroup.Group
	var states map[string]units.State
	var workloads map[string]reconcile.ActualWorkload
	reads.Go(func() (err error) {
		states, err = n.states(ctx, asked, desired, pending, shadows)
		return err
	})
	reads.Go(func() (err error) {
		workloads, err = n.onDisk(files, desired)
		return err
	})
	if err := reads.Wait(); err != nil {
		return nil, err
	}
	for name, workload := range workloads {
		state := states[name]
		workload.NeedReload = pending && state.NeedDaemonReload || unread(state) || n.shadowed[name] != "" && shadows[name] == ""
		workload.Enabled = enabled(state, links.Lacks(name, files[name]))
		workload.Shadow = shadows[name]
		workload.ShadowUnread = workload.Shadow != "" && state.FragmentPath != workload.Shadow
		workload.Active, workload.Sub, workload.Result = state.ActiveState, state.SubState, state.Result
		workload.Job, workload.Restarts = state.Job, int(state.Restarts)
		workload.Since, workload.Begun = moment(state.Since), moment(state.Started)
		workload.Left, workload.Ended = moment(state.Left), moment(state.Ended)
		workload.Started = state.Started != 0 || state.ActiveState == names.Active
		workload.Asked = workload.Active == names.Failed && workload.Bundle != nil && wasAsked(name, state)
		if _, asked := judged[workload.Ref.String()]; asked && workload.Bundle != nil {
			run, err := n.run(ctx, name, workload, state)
			if err != nil {
				return nil, err
			}
			workload.Run = run
		}
		workloads[name] = workload
	}
	n.noteQueued(desired, workloads, time.Now())
	return workloads, nil
}

// moment is one of systemd's times; zero for never.
func moment(micros uint64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(micros))
}

// wasAsked reports whether the last run of a unit ended because the unit was asked to stop, and not by the agent.
func wasAsked(unit string, state units.State) bool {
	run := lastRun(unit)
	return run != nil && run.Asked && run.Failure == nil && run.Invocation == state.Invocation
}

// run reads more properties of a running unit. systemd's answers of this look are newer than earlier facts: a unit that was
// restarted in the meantime may be in the same state again.
func (n *Node) run(ctx context.Context, unit string, workload reconcile.ActualWorkload, state units.State) (_ *reconcile.Run, err error) {
	if state.Invocation == "" {
		state, err = n.known.get(unit, isAs(unit, workload), func() (units.State, error) { return n.stateOf(ctx, unit, workload) })
		state = whileItWaits(unit, state, time.Now())
	}
	if err != nil {
		return nil, err
	}
	run := &reconcile.Run{
		Invocation: state.Invocation, Restarts: int(state.Restarts),
		Begun: time.UnixMicro(int64(state.Started)), Entered: time.UnixMicro(int64(max(state.Entered, state.Since))),
	}
	if reloads(workload.Bundle) {
		if run.ReloadFailed, err = n.Systemd.ReloadFailed(ctx, unit); err != nil {
			return nil, err
		}
	}
	run.Last = lastRun(unit)
	if workload.Bundle.Health.Readiness == nil || !health.Watched() {
		return run, nil
	}
	if record := health.Read(workload.Bundle.ID); record != nil && record.Invocation == state.Invocation {
		run.Ready = &reconcile.Readiness{Ready: record.Ready, Since: record.Since, Reason: record.Reason}
	}
	return run, nil
}

func reloads(b *bundle.Bundle) bool { return b.Reload.Signal != "" || len(b.Reload.Exec) > 0 }

// noteQueued takes down of the units that are judged since when nothing precedes their starts, and forgets those
// that have no job.
func (n *Node) noteQueued(desired reconcile.Desired, workloads map[string]reconcile.ActualWorkload, now time.Time) {
	queued := map[string]time.Time{}
	for unit, workload := range workloads {
		since, known := n.queued[unit]
		waits := workload.Job != "" && workload.Active != names.Activating
		if !waits || !known && workload.Run == nil || reconcile.Precedes(desired.Workload(unit), workload, workloads) != "" {
			continue
		}
		if !known {
			since = now
		}
		queued[unit] = since
		if workload.Run != nil {
			workload.Run.Queued = since
		}
	}
	n.queued = queued
}

// onDisk reads the files of davit's units.
func (n *Node) onDisk(files map[string]units.Own, desired reconcile.Desired) (map[string]reconcile.ActualWorkload, error) {
	dirs, err := runningDirs()
	if err != nil {
		return nil, err
	}
	workloads := make(map[string]reconcile.ActualWorkload, len(files))
	for name, own := range files {
		running := dirs[names.ID(name)]
		dir := ""
		if own.Bundle != "" {
			dir = filepath.Base(own.Bundle)
		}
		workloads[name] = reconcile.ActualWorkload{
			Ref:        parseRef(own.Object),
			Keep:       own.Keep,
			SourcePath: own.SourcePath,
			UnitText:   own.Text,
			BundleDir:  dir,
			Bundle:     n.bundleOf(desired.Workload(name), dir),
			RunningDir: running,
		}
		if workload := workloads[name]; running != "" && running != dir {
			workload.Running = n.bundles.Read(running)
			workloads[name] = workload
		}
	}
	return workloads, nil
}

// states reads systemd's states of units: all in one round trip, and some hundred further properties only for units that are not
// plain and for units that these require; for all of them while a reload is pending, and for units whose file another one
// overrides.
func (n *Node) states(
	ctx context.Context, asked *question, desired reconcile.Desired, pending bool, shadows map[string]string,
) (map[string]units.State, error) {
	states, err := asked.answer()
	if err != nil {
		return nil, err
	}
	isShadowed := func(name string) bool { return shadows[name] != "" || n.shadowed[name] != "" }
	unplain, required := map[string]units.State{}, map[string]bool{}
	for name, state := range states {
		if !pending && !isShadowed(name) && isPlain(name, state, desired.Workload(name).Keep) {
			state.Result, state.FragmentPath = "success", filepath.Join(bundle.UnitsDir, name)
			states[name] = state
			continue
		}
		unplain[name] = state
		for _, needed := range desired.Workload(name).Needs() {
			if other, own := states[needed]; own {
				unplain[needed] = other
			}
			required[needed] = required[needed] || state.ActiveState.Down()
		}
	}
	for _, name := range requireAny(desired, required) { // they may have stopped together, and run again
		if state, own := states[name]; own {
			unplain[name] = state
		}
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statesAtOnce)
	for name, listed := range unplain {
		group.Go(func() error {
			// Fewer properties of active units may be known.
			isCurrent := func(known units.State) bool {
				return asked.heard && !pending && !isShadowed(name) && listed.ActiveState != names.Active &&
					known.ActiveState == listed.ActiveState && known.SubState == listed.SubState && known.HasJob == listed.HasJob
			}
			state, err := n.known.get(name, isCurrent, func() (units.State, error) { return n.Systemd.State(ctx, name) })
			state.Job = listed.Job
			mu.Lock()
			defer mu.Unlock()
			states[name] = whileItWaits(name, state, time.Now())
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	n.noteShadows(shadows, states)
	return states, nil
}

// requireAny are the units that require one of some.
func requireAny(desired reconcile.Desired, required map[string]bool) []string {
	var found []string
	if len(required) == 0 {
		return nil
	}
	for name, workload := range desired.Workloads {
		if slices.ContainsFunc(workload.Needs(), func(needed string) bool { return required[needed] }) {
			found = append(found, name)
		}
	}
	return found
}

// isPlain reports whether a unit is in the usual state: it has been started from its present file, and nothing went wrong. A
// slice that is active may exist without its file. The end of a service that only others start, and that waits for them, does not
// matter.
func isPlain(name string, state units.State, keep reconcile.Keep) bool {
	switch {
	case state.LoadState != "loaded" || state.HasJob || names.IsSlice(name):
		return false
	case state.ActiveState == names.Inactive:
		return (keep == reconcile.KeepIdle || keep == reconcile.KeepApart) && state.SubState == names.Dead
	default:
		return state.ActiveState == names.Active
	}
}

// unread reports that systemd knows nothing of a unit's file; a slice without one it makes up.
func unread(state units.State) bool {
	return state.LoadState == "not-found" || state.LoadState == "loaded" && state.FragmentPath == ""
}

// bundleOf is the bundle in a directory, which a unit has; a timer or a target has none. Where it is the
// one that is wanted, and most are, it is neither decoded nor kept a second time.
func (n *Node) bundleOf(wanted reconcile.Workload, dir string) *bundle.Bundle {
	switch {
	case dir == "":
		return nil
	case dir == wanted.BundleDir && n.bundles.Whole(dir, wanted.Bundle):
		return wanted.Bundle
	default:
		return n.bundles.Read(dir)
	}
}

// enabled is the unit file's state; a mask counts wherever systemd shows it. The links on the disk are newer than systemd's
// memory of them.
func enabled(state units.State, lacksLinks bool) string {
	switch {
	case state.LoadState == "masked":
		return "masked"
	case lacksLinks && (state.UnitFileState == "" || state.UnitFileState == "enabled"):
		return "disabled"
	default:
		return state.UnitFileState
	}
}

// runningDirs are the names of the bundles that containers were started from, by the containers' ids. It has those that
// run, but where something else than a link is in its place.
func runningDirs() (map[string]string, error) {
	entries, err := os.ReadDir(bundle.AttachmentsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list running containers: %w", err)
	}
	running := make(map[string]string, len(entries))
	for _, entry := range entries {
		if path, err := os.Readlink(bundle.RunningBundle(entry.Name())); err == nil {
			running[entry.Name()] = filepath.Base(bundleFrom(path, entry.Name()))
		}
	}
	return running, nil
}

// bundleFrom is the bundle that a container was started from. A launcher of a davit whose units name bundles themselves
// records the link that it was given: that leads to the bundle still if it is older than the record.
func bundleFrom(recorded, id string) string {
	if filepath.Dir(recorded) != bundle.CurrentDir {
		return recorded
	}
	link, err := os.Lstat(recorded)
	if err != nil {
		return recorded
	}
	record, err := os.Lstat(bundle.RunningBundle(id))
	if err != nil || link.ModTime().After(record.ModTime()) {
		return recorded
	}
	if dir, err := os.Readlink(recorded); err == nil {
		return dir
	}
	return recorded
}

// foreign finds the desired units whose names others have.
func (n *Node) foreign(ctx context.Context, desired reconcile.Desired, actual reconcile.Actual) (map[string]string, error) {
	var missing []string
	for name := range desired.Workloads {
		if _, own := actual.Workloads[name]; !own {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 { // in most passes there are none
		running, err := runningDirs()
		if err != nil {
			return nil, err
		}
		// A container that davit started may still run although its unit file was removed.
		missing = slices.DeleteFunc(missing, func(name string) bool { return running[names.ID(name)] != "" })
	}
	return n.Systemd.Foreign(ctx, missing)
}

// noteListeners notes which programs of the node listen on ports that units are to publish, or publish already.
func noteListeners(desired reconcile.Desired, actual *reconcile.Actual) error {
	var ports []bundle.Port
	for _, workload := range desired.Workloads {
		if workload.Bundle != nil {
			ports = append(ports, workload.Bundle.Network.Ports...)
		}
	}
	for _, current := range actual.Workloads {
		ports = append(ports, published(current)...)
	}
	found, err := listeners.Of(ports)
	if err != nil || len(found) == 0 {
		return err
	}
	actual.Listeners = make(map[bundle.Port]string, len(found))
	for port, all := range found {
		for _, listener := range all {
			by, own := actual.Workloads[listener.Unit()]
			if !own || !publishes(desired, by.Ref, listener) { // otherwise it lets go of the port before it starts again
				actual.Listeners[port] = listener.Conflict()
				break
			}
		}
	}
	for unit, current := range actual.Workloads {
		for _, port := range published(current) {
			current.Contested = cmp.Or(current.Contested, actual.Listeners[port])
		}
		actual.Workloads[unit] = current
	}
	return nil
}

// publishes reports whether an object is to publish the port on which a program of its own listens.
func publishes(desired reconcile.Desired, ref v1.Ref, own listeners.Listener) bool {
	isOwn := func(port bundle.Port) bool { return port.Protocol == own.Protocol && port.Contains(int32(own.Port)) }
	for _, workload := range desired.Workloads {
		if workload.Ref == ref && workload.Bundle != nil && slices.ContainsFunc(workload.Bundle.Network.Ports, isOwn) {
			return true
		}
	}
	return false
}

// published are the ports that a unit publishes now.
func published(current reconcile.ActualWorkload) []bundle.Port {
	b := current.Running
	if current.RunningDir == current.BundleDir {
		b = current.Bundle
	}
	if b == nil || current.RunningDir == "" {
		return nil
	}
	return b.Network.Ports
}

func parseRef(text string) v1.Ref {
	kind, name, _ := strings.Cut(text, "/")
	return v1.Ref{Kind: kind, Name: name}
}
