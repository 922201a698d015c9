package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// TestDevicesAreWhatWasOpened exchanges devices and directories for links all the time, as a container can that may write beside
// them. No link leads to a device elsewhere.
func TestDevicesAreWhatWasOpened(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("makes devices, which needs root")
	}
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	null := int(unix.Mkdev(1, 3))
	must(unix.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o600, null))
	must(os.Mkdir(filepath.Join(dir, "in"), 0o700))
	must(unix.Mknod(filepath.Join(dir, "in", "null"), unix.S_IFCHR|0o600, null))
	must(os.Symlink("/dev/zero", filepath.Join(dir, "link")))
	must(os.Symlink("/dev", filepath.Join(dir, "out")))

	var exchanging sync.WaitGroup
	done := make(chan struct{})
	exchanging.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			for _, pair := range [][2]string{{"null", "link"}, {"in", "out"}} {
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, pair[0]), unix.AT_FDCWD, filepath.Join(dir, pair[1]), unix.RENAME_EXCHANGE)
			}
		}
	})
	defer exchanging.Wait()
	defer close(done)
	for range 2000 {
		r := &Root{Bundle: &bundle.Bundle{Spec: &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{}}}}}
		must(r.addDevice(bundle.Device{Path: dir, ContainerPath: "/dev/some", Permissions: "rw"}, 0, 0))
		for _, device := range r.Spec.Linux.Devices {
			if device.Major != 1 || device.Minor != 3 {
				t.Fatalf("it has %s, %d:%d", device.Path, device.Major, device.Minor)
			}
		}
	}
}

// TestADirectoryOfDevicesThatAContainerMayWriteIsRefused refuses a directory where one device is allowed.
func TestADirectoryOfDevicesThatAContainerMayWriteIsRefused(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{t.TempDir(): "a directory that a container may write", "/dev/null": ""} {
		r := &Root{Bundle: &bundle.Bundle{Spec: &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{}}}}}
		err := r.addDevice(bundle.Device{Path: path, ContainerPath: "/dev/some", Permissions: "rw", Single: true}, 0, 0)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestCDIDevicesAreAsTheirSpecificationSays has devices of the node, and one that the node need not have.
func TestCDIDevicesAreAsTheirSpecificationSays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		want          bundle.Device
		device        string
		uid, gid      uint32
		access, fails string
	}{
		"as the node has it": {bundle.Device{Path: "/dev/zero", Permissions: "rw", Node: &bundle.DeviceNode{}}, "c 1:5 666", 1000, 100, "rw", ""},
		"with an owner": {
			bundle.Device{Path: "/dev/zero", Node: &bundle.DeviceNode{Type: "c", Mode: new(uint32(0o640)), UID: new(uint32(0)), GID: new(uint32(44))}}, "c 1:5 640", 0, 44, "", "",
		},
		"without the node": {
			bundle.Device{Path: "/dev/nothing", Permissions: "rwm", Node: &bundle.DeviceNode{Type: "c", Major: 10, Minor: 229, Mode: new(uint32(0o600))}}, "c 10:229 600", 1000, 100, "rwm", "",
		},
		"of another type": {bundle.Device{Path: "/dev/zero", Node: &bundle.DeviceNode{Type: "b"}}, "", 0, 0, "", "it is of type c: its specification says b"},
		"not there":       {bundle.Device{Path: "/dev/nothing", Node: &bundle.DeviceNode{Type: "c"}}, "", 0, 0, "", "no such file"},
		"a directory":     {bundle.Device{Path: "/dev", Node: &bundle.DeviceNode{}}, "", 0, 0, "", "it is not a device"},
	} {
		r := &Root{Bundle: &bundle.Bundle{Spec: &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{}}}}}
		test.want.ContainerPath = "/dev/some"
		if err := r.addDevice(test.want, 1000, 100); err != nil || test.fails != "" {
			if err == nil || test.fails == "" || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v, want %q", name, err, test.fails)
			}
			continue
		}
		got, access := r.Spec.Linux.Devices[0], ""
		for _, rule := range r.Spec.Linux.Resources.Devices {
			access += rule.Access
		}
		text := fmt.Sprintf("%s %d:%d %o", got.Type, got.Major, got.Minor, *got.FileMode)
		if text != test.device || *got.UID != test.uid || *got.GID != test.gid || access != test.access || got.Path != "/dev/some" {
			t.Errorf("%s: %s of %d:%d, access %q", name, text, *got.UID, *got.GID, access)
		}
	}
}
