package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// addDevices adds the node's devices that the container may use. They are looked up at each
// start: a device's number may change when it is plugged in again.
func (r *run) addDevices() error {
	for _, want := range r.Devices {
		err := r.addDevice(want)
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

// addDevice adds a device, or those of a directory.
func (r *run) addDevice(want bundle.Device) error {
	info, err := os.Stat(want.Path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return r.allow(want)
	}
	return filepath.WalkDir(want.Path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Mode()&fs.ModeDevice == 0 {
			return err
		}
		inside := want.ContainerPath + strings.TrimPrefix(path, want.Path)
		return r.allow(bundle.Device{Path: path, ContainerPath: inside, Permissions: want.Permissions})
	})
}

// allow makes one device in the container and lets it be used.
func (r *run) allow(want bundle.Device) error {
	device, err := lookUpDevice(want.Path)
	if err != nil {
		return err
	}
	r.show(device, want.ContainerPath)
	r.Spec.Linux.Resources.Devices = append(r.Spec.Linux.Resources.Devices, specs.LinuxDeviceCgroup{
		Allow: true, Type: device.Type, Major: &device.Major, Minor: &device.Minor, Access: want.Permissions,
	})
	return nil
}

// show makes the device appear in the container. Users of its own cannot make devices, nor be
// given one that belongs to root but as it is: the node's is mounted there.
func (r *run) show(device specs.LinuxDevice, inside string) {
	if r.users == nil {
		device.Path = inside
		r.Spec.Linux.Devices = append(r.Spec.Linux.Devices, device)
		return
	}
	r.Spec.Mounts = append(r.Spec.Mounts, specs.Mount{
		Type: "bind", Source: device.Path, Destination: inside, Options: []string{"bind", "rprivate", "nosuid", "noexec"},
	})
}

func lookUpDevice(path string) (specs.LinuxDevice, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return specs.LinuxDevice{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	device := specs.LinuxDevice{
		Path: path, Major: int64(unix.Major(stat.Rdev)), Minor: int64(unix.Minor(stat.Rdev)),
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
		return specs.LinuxDevice{}, fmt.Errorf("%s is not a device", path)
	}
	return device, nil
}

// ownDevices are what a container's /dev has of its own.
var ownDevices = []string{"pts", "shm", "mqueue", "fd", "console", "ptmx", "null", "zero", "full", "tty", "random", "urandom"}

// addAllDevices adds every device of the node; the bundle lets them all be used.
func (r *run) addAllDevices() error {
	return filepath.WalkDir("/dev", func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // unplugged meanwhile
		}
		if err != nil {
			return err
		}
		if filepath.Dir(path) == "/dev" && slices.Contains(ownDevices, entry.Name()) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		// The entry's own type is that of what a device was bind-mounted over.
		if info, err := entry.Info(); err != nil || info.Mode()&fs.ModeDevice == 0 {
			return nil
		}
		device, err := lookUpDevice(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			r.show(device, path)
		}
		return err
	})
}
