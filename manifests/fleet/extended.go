package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/davit-project/davit/manifests/check"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/manifests/yaml"
)

// Extended resources are what Kubernetes' device plugins offer, such as nvidia.com/gpu
// (https://kubernetes.io/docs/tasks/configure-pod-container/extended-resource/). The node's configuration says by which
// devices a container has one; nothing is counted.

// isExtended reports whether a resource is of a domain of its own.
func isExtended(name string) bool {
	return strings.Contains(name, "/") && !strings.HasPrefix(name, "kubernetes.io/") && len(validation.IsQualifiedName(name)) == 0
}

// Grant is a device that a container gets for a resource. The node's owner gives it, so no policy is asked.
type Grant struct {
	to     *v1.ContainerFields
	device v1.Device
}

// TakeExtended takes extended resources out of the resources that an object's containers ask for, and returns the devices that they
// get. Without a node in particular every resource is right.
func TakeExtended(s *check.Subject, resources map[string][]string, node *Node) []Grant {
	var grants []Grant
	for _, c := range v1.ContainersOf(s.Object) {
		names := map[string]bool{}
		for field, list := range map[string]v1.ResourceList{"limits": c.Resources.Limits, "requests": c.Resources.Requests} {
			for name := range list {
				if !isExtended(name) {
					continue
				}
				names[name] = true
				if _, known := resources[name]; !known && node != nil {
					s.Refuse(fmt.Sprintf("%s.resources.%s.%s", c.At, field, name),
						"write it into extendedResources of /etc/davit/config.yaml, with its devices", "the node has no resource "+name)
				}
				delete(list, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			for _, path := range resources[name] {
				grants = append(grants, Grant{c.ContainerFields, v1.Device{Path: path}})
			}
		}
	}
	return grants
}

// Give gives the container its device.
func (g Grant) Give() {
	if !slices.ContainsFunc(g.to.Devices, func(other v1.Device) bool { return other.Path == g.device.Path }) {
		g.to.Devices = append(g.to.Devices, g.device)
	}
}

// extendedResources reads them from a configuration.
func extendedResources(d *yaml.Document, tree any) map[string][]string {
	fields, _ := tree.(map[string]any)
	declared, _ := fields["extendedResources"].(map[string]any)
	if len(declared) == 0 {
		return nil
	}
	resources := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		field := "extendedResources." + name
		if !isExtended(name) {
			d.Report(d.NodeAt(field), field, fmt.Sprintf("%q: want a name with a domain, such as nvidia.com/gpu", name), "")
		}
		paths, _ := declared[name].([]any)
		resources[name] = nil
		for i, item := range paths {
			path, _ := item.(string)
			at := fmt.Sprintf("%s[%d]", field, i)
			report(d, func(s *check.Subject) { check.GrantedDevice(s, at, path) })
			resources[name] = append(resources[name], path)
		}
	}
	return resources
}
