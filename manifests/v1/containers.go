package v1

import "fmt"

// Workload is an object that runs containers.
type Workload interface {
	Object
	// Containers are those of the object, in the order in which they start. A caller may change their fields.
	Containers() []PlacedContainer
}

// PlacedContainer is one container of a workload, with its place in the object.
type PlacedContainer struct {
	// At is the path of its own fields, SandboxAt that of the fields that the containers of a pod share.
	At, SandboxAt string
	// UnitName is the name of its unit, without ".service". A Pod of several replicas and a Job number their units.
	UnitName string
	*ContainerFields
	*SandboxFields
}

// ContainersOf are the containers of an object; none if it is no [Workload].
func ContainersOf(object Object) []PlacedContainer {
	if workload, ok := object.(Workload); ok {
		return workload.Containers()
	}
	return nil
}

// Containers implements [Workload].
func (c *Container) Containers() []PlacedContainer {
	return []PlacedContainer{{"spec", "spec", c.Metadata.Name, &c.Spec.ContainerFields, &c.Spec.SandboxFields}}
}

// Containers implements [Workload].
func (p *Pod) Containers() []PlacedContainer { return p.Spec.placed("spec", p.Metadata.Name) }

// Containers implements [Workload].
func (j *Job) Containers() []PlacedContainer {
	return j.Spec.Template.Spec.placed("spec.template.spec", j.Metadata.Name)
}

// Containers implements [Workload].
func (c *CronJob) Containers() []PlacedContainer {
	return c.Spec.JobTemplate.Spec.Template.Spec.placed("spec.jobTemplate.spec.template.spec", c.Metadata.Name)
}

// placed are the containers of a pod whose specification is at a path.
func (p *PodSpec) placed(at, name string) []PlacedContainer {
	var all []PlacedContainer
	add := func(list string, members []PodContainer) {
		for i := range members {
			field := fmt.Sprintf("%s.%s[%d]", at, list, i)
			all = append(all, PlacedContainer{field, at, name + "-" + members[i].Name, &members[i].ContainerFields, &p.SandboxFields})
		}
	}
	add("initContainers", p.InitContainers)
	add("containers", p.Containers)
	return all
}
