package v1

import (
	"slices"
	"strings"
)

// The resources of huge pages.
const (
	HugePages2Mi = "hugepages-2Mi"
	HugePages1Gi = "hugepages-1Gi"
)

// HugePageSizes are the sizes of huge pages in bytes, by resource.
var HugePageSizes = map[string]int64{HugePages2Mi: 2 << 20, HugePages1Gi: 1 << 30}

// IsHugePages reports whether the directory is made of huge pages.
func (e EmptyDir) IsHugePages() bool { return strings.HasPrefix(e.Medium, MediumHugePages) }

// HugePagesLimit is the resource that bounds a directory of huge pages; empty where the medium names
// no size, so that the limits have to.
func (e EmptyDir) HugePagesLimit() string {
	size := strings.TrimPrefix(e.Medium, MediumHugePages)
	if size == "" {
		return ""
	}
	return "hugepages" + size
}

// HugePagesLimited are the resources of huge pages that have a limit in one of the lists, sorted.
func HugePagesLimited(lists ...ResourceList) []string {
	var names []string
	for _, list := range lists {
		for name := range list {
			if HugePageSizes[name] > 0 && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
