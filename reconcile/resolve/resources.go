package resolve

import (
	"fmt"
	"math"

	"k8s.io/apimachinery/pkg/api/resource"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units"
)

// resourcesOf maps a manifest's resources to systemd.resource-control(5).
func resourcesOf(declared v1.Resources) (units.Resources, error) {
	resources := units.Resources{
		AllowedCPUs: declared.CPUSet, AllowedMemoryNodes: declared.MemoryNodes, IOWeight: uint64(declared.IO.Weight),
	}
	var shares uint64
	for _, value := range []struct {
		to    *uint64
		list  v1.ResourceList
		name  string
		scale resource.Scale
	}{
		{&resources.MemoryMax, declared.Limits, "memory", 0},
		{&resources.MemoryLow, declared.Requests, "memory", 0},
		{&resources.CPUQuota, declared.Limits, "cpu", resource.Milli},
		{&shares, declared.Requests, "cpu", resource.Milli},
		{&resources.TasksMax, declared.Limits, "pids", 0},
	} {
		var err error
		if *value.to, err = quantity(value.list[value.name], value.scale); err != nil {
			return resources, fmt.Errorf("%s: %w", value.name, err)
		}
	}
	resources.CPUWeight = cpuWeight(shares)
	if swap, ok := declared.Limits["swap"]; ok {
		bytes, err := quantity(swap, 0)
		if err != nil {
			return resources, fmt.Errorf("swap: %w", err)
		}
		resources.MemorySwapMax = &bytes
	}
	for _, device := range declared.IO.Devices {
		bounds, err := ioDevice(device)
		if err != nil {
			return resources, fmt.Errorf("io of %s: %w", device.Path, err)
		}
		resources.IODevices = append(resources.IODevices, bounds)
	}
	return resources, nil
}

func ioDevice(declared v1.IODevice) (units.IODevice, error) {
	device := units.IODevice{Path: declared.Path}
	for to, from := range map[*uint64]v1.Quantity{
		&device.ReadBandwidth: declared.ReadBandwidth, &device.WriteBandwidth: declared.WriteBandwidth,
		&device.ReadIOPS: declared.ReadIOPS, &device.WriteIOPS: declared.WriteIOPS,
	} {
		var err error
		if *to, err = quantity(from, 0); err != nil {
			return device, err
		}
	}
	return device, nil
}

// quantity reads a quantity in units of 10^scale; 0 when there is none.
func quantity(text v1.Quantity, scale resource.Scale) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	parsed, err := resource.ParseQuantity(string(text))
	if err != nil {
		return 0, fmt.Errorf("%q: %w", text, err)
	}
	return uint64(max(parsed.ScaledValue(scale), 0)), nil
}

// cpuWeight maps a request in thousandths of a CPU to CPUWeight=, so that one CPU is
// systemd's default weight of 100; 0 stays 0, no setting.
func cpuWeight(milli uint64) uint64 {
	if milli == 0 {
		return 0
	}
	const least, most = 1, 10000
	return min(max(uint64(math.Round(float64(milli)/10)), least), most)
}
