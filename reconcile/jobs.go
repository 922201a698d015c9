package reconcile

import (
	"errors"
	"fmt"
	"strconv"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// defaultBackoffLimit is Kubernetes' for jobs.
const defaultBackoffLimit = 6

// lowerJob lowers a job to one service that runs to its end, <job>.service, or for several
// completions to <job>@0.service and so on. A pod of several containers is named as any pod's is;
// its sandbox and its sidecars stop when its containers have ended.
func lowerJob(ref v1.Ref, meta v1.ObjectMeta, job v1.JobSpec, as service) (lowered, error) {
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
	if as.keep == KeepApart {
		as.role = units.RoleTask
	}
	var all lowered
	var lanes []lowered
	for index := range completions {
		one := instance{
			ref: ref, meta: meta, spec: job.Template.Spec, name: name, single: name, hostname: name,
			names: []string{name}, service: as,
			prepare: func(run *runnable) { prepareJob(run, job, as, index) },
		}
		if completions > 1 {
			one.number = fmt.Sprintf("@%d", index)
			one.single, one.hostname = name+one.number, fmt.Sprintf("%s-%d", name, index)
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
	// A job tries again whatever its restart policy is: Kubernetes' Never makes a new pod
	// for it, and every start here is one.
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

// lowerCronJob lowers a job that a timer starts: <name>.service and <name>.timer. systemd's timers
// start nothing that still runs; to replace it, they start a unit that restarts it.
func lowerCronJob(object *v1.CronJob) (lowered, error) {
	spec, name := object.Spec, object.Metadata.Name
	if completions, _ := jobSize(spec.JobTemplate.Spec); completions != 1 {
		return lowered{}, errors.New("davit does not run several pods of a CronJob's job: want completions and parallelism 1")
	}
	all, err := lowerJob(object.Ref(), object.Metadata, spec.JobTemplate.Spec, service{keep: KeepApart})
	if err != nil {
		return lowered{}, err
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
	if spec.Suspend || len(all.containers) == 0 {
		return all, nil
	}
	starts := all.containers[len(all.containers)-1].unit()
	if len(all.sandboxes) > 0 {
		starts = all.sandboxes[0].unit()
	}
	if spec.ConcurrencyPolicy == v1.ConcurrencyReplace {
		trigger := units.Trigger{Head: units.Head{Name: name + "-replace.service"}, Restarts: starts}
		all.triggers = append(all.triggers, trigger)
		starts = trigger.Name
	}
	all.timers = append(all.timers, units.Timer{
		Head:       units.Head{Name: name + ".timer", WantedBy: []string{units.Timers}},
		Unit:       starts,
		OnCalendar: events,
		Persistent: true,
	})
	return all, nil
}
