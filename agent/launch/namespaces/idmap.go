package namespaces

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// idMap returns the map of a user namespace: the declared mappings, and for all other ids from 0 to 65535 the ids of a range
// that begins at first. It is sorted by the ids inside, and its first mapping begins at 0.
func idMap(declared []specs.LinuxIDMapping, first uint32) []syscall.SysProcIDMap {
	sorted := slices.SortedFunc(slices.Values(declared), func(a, b specs.LinuxIDMapping) int { return cmp.Compare(a.ContainerID, b.ContainerID) })
	var mappings []syscall.SysProcIDMap
	next := 0
	drawTo := func(end int) {
		if next < end {
			mappings = append(mappings, syscall.SysProcIDMap{ContainerID: next, HostID: int(first) + next, Size: end - next})
		}
	}
	for _, mapping := range sorted {
		drawTo(min(int(mapping.ContainerID), rangeSize))
		mappings = append(mappings, syscall.SysProcIDMap{ContainerID: int(mapping.ContainerID), HostID: int(mapping.HostID), Size: int(mapping.Size)})
		next = int(mapping.ContainerID) + int(mapping.Size)
	}
	drawTo(rangeSize)
	return mappings
}

// inside is the id inside of an id of the node; -1 for one that is not mapped.
func inside(mappings []syscall.SysProcIDMap, id uint32) int {
	for _, mapping := range mappings {
		if offset := int(id) - mapping.HostID; offset >= 0 && offset < mapping.Size {
			return mapping.ContainerID + offset
		}
	}
	return -1
}

// apartFrom refuses mappings of ids that containers draw: those would be the ids of two.
func apartFrom(first, ranges uint32, declared []specs.LinuxIDMapping) error {
	end := uint64(first) + uint64(ranges)*rangeSize
	for _, mapping := range declared {
		if begin := uint64(mapping.HostID); begin < end && uint64(first) < begin+uint64(mapping.Size) {
			return fmt.Errorf("userNamespace maps id %d of the node, and containers draw theirs from %d to %d: map others", max(begin, uint64(first)), first, end-1)
		}
	}
	return nil
}
