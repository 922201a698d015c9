package resolve

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	cdi "tags.cncf.io/container-device-interface/specs-go"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/units/bundle"
)

// CDIDevice is a device of the Container Device Interface as a specification on the node defines it
// (https://github.com/cncf-tags/container-device-interface/blob/v1.1.0/SPEC.md).
type CDIDevice struct {
	// File is the specification's; empty means that the node has no such device, and Missing says why.
	File    string
	Missing string
	// Common are the edits of the specification for all of its devices, Own those for this one.
	Common, Own cdi.ContainerEdits
}

// CDIDevices returns the names of the CDI devices that the objects use, each once. Finding their specifications is the edge's
// work.
func CDIDevices(objects []object.Object) []string {
	named := map[string]bool{}
	for _, one := range objects {
		// Resolve reports objects that cannot run.
		l, _ := lower(one.Object)
		for _, run := range l.containers {
			for _, device := range run.Devices {
				if device.IsCDI() {
					named[device.Path] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(named))
}

// cdiEdits returns the edits for the CDI devices of a container, in their order. The edits of a file for all of its devices come
// once, before those for the first of them.
func (r *resolver) cdiEdits(run runnable) (cdi.ContainerEdits, error) {
	var edits cdi.ContainerEdits
	files := map[string]bool{}
	for i, declared := range run.Devices {
		device, ok := r.in.Node.CDI[declared.Path]
		switch {
		case !declared.IsCDI() || device.Missing != "" && declared.Optional:
			continue
		case !ok:
			return edits, fmt.Errorf("CDI device %s was not looked for", declared.Path)
		case device.Missing != "":
			return edits, at(fmt.Sprintf("devices[%d].path", i), fmt.Errorf("CDI device %s: %s", declared.Path, device.Missing))
		}
		if err := cmp.Or(checkEdits(device.Common, run.OwnUsers()), checkEdits(device.Own, run.OwnUsers())); err != nil {
			return edits, at(fmt.Sprintf("devices[%d].path", i), fmt.Errorf("CDI device %s: %s: %w", declared.Path, device.File, err))
		}
		if !files[device.File] {
			files[device.File] = true
			addEdits(&edits, device.Common)
		}
		addEdits(&edits, device.Own)
	}
	return edits, nil
}

func addEdits(to *cdi.ContainerEdits, more cdi.ContainerEdits) {
	to.Env = append(to.Env, more.Env...)
	to.DeviceNodes = append(to.DeviceNodes, more.DeviceNodes...)
	to.Hooks = append(to.Hooks, more.Hooks...)
	to.Mounts = append(to.Mounts, more.Mounts...)
	to.AdditionalGIDs = append(to.AdditionalGIDs, more.AdditionalGIDs...)
}

// checkEdits refuses edits that containers cannot have. Hooks after the start, or after the end, would need a process of davit
// that runs then. Hooks in the container's namespaces run as its users, who can read no bundle.
func checkEdits(edits cdi.ContainerEdits, ownUsers bool) error {
	switch {
	case len(edits.NetDevices) > 0:
		return errors.New("davit does not support netDevices")
	case edits.IntelRdt != nil:
		return errors.New("davit does not support intelRdt")
	}
	for _, hook := range edits.Hooks {
		if hookList(&specs.Hooks{}, hook.HookName) == nil {
			return fmt.Errorf("davit does not support the hook %s", hook.HookName)
		}
		if ownUsers && (hook.HookName == "createContainer" || hook.HookName == "startContainer") {
			return fmt.Errorf("its hook %s needs the users of the node: leave hostUsers and userNamespace out", hook.HookName)
		}
	}
	return nil
}

// hookList is the list of hooks of this name; nil for one that davit does not run.
func hookList(hooks *specs.Hooks, name string) *[]specs.Hook {
	switch name {
	case "prestart":
		//lint:ignore SA1019 CDI specifications still have it
		return &hooks.Prestart
	case "createRuntime":
		return &hooks.CreateRuntime
	case "createContainer":
		return &hooks.CreateContainer
	case "startContainer":
		return &hooks.StartContainer
	}
	return nil
}

// editSpec adds hooks and groups to an OCI configuration.
func editSpec(spec *specs.Spec, edits cdi.ContainerEdits) {
	for _, hook := range edits.Hooks {
		if spec.Hooks == nil {
			spec.Hooks = &specs.Hooks{}
		}
		list := hookList(spec.Hooks, hook.HookName)
		*list = append(*list, specs.Hook{Path: hook.Path, Args: hook.Args, Env: hook.Env, Timeout: hook.Timeout})
	}
	for _, gid := range edits.AdditionalGIDs {
		groups := &spec.Process.User.AdditionalGids
		if gid != 0 && !slices.Contains(*groups, gid) { // the library of the CDI ignores the group of root too
			*groups = append(*groups, gid)
		}
	}
}

// edit sets variables, in the place of those of the image and the manifest.
func (e *environment) edit(variables []string) {
	for _, entry := range variables {
		if name, value, ok := strings.Cut(entry, "="); ok {
			e.declare(name, variable{text: value})
		}
	}
}

// edit adds mounts, in the place of those at the same path.
func (s *storage) edit(mounts []*cdi.Mount) {
	for _, mount := range mounts {
		added := specs.Mount{Destination: mount.ContainerPath, Source: mount.HostPath, Type: mount.Type, Options: mount.Options}
		isBind := slices.ContainsFunc(mount.Options, func(option string) bool { return option == "bind" || option == "rbind" })
		if added.Type == "" && !isBind {
			added.Options = append([]string{"rbind"}, mount.Options...)
		}
		if added.Type == "" {
			added.Type = "bind"
		}
		s.mounts = slices.DeleteFunc(s.mounts, func(other specs.Mount) bool { return other.Destination == added.Destination })
		s.mounts = append(s.mounts, added)
		if added.Type == "bind" {
			s.hostDirs = append(s.hostDirs, mount.HostPath)
		}
	}
	slices.SortStableFunc(s.mounts, byDepth)
}

// cdiNodes are the devices that edits add, the last of each path.
func cdiNodes(edits cdi.ContainerEdits) []bundle.Device {
	var devices []bundle.Device
	for _, node := range edits.DeviceNodes {
		device := bundle.Device{
			Path: node.HostPath, ContainerPath: node.Path, Permissions: node.Permissions,
			Node: &bundle.DeviceNode{Type: node.Type, Major: node.Major, Minor: node.Minor, UID: node.UID, GID: node.GID},
		}
		if device.Path == "" {
			device.Path = node.Path
		}
		switch device.Permissions {
		case "":
			device.Permissions = "rwm"
		case "none":
			device.Permissions = ""
		}
		if device.Node.Type == "u" { // a character device too (mknod(1))
			device.Node.Type = "c"
		}
		if node.FileMode != nil {
			mode := uint32(*node.FileMode)
			device.Node.Mode = &mode
		}
		devices = slices.DeleteFunc(devices, func(other bundle.Device) bool { return other.ContainerPath == device.ContainerPath })
		devices = append(devices, device)
	}
	return devices
}
