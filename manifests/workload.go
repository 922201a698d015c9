package manifests

import (
	"fmt"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// container is one container of any object that runs something, with its place in the
// document.
type container struct {
	*document
	// at is the path of its fields, sandboxAt that of what it shares with others.
	at, sandboxAt string
	// unit is the name of its unit, without ".service".
	unit string
	v1.ContainerFields
	*v1.SandboxFields
}

// containers are those that a document runs.
func (d *document) containers() []container {
	switch object := d.object.(type) {
	case *v1.Container:
		return []container{{d, "spec", "spec", object.Metadata.Name, object.Spec.ContainerFields, &object.Spec.SandboxFields}}
	case *v1.Pod:
		return d.podContainers("spec", object.Metadata.Name, &object.Spec)
	case *v1.Job:
		return d.podContainers("spec.template.spec", object.Metadata.Name, &object.Spec.Template.Spec)
	case *v1.CronJob:
		return d.podContainers("spec.jobTemplate.spec.template.spec", object.Metadata.Name, &object.Spec.JobTemplate.Spec.Template.Spec)
	default:
		return nil
	}
}

func (d *document) podContainers(at, name string, pod *v1.PodSpec) []container {
	var all []container
	add := func(list string, members []v1.PodContainer) {
		for i, member := range members {
			field := fmt.Sprintf("%s.%s[%d]", at, list, i)
			all = append(all, container{d, field, at, name + "-" + member.Name, member.ContainerFields, &pod.SandboxFields})
		}
	}
	add("initContainers", pod.InitContainers)
	add("containers", pod.Containers)
	return all
}

// claims are the Volumes that a claim of the container's pod means: one for each replica where they
// have their own.
func (c container) claims(claim v1.ClaimVolume) []string {
	pod, ok := c.object.(*v1.Pod)
	if !ok || !claim.PerReplica {
		return []string{claim.ClaimName}
	}
	count := int32(1)
	if pod.Spec.Replicas != nil {
		count = *pod.Spec.Replicas
	}
	var names []string
	for i := range min(count, maxObjects) {
		names = append(names, claim.Replica(pod.Spec.FirstReplica()+i))
	}
	return names
}

// units are the names of the units that a document comes to, without suffix, each with the
// field it comes from.
func (d *document) units() map[string]string {
	units := map[string]string{}
	switch object := d.object.(type) {
	case *v1.Container:
		units[object.Metadata.Name] = "metadata.name"
	case *v1.Pod:
		units[object.Metadata.Name+"-pod"] = "metadata.name"
		for _, c := range d.containers() {
			units[c.unit] = c.at + ".name"
		}
	case *v1.Job, *v1.CronJob:
		units[d.object.Ref().Name] = "metadata.name"
	}
	for _, c := range d.containers() {
		for _, alias := range c.Install["Alias"] {
			units[strings.TrimSuffix(alias, ".service")] = c.at + ".install.Alias"
		}
	}
	return units
}
