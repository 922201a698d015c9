package units

import (
	"fmt"
	"strconv"
)

// nodeSlice is the slice of all services that davit writes: its settings bound them together. Slices are nested by
// their names (systemd.slice(5)), so those of pods are in it.
const nodeSlice = "davit.slice"

// Resources are systemd.resource-control(5) settings; zero values are left out.
type Resources struct {
	MemoryMax uint64 // bytes
	MemoryLow uint64 // bytes
	// MemorySwapMax is in bytes, beside the memory; nil is left out, 0 allows none.
	MemorySwapMax *uint64
	CPUQuota      uint64 // thousandths of one CPU
	CPUWeight     uint64 // 1 to 10000
	TasksMax      uint64 // processes and threads
	// AllowedCPUs and AllowedMemoryNodes are lists of numbers and ranges, "0-3,8".
	AllowedCPUs, AllowedMemoryNodes string
	IOWeight                        uint64 // 1 to 10000
	IODevices                       []IODevice
}

// IODevice limits reads from and writes to the disk that has a path; zero values are left out.
type IODevice struct {
	Path                          string
	ReadBandwidth, WriteBandwidth uint64 // bytes a second
	ReadIOPS, WriteIOPS           uint64 // operations a second
}

// resources adds the settings to a section that can have them.
func (r *renderer) resources(section string, resources Resources) {
	number := func(name string, value uint64) {
		if value > 0 {
			r.set(section, name, literal, strconv.FormatUint(value, 10))
		}
	}
	number("MemoryMax", resources.MemoryMax)
	number("MemoryLow", resources.MemoryLow)
	if swap := resources.MemorySwapMax; swap != nil {
		r.set(section, "MemorySwapMax", literal, strconv.FormatUint(*swap, 10))
	}
	if quota := resources.CPUQuota; quota > 0 {
		r.set(section, "CPUQuota", literal, strconv.FormatFloat(float64(quota)/10, 'f', -1, 64)+"%")
	}
	number("CPUWeight", resources.CPUWeight)
	number("TasksMax", resources.TasksMax)
	list := func(name, value string) {
		if value != "" {
			r.set(section, name, literal, value)
		}
	}
	list("AllowedCPUs", resources.AllowedCPUs)
	list("AllowedMemoryNodes", resources.AllowedMemoryNodes)
	number("IOWeight", resources.IOWeight)
	for _, bound := range []struct {
		name string
		of   func(IODevice) uint64
	}{
		{"IOReadBandwidthMax", func(d IODevice) uint64 { return d.ReadBandwidth }},
		{"IOWriteBandwidthMax", func(d IODevice) uint64 { return d.WriteBandwidth }},
		{"IOReadIOPSMax", func(d IODevice) uint64 { return d.ReadIOPS }},
		{"IOWriteIOPSMax", func(d IODevice) uint64 { return d.WriteIOPS }},
	} {
		r.devices(section, bound.name, resources.IODevices, bound.of)
	}
}

// devices adds a setting with a line for each device that it bounds.
func (r *renderer) devices(section, name string, devices []IODevice, bound func(IODevice) uint64) {
	var lines []string
	for _, device := range devices {
		if bound(device) == 0 {
			continue
		}
		path, err := encode(device.Path, word)
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("[%s] %s=: %w", section, name, err)
		}
		lines = append(lines, fmt.Sprintf("%s %d", path, bound(device)))
	}
	r.set(section, name, literal, lines...)
}
