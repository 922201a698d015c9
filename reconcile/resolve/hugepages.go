package resolve

import (
	"fmt"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// hugePages are the bytes of huge pages that a workload may use, by resource.
type hugePages map[string]uint64

// hugePagesOf are the limits of a pod: its own, or else those of its containers together. Init
// containers run before the others, and alone.
func hugePagesOf(pod v1.ResourceList, containers, before []v1.ResourceList) (hugePages, error) {
	sum, err := hugePagesSum(containers)
	if err != nil {
		return nil, err
	}
	for _, list := range before {
		one, err := hugePagesSum([]v1.ResourceList{list})
		if err != nil {
			return nil, err
		}
		for name, bytes := range one {
			sum[name] = max(sum[name], bytes)
		}
	}
	whole, err := hugePagesSum([]v1.ResourceList{pod})
	for name, bytes := range whole {
		sum[name] = bytes
	}
	return sum, err
}

func hugePagesSum(lists []v1.ResourceList) (hugePages, error) {
	sum := hugePages{}
	for _, list := range lists {
		for _, name := range v1.HugePagesLimited(list) {
			bytes, err := quantity(list[name], 0)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			sum[name] += bytes
		}
	}
	return sum, nil
}

// options are the mount options of a hugetlbfs (hugetlbpage.rst in Linux' documentation) for an empty
// directory. Its size is all that bounds them: systemd knows no control group for such pages
// (Delegate= of systemd.resource-control(5)).
func (h hugePages) options(declared v1.EmptyDir) ([]string, error) {
	name := declared.HugePagesLimit()
	if name == "" {
		for only := range h {
			name = only
		}
	}
	size, err := quantity(declared.SizeLimit, 0)
	if err != nil {
		return nil, fmt.Errorf("sizeLimit %s: %w", declared.SizeLimit, err)
	}
	if limit := h[name]; size == 0 || limit < size {
		size = limit
	}
	return []string{
		"nosuid", "nodev", "mode=0777", fmt.Sprintf("pagesize=%d", v1.HugePageSizes[name]), fmt.Sprintf("size=%d", size),
	}, nil
}
