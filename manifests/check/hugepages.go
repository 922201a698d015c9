package check

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkHugePages checks that each volume of huge pages has a limit of its size, as Kubernetes wants
// it: the volume is what bounds them. lists are the limits of all who mount it.
func checkHugePages(s *Subject, at string, volumes []v1.PodVolume, lists ...v1.ResourceList) {
	for i, volume := range volumes {
		if volume.EmptyDir == nil || !volume.EmptyDir.IsHugePages() {
			continue
		}
		field := fmt.Sprintf("%s.volumes[%d].emptyDir.medium", at, i)
		limited := v1.HugePagesLimited(lists...)
		switch size := volume.EmptyDir.HugePagesLimit(); {
		case size == "" && len(limited) != 1:
			s.errorf(field, "HugePages wants a limit of one of %s and %s, there are %d: or say HugePages-2Mi or HugePages-1Gi",
				v1.HugePages2Mi, v1.HugePages1Gi, len(limited))
		case size != "" && !slices.Contains(limited, size):
			s.errorf(field, "wants a limit of %s", size)
		}
	}
}

func checkPodHugePages(s *Subject, at string, spec v1.PodSpec) {
	limits := []v1.ResourceList{spec.Resources.Limits}
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		limits = append(limits, container.Resources.Limits)
	}
	checkHugePages(s, at, spec.Volumes, limits...)
}

// checkHugePageAmount checks an amount of huge pages.
func checkHugePageAmount(s *Subject, field, name string, value v1.Quantity) {
	amount, err := resource.ParseQuantity(string(value))
	if page := v1.HugePageSizes[name]; err != nil || amount.Sign() <= 0 || amount.Value()%page != 0 {
		s.errorf(field, "%q: want a whole number of pages, such as %s", value, resource.NewQuantity(2*page, resource.BinarySI))
	}
}

// checkHugePageRequests checks that nothing else is requested than is limited: there is no more and
// no less of such pages.
func checkHugePageRequests(s *Subject, at string, resources v1.Resources) {
	for name := range v1.HugePageSizes {
		request, ok := resources.Requests[name]
		if ok && request != resources.Limits[name] {
			s.errorf(at+".requests."+name, "%q: want the value in limits", request)
		}
	}
}
