package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// AddDevices adds the node's devices that the container may use. They are looked up at each
// start: a device's number may change when it is plugged in again. uid and gid are those of the container's user.
func (r *Root) AddDevices(uid, gid uint32) error {
	for _, want := range r.Devices {
		err := r.addDevice(want, uid, gid)
		if errors.Is(err, fs.ErrNotExist) && want.Optional {
			continue
		}
		if err != nil {
			return fmt.Errorf("device %s: %w", want.Path, err)
		}
	}
	if r.AllDevices {
		return r.addAllDevices()
	}
	return nil
}

// addDevice adds a device, or those of a directory. The container gets the opened file: another container may have write access
// there, and exchange the file after any check.
func (r *Root) addDevice(want bundle.Device, uid, gid uint32) error {
	if want.Node.IsWhole() && r.users == nil {
		return r.grant(nil, described(specs.LinuxDevice{}, want.Node, uid, gid), want)
	}
	found, err := untrusted.Handle(want.Path)
	if err != nil {
		return err
	}
	defer found.Close()
	info, err := found.Stat()
	switch {
	case err != nil:
		return err
	case !info.IsDir() || want.Node != nil:
		return r.allow(found, want, uid, gid)
	case want.Single:
		return errors.New("it is a directory that a container may write: name the devices in it, and allow each by hostPaths of the policy")
	}
	return devicesBelow(found, nil, func(device *os.File, name string) error {
		return r.allow(device, bundle.Device{ContainerPath: filepath.Join(want.ContainerPath, name), Permissions: want.Permissions}, uid, gid)
	})
}

// devicesBelow opens the devices of a directory and of those in it, and follows no link. The names of without are left out.
func devicesBelow(dir *os.File, without []string, add func(device *os.File, name string) error) error {
	list, err := untrusted.Reopen(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer list.Close()
	names, err := list.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if slices.Contains(without, name) {
			continue
		}
		if err := addEntry(list, name, add); err != nil {
			return err
		}
	}
	return nil
}

// addEntry adds an entry of a directory that is a device, or the devices in one that is a directory.
func addEntry(dir *os.File, name string, add func(device *os.File, name string) error) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil // unplugged or exchanged meanwhile
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	found := os.NewFile(uintptr(fd), name)
	defer found.Close()
	// The directory entry has the type of the file below a bind mount, not that of the device.
	info, err := found.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return devicesBelow(found, nil, func(device *os.File, below string) error { return add(device, filepath.Join(name, below)) })
	case info.Mode()&fs.ModeDevice != 0:
		return add(found, name)
	default:
		return nil
	}
}

// allow lets the container use the device of a handle.
func (r *Root) allow(found *os.File, want bundle.Device, uid, gid uint32) error {
	device, err := describeDevice(found)
	if err != nil {
		return err
	}
	if node := want.Node; node != nil {
		if node.Type != "" && node.Type != device.Type {
			return fmt.Errorf("it is of type %s: its specification says %s", device.Type, node.Type)
		}
		device = described(device, node, uid, gid)
	}
	return r.grant(found, device, want)
}

// described is a device as its specification says. It belongs to a user and a group unless the specification names others.
func described(device specs.LinuxDevice, node *bundle.DeviceNode, uid, gid uint32) specs.LinuxDevice {
	if node.IsWhole() {
		device.Type, device.Major, device.Minor = node.Type, node.Major, node.Minor
	}
	if node.Mode != nil {
		mode := os.FileMode(*node.Mode)
		device.FileMode = &mode
	}
	device.UID, device.GID = &uid, &gid
	if node.UID != nil {
		device.UID = node.UID
	}
	if node.GID != nil {
		device.GID = node.GID
	}
	return device
}

// grant makes a device in the container and lets it be used.
func (r *Root) grant(found *os.File, device specs.LinuxDevice, want bundle.Device) error {
	if want.Permissions != "" && device.Type != "p" {
		r.Spec.Linux.Resources.Devices = append(r.Spec.Linux.Resources.Devices, specs.LinuxDeviceCgroup{
			Allow: true, Type: device.Type, Major: &device.Major, Minor: &device.Minor, Access: want.Permissions,
		})
	}
	return r.show(found, device, want.ContainerPath)
}

// show makes the device appear in the container. Users of its own cannot make devices, nor be
// given one that belongs to root but as it is: the node's is mounted there.
func (r *Root) show(found *os.File, device specs.LinuxDevice, inside string) error {
	if r.users == nil {
		device.Path = inside
		r.Spec.Linux.Devices = append(r.Spec.Linux.Devices, device)
		return nil
	}
	staged, err := r.stage(found, fmt.Sprintf("device-%d", len(r.Spec.Mounts)))
	if err != nil {
		return err
	}
	r.Spec.Mounts = append(r.Spec.Mounts, specs.Mount{
		Type: "bind", Source: staged, Destination: inside, Options: []string{"bind", "rprivate", "nosuid", "noexec"},
	})
	return nil
}

// describeDevice returns the description of a device by its handle.
func describeDevice(found *os.File) (specs.LinuxDevice, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(found.Fd()), &stat); err != nil {
		return specs.LinuxDevice{}, &os.PathError{Op: "stat", Path: found.Name(), Err: err}
	}
	device := specs.LinuxDevice{
		Major: int64(unix.Major(stat.Rdev)), Minor: int64(unix.Minor(stat.Rdev)),
		UID: &stat.Uid, GID: &stat.Gid,
	}
	mode := os.FileMode(stat.Mode & 0o777)
	device.FileMode = &mode
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		device.Type = "c"
	case unix.S_IFBLK:
		device.Type = "b"
	default:
		return specs.LinuxDevice{}, errors.New("it is not a device")
	}
	return device, nil
}

// ownDevices are the names in a container's /dev that do not come from the node.
var ownDevices = []string{"pts", "shm", "mqueue", "fd", "console", "ptmx", "null", "zero", "full", "tty", "random", "urandom"}

// addAllDevices adds every device of the node; the bundle lets them all be used.
func (r *Root) addAllDevices() error {
	dir, err := untrusted.Handle("/dev")
	if err != nil {
		return err
	}
	defer dir.Close()
	return devicesBelow(dir, ownDevices, func(found *os.File, name string) error {
		device, err := describeDevice(found)
		if err != nil {
			return err
		}
		return r.show(found, device, filepath.Join("/dev", name))
	})
}
