package kube

import (
	"slices"
	"strings"
)

// openDevices gives containers the devices of the node that they mount below /dev: a mount alone would not let them open
// those. The paths of both are below /dev; a directory is that of devices.
func openDevices(spec map[string]any) {
	paths := map[string]string{} // by the volume's name
	for _, item := range listAt(spec, "volumes") {
		volume, _ := item.(map[string]any)
		host := mapAt(volume, "hostPath")
		if path := textAt(host, "path"); isDevice(path) && slices.Contains(deviceTypes, textAt(host, "type")) {
			paths[textAt(volume, "name")] = path
		}
	}
	opened := map[string]bool{}
	for _, item := range slices.Concat(listAt(spec, "initContainers"), listAt(spec, "containers")) {
		member, _ := item.(map[string]any)
		var mounts, devices []any
		for _, item := range listAt(member, "volumeMounts") {
			mount, _ := item.(map[string]any)
			name, inside := textAt(mount, "name"), textAt(mount, "mountPath")
			if paths[name] == "" || !isDevice(inside) || mount["subPath"] != nil || mount["subPathExpr"] != nil {
				mounts = append(mounts, item)
				continue
			}
			opened[name] = true
			devices = append(devices, device(paths[name], inside, mount["readOnly"] == true))
		}
		if devices != nil {
			member["volumeMounts"], member["devices"] = mounts, devices
		}
	}
	spec["volumes"] = unopened(spec, opened)
	if len(listAt(spec, "volumes")) == 0 {
		delete(spec, "volumes")
	}
}

// deviceTypes are the types of a hostPath that a device, or a directory of devices, can have. A missing device keeps the
// container from starting, whatever the type.
var deviceTypes = []string{"", "CharDevice", "BlockDevice", "Directory"}

// isDevice reports whether a path is below /dev, where it is not shared memory.
func isDevice(path string) bool {
	return strings.HasPrefix(path, "/dev/") && path != "/dev/shm" && path != "/dev/log" && !strings.HasPrefix(path, "/dev/shm/")
}

func device(path, inside string, readOnly bool) map[string]any {
	opened := map[string]any{"path": path}
	if inside != path {
		opened["containerPath"] = inside
	}
	if readOnly {
		opened["permissions"] = "r"
	}
	return opened
}

// unopened are the volumes but for those that are nothing but devices now.
func unopened(spec map[string]any, opened map[string]bool) []any {
	return slices.DeleteFunc(slices.Clone(listAt(spec, "volumes")), func(item any) bool {
		volume, _ := item.(map[string]any)
		return opened[textAt(volume, "name")] && !isMounted(spec, textAt(volume, "name"))
	})
}

func isMounted(spec map[string]any, name string) bool {
	return slices.ContainsFunc(slices.Concat(listAt(spec, "initContainers"), listAt(spec, "containers")), func(item any) bool {
		member, _ := item.(map[string]any)
		return slices.ContainsFunc(listAt(member, "volumeMounts"), func(item any) bool {
			mount, _ := item.(map[string]any)
			return textAt(mount, "name") == name
		})
	})
}

// withCapabilities writes capabilities as the kernel's manual does without CAP_: containerd takes net_admin and
// CAP_NET_ADMIN too.
func withCapabilities(security map[string]any) map[string]any {
	capabilities := mapAt(security, "capabilities")
	for _, list := range []string{"add", "drop"} {
		names := slices.Clone(listAt(capabilities, list))
		for i, name := range names {
			text, _ := name.(string)
			names[i] = strings.TrimPrefix(strings.ToUpper(text), "CAP_")
		}
		if names != nil {
			capabilities = with(capabilities, list, names)
		}
	}
	if capabilities == nil {
		return security
	}
	return with(security, "capabilities", capabilities)
}
