package resolve

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// instance is one of the pods that an object asks for.
type instance struct {
	ref  v1.Ref
	meta v1.ObjectMeta
	spec v1.PodSpec
	// at is the path of spec in the object.
	at string
	// name is the object's, number tells the instance from others: "@2", or nothing.
	name, number string
	// hostname is the instance's, names are how others reach it.
	hostname string
	names    []string
	service
	// prepare completes each container that is not there for the others alone.
	prepare func(*runnable)
	// hugePages are those of its containers together; lower sets them.
	hugePages hugePages
	// single is the unit's name when there is but one container.
	single string
	// replica is set for one of several that answer to the pod's name, if only for a while.
	replica bool
}

// lowerPod lowers a pod: each container is a service, <pod>-<container>.service. Several of them
// share a sandbox, <pod>-pod.service; a container that is alone needs none. Replicas are numbered,
// <pod>@1.service, and grouped by <pod>.target.
func lowerPod(pod *v1.Pod) (lowered, error) {
	name, spec := pod.Metadata.Name, pod.Spec
	if spec.Replicas == nil || *spec.Replicas == 1 {
		return instance{
			ref: pod.Ref(), meta: pod.Metadata, spec: claimsOf(spec, spec.FirstReplica()), at: "spec", name: name,
			single: name + "-" + spec.Containers[0].Name, hostname: spec.ReplicaName(name, spec.FirstReplica()),
			names:   []string{name},
			service: service{wantedBy: []string{units.MultiUser}},
		}.withSpares()
	}
	var all lowered
	if *spec.Replicas == 0 {
		return all, nil
	}
	target := units.Target{Head: units.Head{Name: names.Target(name), WantedBy: []string{units.MultiUser}}}
	replica := func(number int32) instance {
		return instance{
			ref: pod.Ref(), meta: pod.Metadata, spec: claimsOf(spec, number), at: "spec",
			name: name, number: fmt.Sprintf("@%d", number), single: fmt.Sprintf("%s@%d", name, number),
			hostname: spec.ReplicaName(name, number), names: []string{name}, replica: true,
			service: service{
				wantedBy:     []string{target.Name},
				dependencies: units.Dependencies{PartOf: []string{target.Name}},
			},
		}
	}
	for i := range *spec.Replicas {
		one, err := replica(spec.FirstReplica() + i).lower()
		if err != nil {
			return lowered{}, err
		}
		all.add(one)
	}
	for n := range surgeOf(spec.UpdatePolicy) {
		spare := replica(spec.FirstReplica() + *spec.Replicas + int32(n)).spare(n)
		one, err := spare.lower()
		if err != nil {
			return lowered{}, err
		}
		all.spares = append(all.spares, one)
	}
	all.targets = append(all.targets, target)
	return all, nil
}

// claimsOf gives a replica the volumes that are its own.
func claimsOf(spec v1.PodSpec, number int32) v1.PodSpec {
	spec.Volumes = slices.Clone(spec.Volumes)
	for i, volume := range spec.Volumes {
		if claim := volume.PersistentVolumeClaim; claim != nil && claim.PerReplica {
			own := *claim
			own.ClaimName = claim.Replica(number)
			spec.Volumes[i].PersistentVolumeClaim = &own
		}
	}
	return spec
}

// lower lowers one pod.
func (i instance) lower() (lowered, error) {
	var all lowered
	var err error
	if i.hugePages, err = hugePagesOf(i.spec.Resources.Limits, limitsOf(i.spec.Containers), limitsOf(i.spec.InitContainers)); err != nil {
		return lowered{}, err
	}
	alone := len(i.spec.Containers) == 1 && len(i.spec.InitContainers) == 0 && !i.spec.ShareProcessNamespace
	if !alone || !reflect.ValueOf(i.spec.Resources).IsZero() {
		slice, err := i.slice()
		if err != nil {
			return lowered{}, err
		}
		all.slices, i.service.slice = []units.Slice{slice}, slice.Name
	}
	if alone {
		all.containers = []runnable{i.alone()}
		return all, nil
	}
	box := i.sandbox()
	chain := units.Dependencies{After: []string{box.unit()}, BindsTo: []string{box.unit()}}
	for n, container := range i.spec.InitContainers {
		run := i.member(container, box)
		run.at = fmt.Sprintf("%s.initContainers[%d]", i.at, n)
		run.helper, run.keep = true, i.helperKeep()
		if i.ends() {
			run.wantedBy, run.whileNeeded = nil, true // the job's containers pull it in
		}
		run.dependencies = chain
		if container.RestartPolicy == v1.RestartAlways {
			// Later ones wait for a sidecar and go on when it fails.
			chain = joined(chain, units.Dependencies{After: []string{run.unit()}, Wants: []string{run.unit()}})
		} else {
			if !i.ends() {
				run.keep = reconcile.KeepStarted
			}
			run.role, run.startAfterwards = units.RoleOneshot, i.startedBy(box)
			if run.RestartPolicy != v1.RestartNever {
				run.RestartPolicy = v1.RestartOnFailure
			}
			chain = joined(chain, units.Dependencies{After: []string{run.unit()}, Requires: []string{run.unit()}})
		}
		all.containers = append(all.containers, run)
	}
	for n, container := range i.spec.Containers {
		run := i.member(container, box)
		run.at = fmt.Sprintf("%s.containers[%d]", i.at, n)
		run.dependencies = chain
		i.complete(&run, container)
		if len(i.wantedBy) > 0 && i.ends() {
			run.wantedBy = i.wantedBy // and the sandbox runs because the container needs it
		}
		all.containers = append(all.containers, run)
	}
	all.sandboxes = []sandbox{box}
	return all, nil
}

func limitsOf(containers []v1.PodContainer) []v1.ResourceList {
	var lists []v1.ResourceList
	for _, container := range containers {
		lists = append(lists, container.Resources.Limits)
	}
	return lists
}

// startedBy are the units whose start starts the pod's own containers.
func (i instance) startedBy(box sandbox) []string {
	if len(i.wantedBy) == 0 || !i.ends() {
		return []string{box.unit()}
	}
	var names []string
	for _, container := range i.spec.Containers {
		names = append(names, i.member(container, box).unit())
	}
	return names
}

// ends reports whether the pod runs to its end, as a job's does.
func (i instance) ends() bool { return i.role == units.RoleJob || i.role == units.RoleTask }

// helperKeep returns how a sandbox, an init container or a sidecar is kept: in a job, the containers that need it start it.
func (i instance) helperKeep() reconcile.Keep {
	switch {
	case i.keep == reconcile.KeepApart:
		return reconcile.KeepApart
	case i.ends():
		return reconcile.KeepIdle
	default:
		return reconcile.KeepRunning
	}
}

// alone is the only container of a pod.
func (i instance) alone() runnable {
	container := i.spec.Containers[0]
	run := i.runnable(container)
	run.at = i.at + ".containers[0]"
	run.name, run.service, run.hugePages = i.single, i.service, i.hugePages
	run.keep = keepOf(run.ContainerSpec)
	run.replica = i.replica && run.role == units.RoleContainer
	if name := strings.TrimSuffix(i.single, i.number); name != i.name {
		run.names = append([]string{name}, run.names...)
	}
	i.complete(&run, container)
	return run
}

// member is one container of several.
func (i instance) member(container v1.PodContainer, box sandbox) runnable {
	run := i.runnable(container)
	run.name = i.name + "-" + container.Name + i.number
	run.sandbox, run.sharesProcesses = box.name, box.sharesProcesses
	run.wantedBy, run.slice = []string{box.unit()}, i.service.slice
	run.keep = keepOf(run.ContainerSpec)
	return run
}

// complete applies the fields that only a pod's own containers have, as opposed to its helpers.
func (i instance) complete(run *runnable, container v1.PodContainer) {
	if i.prepare != nil {
		i.prepare(run)
	}
	if start := container.StartWithPod; start != nil && !*start {
		run.wantedBy, run.keep = nil, reconcile.KeepIdle
	}
}

// runnable returns the part of a container that is the same in any pod.
func (i instance) runnable(container v1.PodContainer) runnable {
	spec := v1.ContainerSpec{
		ContainerFields: container.ContainerFields,
		SandboxFields:   i.spec.SandboxFields,
		SecurityContext: mergeSecurity(i.spec.SecurityContext, container.SecurityContext),
	}
	if container.RestartPolicy != "" {
		spec.RestartPolicy = container.RestartPolicy
	}
	meta := i.meta
	if i.number != "" {
		meta.Name = i.hostname
	}
	return runnable{
		ref: i.ref, podAt: i.at, hostname: i.hostname, names: slices.Compact(append([]string{i.hostname}, i.names...)), meta: meta,
		pod: declaredResources(i.spec), fsGroup: value(i.spec.SecurityContext.FSGroup), ContainerSpec: spec,
	}
}

// declaredResources are those of a pod's containers, by their names.
func declaredResources(pod v1.PodSpec) map[string]v1.Resources {
	resources := map[string]v1.Resources{}
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		resources[container.Name] = container.Resources
	}
	return resources
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
	if merged.SELinuxOptions == nil {
		merged.SELinuxOptions = pod.SELinuxOptions
	}
	if pod.FSGroup != nil {
		merged.SupplementalGroups = append([]int64{*pod.FSGroup}, merged.SupplementalGroups...)
	}
	return merged
}

func (r runnable) unit() string { return names.Service(r.name) }
