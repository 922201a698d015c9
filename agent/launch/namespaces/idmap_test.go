package namespaces

import (
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestIDsThatAreNotMappedAreDrawn(t *testing.T) {
	t.Parallel()
	const first = 1 << 20
	for name, test := range map[string]struct {
		declared []specs.LinuxIDMapping
		want     []syscall.SysProcIDMap
	}{
		"all are drawn": {nil, []syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: 65536}}},
		"one is kept": {
			[]specs.LinuxIDMapping{{ContainerID: 1000, HostID: 1000, Size: 1}},
			[]syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: 1000}, {ContainerID: 1000, HostID: 1000, Size: 1}, {ContainerID: 1001, HostID: first + 1001, Size: 64535}},
		},
		"root, and in any order": {
			[]specs.LinuxIDMapping{{ContainerID: 5, HostID: 50, Size: 2}, {ContainerID: 0, HostID: 1000, Size: 5}},
			[]syscall.SysProcIDMap{{ContainerID: 0, HostID: 1000, Size: 5}, {ContainerID: 5, HostID: 50, Size: 2}, {ContainerID: 7, HostID: first + 7, Size: 65529}},
		},
		"beyond those that are drawn": {
			[]specs.LinuxIDMapping{{ContainerID: 100000, HostID: 100000, Size: 1}},
			[]syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: 65536}, {ContainerID: 100000, HostID: 100000, Size: 1}},
		},
		"across their end": {
			[]specs.LinuxIDMapping{{ContainerID: 65000, HostID: 7, Size: 1000}},
			[]syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: 65000}, {ContainerID: 65000, HostID: 7, Size: 1000}},
		},
		"all are declared": {
			[]specs.LinuxIDMapping{{ContainerID: 0, HostID: 7, Size: 65536}},
			[]syscall.SysProcIDMap{{ContainerID: 0, HostID: 7, Size: 65536}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := idMap(test.declared, first)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			for _, mapping := range got {
				last := mapping.Size - 1
				if id := inside(got, uint32(mapping.HostID+last)); id != mapping.ContainerID+last {
					t.Errorf("%d of the node is %d inside, want %d", mapping.HostID+last, id, mapping.ContainerID+last)
				}
			}
			if id := inside(got, 3); id != -1 {
				t.Errorf("3 of the node is %d inside: it is not mapped", id)
			}
		})
	}
}

func TestDeclaredIDsAreNotDrawn(t *testing.T) {
	t.Parallel()
	const first, ranges = 1 << 20, 2
	for name, test := range map[string]struct {
		host, size uint32
		wrong      bool
	}{
		"a user":       {1000, 1, false},
		"up to them":   {first - 5, 5, false},
		"the first":    {first - 5, 6, true},
		"the last":     {first + ranges*rangeSize - 1, 1, true},
		"after them":   {first + ranges*rangeSize, 9, false},
		"all, at once": {1, 1 << 30, true},
	} {
		err := apartFrom(first, ranges, []specs.LinuxIDMapping{{HostID: test.host, Size: test.size}})
		if (err != nil) != test.wrong {
			t.Errorf("%s: %v", name, err)
		}
	}
}
