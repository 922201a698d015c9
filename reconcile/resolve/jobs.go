package resolve

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// defaultBackoffLimit is Kubernetes' for jobs.
const defaultBackoffLimit = 6

// lowerJob lowers a job to one service that runs to its end, <job>.service, or for several
// completions to <job>@0.service and so on. A pod of several containers is named as any pod's is;
// its sandbox and its sidecars stop when its containers have ended. number tells it from other runs
// of the same job: "@2", or nothing. podAt is the path of the pod's specification.
func lowerJob(ref v1.Ref, meta v1.ObjectMeta, job v1.JobSpec, podAt string, as service, number string) (lowered, error) {
	if job.Suspend {
		return lowered{}, nil
	}
	name := meta.Name
	if job.Template.Metadata.Labels != nil {
		meta.Labels = job.Template.Metadata.Labels
	}
	if job.Template.Metadata.Annotations != nil {
		meta.Annotations = job.Template.Metadata.Annotations
	}
	completions, parallelism := jobSize(job)
	as.role = units.RoleJob
	if as.keep == reconcile.KeepApart {
		as.role = units.RoleTask
	}
	var all lowered
	var lanes []lowered
	for index := range completions {
		if completions > 1 {
			number = fmt.Sprintf("@%d", index)
		}
		one := instance{
			ref: ref, meta: meta, spec: job.Template.Spec, at: podAt, name: name, number: number, single: name + number,
			hostname: name + strings.Replace(number, "@", "-", 1), names: []string{name}, service: as,
			prepare: func(run *runnable) { prepareJob(run, job, as, index) },
		}
		if before := index - parallelism; before >= 0 {
			one.dependencies.After = lanes[before].main()
		}
		pod, err := one.lower()
		if err != nil {
			return lowered{}, err
		}
		lanes = append(lanes, pod)
		all.add(pod)
	}
	return all, nil
}

// jobSize is how many pods must end well and how many of them run at once. Without completions a
// job is a queue that its pods empty together: all run.
func jobSize(job v1.JobSpec) (completions, parallelism int) {
	parallelism = 1
	if job.Parallelism != nil {
		parallelism = max(int(*job.Parallelism), 1)
	}
	completions = parallelism
	if job.Completions != nil {
		completions = int(*job.Completions)
	}
	return completions, parallelism
}

// prepareJob makes a container of a job's one that runs to its end.
func prepareJob(run *runnable, job v1.JobSpec, as service, index int) {
	run.role, run.keep = as.role, as.keep
	run.dependencies = joined(run.dependencies, units.Dependencies{After: as.dependencies.After})
	// A job is retried with any restart policy: Kubernetes' Never makes a new pod for it, and every start here is a new one.
	run.RestartPolicy = v1.RestartOnFailure
	limit := int32(defaultBackoffLimit)
	if job.BackoffLimit != nil {
		limit = *job.BackoffLimit
	}
	run.MaxRestarts = &limit
	if job.ActiveDeadlineSeconds != nil {
		run.ActiveDeadlineSeconds = job.ActiveDeadlineSeconds
	}
	run.ttl = job.TTLSecondsAfterFinished
	run.Env = append(run.Env[:len(run.Env):len(run.Env)], v1.EnvVar{Name: "JOB_COMPLETION_INDEX", Value: strconv.Itoa(index)})
}

// maxBeside is how many runs of a CronJob may go on beside each other. Each is a unit that has to be
// there when its time comes; Kubernetes has no bound, and a job that hangs fills the node.
const maxBeside = 3

// lowerCronJob lowers a job that a timer starts: <name>.service and <name>.timer. systemd's timers
// start nothing that still runs. To replace it, they start a unit that restarts it; to run another
// beside it, one that starts the next of <name>.service, <name>@2.service and so on.
func lowerCronJob(object *v1.CronJob) (lowered, error) {
	spec, name := object.Spec, object.Metadata.Name
	if completions, _ := jobSize(spec.JobTemplate.Spec); completions != 1 {
		return lowered{}, at("spec.jobTemplate.spec", errors.New("davit does not run several pods of a CronJob's job: want completions and parallelism 1"))
	}
	var all lowered
	var starts []string
	for _, number := range runNumbers(spec) {
		run, err := lowerJob(object.Ref(), object.Metadata, spec.JobTemplate.Spec, "spec.jobTemplate.spec.template.spec", service{keep: reconcile.KeepApart}, number)
		if err != nil {
			return lowered{}, err
		}
		all.add(run)
		starts = append(starts, run.entry()...)
	}
	events, period, err := calendarEvents(spec)
	if err != nil {
		return lowered{}, err
	}
	for i := range all.containers {
		run := &all.containers[i]
		run.retryPeriod = period
		if spec.StartingDeadlineSeconds != nil {
			run.due = bundle.Due{Events: events, Seconds: *spec.StartingDeadlineSeconds}
		}
	}
	if spec.Suspend || len(starts) == 0 {
		return all, nil
	}
	unit := starts[0]
	switch spec.ConcurrencyPolicy {
	case v1.ConcurrencyReplace:
		all.triggers = []units.Trigger{{Head: units.Head{Name: name + "-replace.service"}, Restarts: unit}}
	case v1.ConcurrencyAllow:
		all.triggers = []units.Trigger{{Head: units.Head{Name: name + "-beside.service"}, Beside: starts}}
	}
	if len(all.triggers) > 0 {
		unit = all.triggers[0].Name
	}
	all.timers = append(all.timers, units.Timer{
		Head:       units.Head{Name: names.Timer(name), WantedBy: []string{units.Timers}},
		Unit:       unit,
		OnCalendar: events,
		Persistent: true,
	})
	return all, nil
}

// runNumbers tell the runs of a CronJob apart that may go on at once.
func runNumbers(spec v1.CronJobSpec) []string {
	numbers := []string{""}
	if spec.ConcurrencyPolicy != v1.ConcurrencyAllow {
		return numbers
	}
	for number := 2; number <= maxBeside; number++ {
		numbers = append(numbers, fmt.Sprintf("@%d", number))
	}
	return numbers
}

// entry is the unit that starts a run; a suspended job has none.
func (l lowered) entry() []string {
	switch {
	case len(l.sandboxes) > 0:
		return []string{l.sandboxes[0].unit()}
	case len(l.containers) > 0:
		return []string{l.containers[len(l.containers)-1].unit()}
	}
	return nil
}
