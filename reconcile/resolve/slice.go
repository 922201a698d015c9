package resolve

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// slice is the slice of a pod: it bounds its containers together. Where there are several, it is
// there with no bound too, so that one can be added while the pod runs.
func (i instance) slice() (units.Slice, error) {
	declared := i.spec.Resources
	declared.Requests = i.requests()
	resources, err := resourcesOf(declared)
	return units.Slice{Head: units.Head{Name: i.sliceName()}, Resources: resources}, err
}

// sliceName is davit-<pod>.slice.
func (i instance) sliceName() string { return names.Slice(i.name, i.number) }

// requests returns the pod's own requests, or those of its containers that run together: they share those of their slice. A
// resource that one of them does not request has systemd's default.
func (i instance) requests() v1.ResourceList {
	requests := maps.Clone(i.spec.Resources.Requests)
	if requests == nil {
		requests = v1.ResourceList{}
	}
	for _, name := range []string{"cpu", "memory"} {
		if _, ok := requests[name]; ok {
			continue
		}
		if sum, ok := i.sum(name); ok {
			requests[name] = sum
		}
	}
	return requests
}

// sum adds up the requests of the containers; ok is false if one requests nothing.
func (i instance) sum(name string) (sum v1.Quantity, ok bool) {
	var total resource.Quantity
	sidecars := slices.DeleteFunc(slices.Clone(i.spec.InitContainers), func(c v1.PodContainer) bool {
		return c.RestartPolicy != v1.RestartAlways
	})
	for _, container := range slices.Concat(sidecars, i.spec.Containers) {
		// One that does not parse is reported with its container.
		request, err := resource.ParseQuantity(string(container.Resources.Requests[name]))
		if err != nil {
			return "", false
		}
		total.Add(request)
	}
	return v1.Quantity(total.String()), true
}
