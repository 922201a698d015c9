package reconcile

import (
	"errors"
	"fmt"

	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// runnable is one container to run as one service, whatever kind of object asks for it.
type runnable struct {
	ref v1.Ref
	// name is the unit's without ".service", and the container's id.
	name string
	// hostname is that of the object: a container is reached by it.
	hostname string
	// meta is what the downward API shows.
	meta v1.ObjectMeta
	v1.ContainerSpec
}

// runnablesOf returns what an object runs; an object of another kind runs nothing. An error
// says what davit cannot run yet.
func runnablesOf(object v1.Object) ([]runnable, error) {
	switch object := object.(type) {
	case *v1.Container:
		name := object.Metadata.Name
		return []runnable{{object.Ref(), name, name, object.Metadata, object.Spec}}, notYet(object.Spec)
	case *v1.Pod:
		return podRunnables(object.Ref(), object.Metadata, object.Spec)
	case *v1.Job:
		return jobRunnables(object)
	case *v1.CronJob:
		return nil, errors.New("davit does not run CronJobs yet: use a Job, started by a systemd timer of your own")
	default:
		return nil, nil
	}
}

// podRunnables lowers a pod of one container, which needs no sandbox, to that container:
// <pod>-<container>.service.
func podRunnables(ref v1.Ref, meta v1.ObjectMeta, pod v1.PodSpec) ([]runnable, error) {
	switch {
	case len(pod.Containers) != 1 || len(pod.InitContainers) > 0:
		return nil, errors.New("davit does not run pods of several containers yet: write them as Containers on one network")
	case pod.Replicas != nil && *pod.Replicas > 1:
		return nil, fmt.Errorf("davit does not run %d replicas yet: want 1 or 0", *pod.Replicas)
	case pod.Replicas != nil && *pod.Replicas == 0:
		return nil, nil
	}
	container := pod.Containers[0]
	if container.StartWithPod != nil && !*container.StartWithPod {
		return nil, errors.New("davit does not run startWithPod: false yet: leave it out")
	}
	spec := v1.ContainerSpec{
		ContainerFields: container.ContainerFields,
		SandboxFields:   pod.SandboxFields,
		SecurityContext: mergeSecurity(pod.SecurityContext, container.SecurityContext),
	}
	if container.RestartPolicy != "" {
		spec.RestartPolicy = container.RestartPolicy
	}
	run := runnable{ref, meta.Name + "-" + container.Name, meta.Name, meta, spec}
	return []runnable{run}, notYet(spec)
}

// mergeSecurity applies a pod's security context to a container that says nothing itself.
func mergeSecurity(pod v1.PodSecurityContext, container v1.ContainerSecurityContext) v1.SecurityContext {
	merged := v1.SecurityContext{
		ContainerSecurityContext: container,
		SupplementalGroups:       pod.SupplementalGroups,
		Sysctls:                  pod.Sysctls,
	}
	if merged.RunAsUser == nil {
		merged.RunAsUser = pod.RunAsUser
	}
	if merged.RunAsGroup == nil {
		merged.RunAsGroup = pod.RunAsGroup
	}
	if merged.RunAsNonRoot == nil {
		merged.RunAsNonRoot = pod.RunAsNonRoot
	}
	if merged.SeccompProfile.Type == "" {
		merged.SeccompProfile = pod.SeccompProfile
	}
	if merged.AppArmorProfile == nil {
		merged.AppArmorProfile = pod.AppArmorProfile
	}
	if pod.FSGroup != nil {
		merged.SupplementalGroups = append([]int64{*pod.FSGroup}, merged.SupplementalGroups...)
	}
	return merged
}

// defaultBackoffLimit is Kubernetes' for jobs.
const defaultBackoffLimit = 6

// jobRunnables lowers a job that runs one pod once to a oneshot service.
func jobRunnables(job *v1.Job) ([]runnable, error) {
	spec := job.Spec
	switch {
	case spec.Completions != nil && *spec.Completions != 1, spec.Parallelism != nil && *spec.Parallelism != 1:
		return nil, errors.New("davit does not run jobs of several pods yet: want completions and parallelism 1")
	case spec.TTLSecondsAfterFinished != nil:
		return nil, errors.New("davit does not remove ended jobs yet: leave ttlSecondsAfterFinished out")
	case spec.Suspend:
		return nil, nil
	}
	meta := job.Metadata
	if spec.Template.Metadata.Labels != nil {
		meta.Labels = spec.Template.Metadata.Labels
	}
	if spec.Template.Metadata.Annotations != nil {
		meta.Annotations = spec.Template.Metadata.Annotations
	}
	runs, err := podRunnables(job.Ref(), meta, spec.Template.Spec)
	for i := range runs {
		run := &runs[i]
		run.name = meta.Name
		run.Oneshot = true
		// A job tries again whatever its restart policy is: Kubernetes' Never makes a new pod
		// for it, and every start here is one.
		run.RestartPolicy = v1.RestartOnFailure
		limit := int32(defaultBackoffLimit)
		if spec.BackoffLimit != nil {
			limit = *spec.BackoffLimit
		}
		run.MaxRestarts = &limit
		if spec.ActiveDeadlineSeconds != nil {
			run.ActiveDeadlineSeconds = spec.ActiveDeadlineSeconds
		}
	}
	return runs, err
}

// notYet names a field that davit accepts and cannot honour yet. Running without it would be
// running something else.
func notYet(spec v1.ContainerSpec) error {
	for field, set := range map[string]bool{
		"startupProbe":   spec.StartupProbe != nil,
		"readinessProbe": spec.ReadinessProbe != nil,
		"livenessProbe":  spec.LivenessProbe != nil,
		"lifecycle":      spec.Lifecycle != (v1.Lifecycle{}),
		"notify":         spec.Notify == v1.NotifyContainer,
	} {
		if set {
			return fmt.Errorf("davit does not run %s yet: leave it out", field)
		}
	}
	return nil
}

// unitOwners reports two objects that come to one unit.
func (r *resolver) claimUnit(run runnable) error {
	if owner, taken := r.owners[run.name]; taken {
		return fmt.Errorf("its unit %s.service is %s's already: rename one of them", run.name, owner)
	}
	r.owners[run.name] = run.ref
	return nil
}

// runnables returns what all objects run, with the object of each.
func runnables(objects []manifests.Object) map[v1.Ref][]runnable {
	all := map[v1.Ref][]runnable{}
	for _, object := range objects {
		if runs, err := runnablesOf(object.Object); err == nil {
			all[object.Ref()] = runs
		}
	}
	return all
}
