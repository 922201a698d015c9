package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// Extended resources are what Kubernetes' device plugins offer, such as nvidia.com/gpu
// (https://kubernetes.io/docs/tasks/configure-pod-container/extended-resource/). The node's configuration says by which
// devices a container has one; nothing is counted.

// isExtended reports whether a resource is of a domain of its own.
func isExtended(name string) bool {
	return strings.Contains(name, "/") && !strings.HasPrefix(name, "kubernetes.io/") && len(validation.IsQualifiedName(name)) == 0
}

// takeExtended takes extended resources out of what a document's containers ask for, and keeps the devices that they get.
// Without a node in particular any is right.
func (d *document) takeExtended(options Options) {
	for _, c := range d.running() {
		names := map[string]bool{}
		for field, list := range map[string]v1.ResourceList{"limits": c.fields.Resources.Limits, "requests": c.fields.Resources.Requests} {
			for name := range list {
				if isExtended(name) {
					names[name] = true
					d.checkExtended(fmt.Sprintf("%s.resources.%s.%s", c.at, field, name), name, options)
					delete(list, name)
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			for _, path := range options.ExtendedResources[name] {
				d.granted = append(d.granted, grant{c.fields, v1.Device{Path: path}})
			}
		}
	}
}

func (d *document) checkExtended(field, name string, options Options) {
	if _, known := options.ExtendedResources[name]; !known && options.Node != nil {
		d.errorHint(field, "write it into extendedResources of /etc/davit/config.yaml, with its devices", "the node has no resource %s", name)
	}
}

// grant is a device that a container gets for a resource. The node's owner gives it, so no policy is asked.
type grant struct {
	to     *v1.ContainerFields
	device v1.Device
}

// grantDevices gives containers the devices of their resources.
func (d *document) grantDevices() {
	for _, g := range d.granted {
		if !slices.ContainsFunc(g.to.Devices, func(other v1.Device) bool { return other.Path == g.device.Path }) {
			g.to.Devices = append(g.to.Devices, g.device)
		}
	}
}

// running is a container's fields, to be changed, and their place.
type running struct {
	at     string
	fields *v1.ContainerFields
}

func (d *document) running() []running {
	switch object := d.object.(type) {
	case *v1.Container:
		return []running{{"spec", &object.Spec.ContainerFields}}
	case *v1.Pod:
		return runningIn("spec", &object.Spec)
	case *v1.Job:
		return runningIn("spec.template.spec", &object.Spec.Template.Spec)
	case *v1.CronJob:
		return runningIn("spec.jobTemplate.spec.template.spec", &object.Spec.JobTemplate.Spec.Template.Spec)
	default:
		return nil
	}
}

func runningIn(at string, pod *v1.PodSpec) []running {
	var all []running
	for i := range pod.InitContainers {
		all = append(all, running{fmt.Sprintf("%s.initContainers[%d]", at, i), &pod.InitContainers[i].ContainerFields})
	}
	for i := range pod.Containers {
		all = append(all, running{fmt.Sprintf("%s.containers[%d]", at, i), &pod.Containers[i].ContainerFields})
	}
	return all
}

// extendedResources reads them from a configuration.
func (d *document) extendedResources(tree any) map[string][]string {
	fields, _ := tree.(map[string]any)
	declared, _ := fields["extendedResources"].(map[string]any)
	if len(declared) == 0 {
		return nil
	}
	resources := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		field := "extendedResources." + name
		if !isExtended(name) {
			d.report(d.nodeAt(field), field, fmt.Sprintf("%q: want a name with a domain, such as nvidia.com/gpu", name), "")
		}
		paths, _ := declared[name].([]any)
		resources[name] = nil
		for i, item := range paths {
			path, _ := item.(string)
			at := fmt.Sprintf("%s[%d]", field, i)
			switch device := (v1.Device{Path: path}); {
			case device.IsCDI():
				d.checkCDIName(at, path)
			case !strings.HasPrefix(path, "/dev/") || !d.absolute(at, path):
				d.report(d.nodeAt(at), at, fmt.Sprintf("%q: want a device below /dev, or the name of a CDI device such as nvidia.com/gpu=0", path), "")
			}
			resources[name] = append(resources[name], path)
		}
	}
	return resources
}
