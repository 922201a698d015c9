package resolve

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// lowered is the result for one object: services, and the units that group and start them.
type lowered struct {
	slices     []units.Slice
	sandboxes  []sandbox
	containers []runnable
	targets    []units.Target
	timers     []units.Timer
	triggers   []units.Trigger
	sockets    []units.Socket
	// spares stand in for the rest while that is restarted.
	spares []lowered
}

// units are the names of its units, without those of its spares.
func (l lowered) units() []string {
	var names []string
	for _, box := range l.sandboxes {
		names = append(names, box.unit())
	}
	for _, run := range l.containers {
		names = append(names, run.unit())
	}
	for _, target := range l.targets {
		names = append(names, target.Name)
	}
	for _, timer := range l.timers {
		names = append(names, timer.Name)
	}
	for _, socket := range l.sockets {
		names = append(names, socket.Name)
	}
	return names
}

// runnable is one container to run as one service, of any kind of object.
type runnable struct {
	ref v1.Ref
	// at is the path of its fields in the object, podAt that of the fields that it shares with others.
	at, podAt string
	// name is the unit's without ".service", and the container's id.
	name string
	// hostname is its host name where the manifest has none, names are how others reach it.
	hostname string
	names    []string
	// meta is the metadata for the downward API.
	meta v1.ObjectMeta
	// sandbox is the id of the sandbox it shares; empty means that it has its own.
	sandbox string
	// sharesProcesses is set when the sandbox has a process namespace.
	sharesProcesses bool
	// pod are the resources of its pod's containers, by their names; nil for a Container.
	pod map[string]v1.Resources
	// fsGroup is the pod's group for its files; 0 for none.
	fsGroup int64
	// hugePages are those of all who share its volumes.
	hugePages hugePages
	// replica is set for one of several that answer to one name, if only for a while.
	replica bool
	// helper is set for containers that only prepare or serve the others: init containers and sidecars.
	helper bool
	service
	v1.ContainerSpec
}

// service is how a container or a sandbox stands among the node's units.
type service struct {
	role units.Role
	keep reconcile.Keep
	// dependencies come on top of those that the manifest declares.
	dependencies units.Dependencies
	wantedBy     []string
	// slice is the slice of its pod; empty means that of all containers.
	slice string
	// startAfterwards are started once a oneshot has succeeded.
	startAfterwards []string
	// ttl is how long a finished job's units are kept, in seconds; nil means for ever.
	ttl *int32
	// retryPeriod is the time over which retries are counted; 0 means since boot.
	retryPeriod time.Duration
	due         bundle.Due
	// whileNeeded stops it when nothing needs it any more.
	whileNeeded bool
}

// lower returns the services of an object; an object of another kind has none. It fails for objects that davit cannot run.
func lower(object v1.Object) (lowered, error) {
	l, err := lowerKind(object)
	for i := range l.containers {
		l.listen(&l.containers[i])
	}
	return l, err
}

func lowerKind(object v1.Object) (lowered, error) {
	switch object := object.(type) {
	case *v1.Container:
		run := containerOf(object)
		var err error
		run.hugePages, err = hugePagesOf(nil, []v1.ResourceList{run.Resources.Limits}, nil)
		return lowered{containers: []runnable{run}, spares: run.spares()}, err
	case *v1.Pod:
		return lowerPod(object)
	case *v1.Job:
		return lowerJob(object.Ref(), object.Metadata, object.Spec, "spec.template.spec", service{wantedBy: []string{units.MultiUser}, keep: reconcile.KeepStarted}, "")
	case *v1.CronJob:
		return lowerCronJob(object)
	default:
		return lowered{}, nil
	}
}

func containerOf(object *v1.Container) runnable {
	name := object.Metadata.Name
	run := runnable{
		ref: object.Ref(), at: "spec", podAt: "spec", name: name, hostname: name, names: []string{name}, meta: object.Metadata,
		replica:       surgeOf(object.Spec.UpdatePolicy) > 0,
		service:       service{wantedBy: []string{units.MultiUser}, keep: keepOf(object.Spec)},
		ContainerSpec: object.Spec,
	}
	if object.Spec.Oneshot {
		run.role = units.RoleOneshot
	}
	return run
}

// keepOf says when a container that does not run is started.
func keepOf(spec v1.ContainerSpec) reconcile.Keep {
	probe := spec.LivenessProbe
	stops := probe != nil && probe.OnFailure == v1.OnFailureStop
	if restartOf(spec) == restartAlways && !stops {
		return reconcile.KeepRunning
	}
	return reconcile.KeepStarted
}

// main are the units that other objects wait for when they wait for this one.
func (l lowered) main() []string {
	var names []string
	for _, run := range l.containers {
		if !run.helper && run.keep != reconcile.KeepIdle {
			names = append(names, run.unit())
		}
	}
	for _, socket := range l.sockets {
		names = append(names, socket.Name)
	}
	return names
}

// runsOnce reports whether a unit runs once, whether it fails or not. With Wants=, systemd would start one that has failed
// again each time that it starts a dependant, also when that has crashed: davit and [Install] start it alone.
func (l lowered) runsOnce(unit string) bool {
	return slices.ContainsFunc(l.containers, func(run runnable) bool {
		return run.unit() == unit && (run.role == units.RoleJob || restartOf(run.ContainerSpec) == reconcile.RestartNever)
	})
}

// add joins the result of one instance of an object with that of the others.
func (l *lowered) add(other lowered) {
	l.slices = append(l.slices, other.slices...)
	l.sandboxes = append(l.sandboxes, other.sandboxes...)
	l.containers = append(l.containers, other.containers...)
	l.targets = append(l.targets, other.targets...)
	l.timers = append(l.timers, other.timers...)
	l.triggers = append(l.triggers, other.triggers...)
	l.sockets = append(l.sockets, other.sockets...)
	l.spares = append(l.spares, other.spares...)
}

// other returns the result for an object that another one names; ok is false if davit cannot run it, or it does not exist.
func (r *resolver) other(ref v1.Ref) (l lowered, ok bool) {
	if l, ok = r.lowered[ref]; ok {
		return l, true
	}
	for _, object := range r.byName[ref.Name] {
		if object.Ref() != ref {
			continue
		}
		l, err := lower(object.Object)
		if err != nil {
			return lowered{}, false
		}
		r.lowered[ref] = l
		return l, true
	}
	return lowered{}, false
}

// claimUnit reports two objects with one unit.
func (r *resolver) claimUnit(unit string, ref v1.Ref) error {
	if owner, taken := r.owners[unit]; taken {
		return conflictError{fmt.Errorf("its unit %s is %s's already: rename one of them", unit, owner)}
	}
	r.owners[unit] = ref
	r.made.units = append(r.made.units, unit)
	return nil
}

// lower adds the result of one object to the desired state, all of it or nothing.
func (r *resolver) lower(object object.Object) error {
	l, err := lower(object.Object)
	if job, ok := object.Object.(*v1.CronJob); ok && err == nil {
		err = r.makeUp(&l, job.Spec)
	}
	if err != nil {
		return err
	}
	err = r.parts(l, object)
	for _, spare := range l.spares {
		err = errors.Join(err, r.parts(spare, object))
		r.setAside(spare)
	}
	if err != nil {
		r.withdraw(object.Ref())
	}
	return err
}

// parts adds the result of one object to the desired state, as far as it can be resolved.
func (r *resolver) parts(l lowered, object object.Object) error {
	for _, step := range []func() error{
		func() error { return each(l.sandboxes, func(s sandbox) error { return r.sandbox(s, object.Source) }) },
		func() error {
			return each(l.containers, func(run runnable) error { return at(run.at, r.container(run, object.Source)) })
		},
		func() error { return r.groups(l, object) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func each[T any](all []T, f func(T) error) error {
	for _, one := range all {
		if err := f(one); err != nil {
			return err
		}
	}
	return nil
}

// withdraw removes the parts of an object that cannot be resolved from the desired state.
func (r *resolver) withdraw(ref v1.Ref) {
	gone := func(_ string, workload reconcile.Workload) bool { return workload.Ref == ref }
	maps.DeleteFunc(r.desired.Workloads, gone)
	maps.DeleteFunc(r.desired.Spares, gone)
}

// groups makes the units desired that have no process of their own.
func (r *resolver) groups(l lowered, object object.Object) error {
	for _, slice := range l.slices {
		r.describe(&slice.Head, object)
		text, err := units.RenderSlice(slice)
		if err := r.group(slice.Name, reconcile.Workload{UnitText: text, Keep: reconcile.KeepIdle}, err, object); err != nil {
			return err
		}
	}
	for _, target := range l.targets {
		r.describe(&target.Head, object)
		text, err := units.RenderTarget(target)
		if err := r.group(target.Name, reconcile.Workload{UnitText: text}, err, object); err != nil {
			return err
		}
	}
	for _, timer := range l.timers {
		r.describe(&timer.Head, object)
		text, err := units.RenderTimer(timer)
		if err := r.group(timer.Name, reconcile.Workload{UnitText: text}, err, object); err != nil {
			return err
		}
	}
	for _, socket := range l.sockets {
		r.describe(&socket.Head, object)
		text, err := units.RenderSocket(socket)
		if err := r.group(socket.Name, reconcile.Workload{UnitText: text, Triggers: socket.Service}, err, object); err != nil {
			return err
		}
	}
	for _, trigger := range l.triggers {
		r.describe(&trigger.Head, object)
		trigger.Launcher = r.in.Node.Launcher
		// systemd tells a service which timer started it, and that is the trigger.
		if last := l.containers[len(l.containers)-1]; len(last.due.Events) > 0 {
			trigger.DueBundle = bundle.Path(r.desired.Workloads[last.unit()].BundleDir)
		}
		text, err := units.RenderTrigger(trigger)
		if err := r.group(trigger.Name, reconcile.Workload{UnitText: text, Keep: reconcile.KeepIdle}, err, object); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) describe(head *units.Head, object object.Object) {
	head.SourcePath, head.Description = object.Source.File, object.Ref().String()
	head.Stamp = r.stamp(object.Ref())
}

// group makes one desired, unless it could not be rendered.
func (r *resolver) group(unit string, workload reconcile.Workload, err error, object object.Object) error {
	if err != nil {
		return err
	}
	if err := r.claimUnit(unit, object.Ref()); err != nil {
		return err
	}
	workload.Ref, workload.Source = object.Ref(), object.Source.String()
	r.desired.Workloads[unit] = workload
	return nil
}

// joined returns the dependencies of both.
func joined(a, b units.Dependencies) units.Dependencies {
	return units.Dependencies{
		After:    slices.Concat(a.After, b.After),
		Wants:    slices.Concat(a.Wants, b.Wants),
		Requires: slices.Concat(a.Requires, b.Requires),
		BindsTo:  slices.Concat(a.BindsTo, b.BindsTo),
		PartOf:   slices.Concat(a.PartOf, b.PartOf),
	}
}
