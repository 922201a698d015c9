package check

import (
	"fmt"
	"regexp"
	"strings"

	"tags.cncf.io/container-device-interface/pkg/parser"

	v1 "github.com/davit-project/davit/manifests/v1"
)

var devicePermissions = regexp.MustCompile(`^(r|w|m|rw|rm|wm|rwm)$`)

func checkDevices(s *Subject, at string, devices []v1.Device) {
	for i, device := range devices {
		field := fmt.Sprintf("%s.devices[%d]", at, i)
		if device.IsCDI() {
			checkCDIDevice(s, field, device)
			continue
		}
		if absolute(s, field+".path", device.Path) && (!below("/dev", device.Path) || device.Path == "/dev") {
			s.errorf(field+".path", "%q: want a device below /dev", device.Path)
		}
		if device.ContainerPath != "" && absolute(s, field+".containerPath", device.ContainerPath) && !below("/dev", device.ContainerPath) {
			s.errorf(field+".containerPath", "%q: want a path below /dev", device.ContainerPath)
		}
		if device.Permissions != "" && !devicePermissions.MatchString(device.Permissions) {
			s.errorf(field+".permissions", "%q: want r, w and m, in this order", device.Permissions)
		}
	}
}

// checkCDIDevice checks a device whose specification on the node says where it appears and what may be done with it.
func checkCDIDevice(s *Subject, field string, device v1.Device) {
	checkCDIName(s, field+".path", device.Path)
	for name, value := range map[string]string{"containerPath": device.ContainerPath, "permissions": device.Permissions} {
		if value != "" {
			s.errorf(field+"."+name, "the CDI specification of %s says this: leave it out", device.Path)
		}
	}
}

// checkCDIName checks the name of a CDI device
// (https://github.com/cncf-tags/container-device-interface/blob/v1.1.0/SPEC.md#kind).
func checkCDIName(s *Subject, field, name string) {
	if !parser.IsQualifiedName(name) {
		s.errorf(field, "%q: want the name of a CDI device such as nvidia.com/gpu=0", name)
	}
}

// GrantedDevice checks a device that a node's configuration gives containers: a path below /dev, or the name of a CDI device.
func GrantedDevice(s *Subject, field, path string) {
	switch device := (v1.Device{Path: path}); {
	case device.IsCDI():
		checkCDIName(s, field, path)
	case !strings.HasPrefix(path, "/dev/") || !absolute(s, field, path):
		s.errorf(field, "%q: want a device below /dev, or the name of a CDI device such as nvidia.com/gpu=0", path)
	}
}
