package resolve_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	cdi "tags.cncf.io/container-device-interface/specs-go"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/bundle"
)

// reader is a device whose specification says all that davit supports.
var reader = resolve.CDIDevice{
	File: "/etc/cdi/reader.yaml",
	Common: cdi.ContainerEdits{
		Env:   []string{"READER=v2", "ADDED=common"},
		Hooks: []*cdi.Hook{{HookName: "createContainer", Path: "/usr/bin/hook", Args: []string{"hook", "prepare"}}},
		Mounts: []*cdi.Mount{
			{HostPath: "/usr/lib/reader", ContainerPath: "/data/lib", Options: []string{"ro", "nosuid", "bind"}},
			{HostPath: "/usr/share/reader", ContainerPath: "/usr/share/reader"},
		},
	},
	Own: cdi.ContainerEdits{
		DeviceNodes: []*cdi.DeviceNode{
			{Path: "/dev/reader0", HostPath: "/dev/zero", Permissions: "r"},
			{Path: "/dev/reader-control", Type: "u", Major: 10, Minor: 7, FileMode: new(os.FileMode(0o640)), GID: new(uint32(44)), Permissions: "none"},
			{Path: "/dev/reader-plain"},
		},
		AdditionalGIDs: []uint32{0, 44},
	},
}

var readerApp = reconciletest.Container("app",
	"env: [{name: READER, value: v1}, {name: OWN, value: \"yes\"}]", "volumes: [{name: data, emptyDir: {}}]",
	"volumeMounts: [{name: data, mountPath: /data}, {name: data, mountPath: /data/lib, subPath: lib}]",
	"devices: [{path: acme.example/reader=0}, {path: acme.example/reader=1}, {path: acme.example/other=0, optional: true}]")

// resolveWith resolves manifests on a node that has CDI devices.
func resolveWith(t *testing.T, memory *resolve.Memory, text string, devices map[string]resolve.CDIDevice) reconcile.Desired {
	t.Helper()
	objects, node := reconciletest.Load(t, text), reconciletest.TestNode
	node.CDI = devices
	return memory.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: node})
}

func TestCDIDevicesEditTheBundle(t *testing.T) {
	t.Parallel()
	second := resolve.CDIDevice{File: reader.File, Common: reader.Common, Own: cdi.ContainerEdits{Env: []string{"SECOND=1"}}}
	desired := resolveWith(t, new(resolve.Memory), readerApp, map[string]resolve.CDIDevice{
		"acme.example/reader=0": reader, "acme.example/reader=1": second, "acme.example/other=0": {Missing: "no specification defines it"},
	})
	if len(desired.Problems) > 0 {
		t.Fatal(desired.Problems)
	}
	b := desired.Workloads["app.service"].Bundle
	for _, want := range []string{"READER=v2", "ADDED=common", "OWN=yes", "SECOND=1"} {
		if strings.Count(strings.Join(b.Spec.Process.Env, " "), want) != 1 {
			t.Errorf("the environment is %v: want %s once", b.Spec.Process.Env, want)
		}
	}
	hooks := &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/usr/bin/hook", Args: []string{"hook", "prepare"}}}}
	devices := []bundle.Device{
		{Path: "/dev/zero", ContainerPath: "/dev/reader0", Permissions: "r", Node: &bundle.DeviceNode{}},
		{Path: "/dev/reader-control", ContainerPath: "/dev/reader-control", Node: &bundle.DeviceNode{Type: "c", Major: 10, Minor: 7, Mode: new(uint32(0o640)), GID: new(uint32(44))}},
		{Path: "/dev/reader-plain", ContainerPath: "/dev/reader-plain", Permissions: "rwm", Node: &bundle.DeviceNode{}},
	}
	if diff := cmp.Diff(hooks, b.Spec.Hooks) + cmp.Diff(devices, b.Devices) + cmp.Diff([]uint32{44}, b.Spec.Process.User.AdditionalGids); diff != "" {
		t.Error(diff)
	}
	var mounts []specs.Mount
	for _, mount := range b.Spec.Mounts {
		if strings.HasPrefix(mount.Destination, "/data") || strings.HasPrefix(mount.Destination, "/usr") {
			mounts = append(mounts, mount)
		}
	}
	if len(mounts) != 3 || mounts[0].Destination != "/data" {
		t.Fatalf("mounts are %v", mounts)
	}
	wantMounts := []specs.Mount{
		{Destination: "/data/lib", Type: "bind", Source: "/usr/lib/reader", Options: []string{"ro", "nosuid", "bind"}},
		{Destination: "/usr/share/reader", Type: "bind", Source: "/usr/share/reader", Options: []string{"rbind"}},
	}
	if diff := cmp.Diff(wantMounts, mounts[1:]); diff != "" {
		t.Error(diff)
	}
}

// TestAChangedCDISpecificationIsANewBundle has a node on which the file of a device changes.
func TestAChangedCDISpecificationIsANewBundle(t *testing.T) {
	t.Parallel()
	var memory resolve.Memory
	resolve := func(device resolve.CDIDevice) reconcile.Workload {
		return resolveWith(t, &memory, readerApp, map[string]resolve.CDIDevice{
			"acme.example/reader=0": device, "acme.example/reader=1": reader, "acme.example/other=0": {Missing: "none"},
		}).Workloads["app.service"]
	}
	changed := reader
	changed.Own = cdi.ContainerEdits{Env: []string{"MODE=fast"}}
	before, again, after := resolve(reader), resolve(reader), resolve(changed)
	if before.BundleDir != again.BundleDir || before.Inputs != again.Inputs {
		t.Error("nothing has changed, and the bundle has")
	}
	if before.BundleDir == after.BundleDir || before.Inputs == after.Inputs {
		t.Error("the specification has changed, and the bundle has not")
	}
}

// TestHooksOfCDIDevicesNeedTheUsersOfTheNode has a container with users of its own.
func TestHooksOfCDIDevicesNeedTheUsersOfTheNode(t *testing.T) {
	t.Parallel()
	plain := resolve.CDIDevice{File: "/etc/cdi/plain.yaml", Own: cdi.ContainerEdits{Env: []string{"A=b"}}}
	for name, want := range map[string]string{"acme.example/plain=0": "", "acme.example/reader=0": "its hook createContainer needs the users of the node"} {
		text := reconciletest.Container("app", "hostUsers: false", "devices: [{path: "+name+"}]")
		problems := resolveWith(t, new(resolve.Memory), text, map[string]resolve.CDIDevice{"acme.example/plain=0": plain, "acme.example/reader=0": reader}).Problems
		if (len(problems) > 0) != (want != "") || len(problems) > 0 && !strings.Contains(problems[0].Err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, problems, want)
		}
	}
}

// TestCDIDevicesThatANodeCannotGive holds the object that names one, and no other.
func TestCDIDevicesThatANodeCannotGive(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		device resolve.CDIDevice
		want   string
	}{
		"missing":  {resolve.CDIDevice{Missing: "no specification in /etc/cdi or /var/run/cdi defines it"}, "CDI device acme.example/reader=0: no specification in /etc/cdi or /var/run/cdi defines it"},
		"network":  {resolve.CDIDevice{File: "/etc/cdi/a.yaml", Own: cdi.ContainerEdits{NetDevices: []*cdi.LinuxNetDevice{{HostInterfaceName: "a", Name: "b"}}}}, "CDI device acme.example/reader=0: /etc/cdi/a.yaml: davit does not support netDevices"},
		"resctrl":  {resolve.CDIDevice{File: "/etc/cdi/a.yaml", Common: cdi.ContainerEdits{IntelRdt: &cdi.IntelRdt{}}}, "davit does not support intelRdt"},
		"after it": {resolve.CDIDevice{File: "/etc/cdi/a.yaml", Own: cdi.ContainerEdits{Hooks: []*cdi.Hook{{HookName: "poststop", Path: "/a"}}}}, "davit does not support the hook poststop"},
	} {
		desired := resolveWith(t, new(resolve.Memory), readerApp+reconciletest.Container("other"), map[string]resolve.CDIDevice{
			"acme.example/reader=0": test.device, "acme.example/reader=1": reader, "acme.example/other=0": {Missing: "none"},
		})
		if _, ok := desired.Workloads["other.service"]; !ok {
			t.Errorf("%s: it takes another object with it", name)
		}
		if len(desired.Problems) != 1 || !strings.Contains(desired.Problems[0].Err.Error(), test.want) || desired.Problems[0].Part != reconcile.PartNode {
			t.Errorf("%s: got %v, want %s", name, desired.Problems, test.want)
		}
	}
}
