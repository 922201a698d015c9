package check_test

import (
	"testing"
)

func TestDevicesAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("devices: [{path: /etc/shadow}]"), `spec.devices[0].path: "/etc/shadow": want a device below /dev`},
		{spec("devices: [{path: /dev/a, containerPath: /etc/x}]"), `spec.devices[0].containerPath: "/etc/x": want a path below /dev`},
		{spec("devices: [{path: 'nvidia.com/gpu=a b'}]"), `spec.devices[0].path: "nvidia.com/gpu=a b": want the name of a CDI device such as nvidia.com/gpu=0`},
		{spec("devices: [{path: gpu=0}]"), `spec.devices[0].path: "gpu=0": want the name of a CDI device`},
		{spec("devices: [{path: nvidia.com/gpu=0, containerPath: /dev/x}]"), `spec.devices[0].containerPath: the CDI specification of nvidia.com/gpu=0 says this: leave it out`},
		{spec("devices: [{path: nvidia.com/gpu=0, permissions: r}]"), `spec.devices[0].permissions: the CDI specification`},
		{spec("devices: [{path: /dev/a, permissions: wr}]"), `spec.devices[0].permissions: "wr": want r, w and m`},
	})
}
