package check

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/davit-project/davit/manifests/settings"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// What can be limited, and what can be requested.
var (
	limitNames   = []string{"cpu", "memory", "swap", "pids", v1.EphemeralStorage, v1.HugePages2Mi, v1.HugePages1Gi}
	requestNames = []string{"cpu", "memory", v1.HugePages2Mi, v1.HugePages1Gi}
)

func checkResources(s *Subject, at string, resources v1.Resources) {
	checkQuantities(s, at+".limits", resources.Limits, limitNames)
	checkQuantities(s, at+".requests", resources.Requests, requestNames)
	checkHugePageRequests(s, at, resources)
	for field, list := range map[string]string{"cpuset": resources.CPUSet, "memoryNodes": resources.MemoryNodes} {
		if list != "" && (strings.Contains(list, " ") || !settings.IsCPUList(list)) {
			s.errorf(at+"."+field, "%q: want numbers up to 8191 and ranges such as 0-3,8", list)
		}
	}
	checkIO(s, at+".io", resources.IO)
}

func checkQuantities(s *Subject, at string, list v1.ResourceList, names []string) {
	for name, quantity := range list {
		field := at + "." + name
		switch {
		case !slices.Contains(names, name):
			s.errorf(field, "unknown resource: want cpu, memory, hugepages-2Mi, hugepages-1Gi, or a limit of swap, pids or ephemeral-storage")
		case v1.HugePageSizes[name] > 0:
			checkHugePageAmount(s, field, name, quantity)
		case name == "swap" && quantity == "0": // the one bound that can be nothing
		default:
			checkQuantity(s, field, quantity)
			if parsed, err := resource.ParseQuantity(string(quantity)); err == nil && name == "cpu" && parsed.CmpInt64(maxCPUs) > 0 {
				s.errorf(field, "%s: want at most %d processors", quantity, maxCPUs)
			}
		}
	}
}

// maxCPUs is about half of what systemd takes for CPUQuota=, ten thousandths in 31 bits (parse_permyriad_unbounded).
const maxCPUs = 100_000

func checkIO(s *Subject, at string, io v1.IO) {
	// systemd's bounds (systemd.resource-control(5)); 0 is the default.
	if io.Weight < 0 || io.Weight > 10000 {
		s.errorf(at+".weight", "%d: want 1 to 10000", io.Weight)
	}
	for i, device := range io.Devices {
		field := fmt.Sprintf("%s.devices[%d]", at, i)
		nodePath(s, field+".path", device.Path)
		bounds := 0
		for name, bound := range map[string]v1.Quantity{
			"readBandwidth": device.ReadBandwidth, "writeBandwidth": device.WriteBandwidth,
			"readIOPS": device.ReadIOPS, "writeIOPS": device.WriteIOPS,
		} {
			if bound != "" {
				bounds++
				checkQuantity(s, field+"."+name, bound)
			}
		}
		if bounds == 0 {
			s.errorf(field, "bounds nothing: want readBandwidth, writeBandwidth, readIOPS or writeIOPS")
		}
	}
}
