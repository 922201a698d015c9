package manifests

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func (d *document) checkContainer(spec v1.ContainerSpec) {
	switch {
	case spec.Image == "" && spec.ImageRef == "":
		d.errorf("spec.image", "missing")
	case spec.Image != "" && spec.ImageRef != "":
		d.errorf("spec.imageRef", "there is an image already: want one of the two")
	case spec.Image != "":
		d.checkImageFields(v1.ImageSpec{
			Image: spec.Image, ImagePullPolicy: spec.ImagePullPolicy, Platform: spec.Platform, AuthFile: spec.AuthFile,
		})
	case spec.ImagePullPolicy != "" || spec.Platform != "" || spec.AuthFile != "":
		d.errorf("spec.imageRef", "the Image object says how to pull: leave imagePullPolicy, platform and authFile out")
	}
	d.checkProcess(spec)
	d.checkLifecycle(spec)
	d.checkContainerNetwork(spec)
	d.checkMounts(spec)
	d.checkResources(spec.Resources)
	d.checkSecurity(spec.SecurityContext)
	d.checkPassThrough(spec)
}

var (
	// environmentName is anything but '=' and NUL (environ(7)); control characters are
	// never meant.
	environmentName = regexp.MustCompile(`^[^=\x00-\x1f\x7f]+$`)
	userSpec        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)
	timeZone        = regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`)
)

// maxProcess bounds arguments and environment together, well below what execve(2) takes.
const maxProcess = 1 << 20

func (d *document) checkProcess(spec v1.ContainerSpec) {
	size := 0
	for _, list := range []struct {
		field string
		items []string
	}{{"spec.command", spec.Command}, {"spec.args", spec.Args}} {
		for i, item := range list.items {
			size += len(item)
			if strings.ContainsRune(item, 0) {
				d.errorf(fmt.Sprintf("%s[%d]", list.field, i), "has a NUL character")
			}
		}
	}
	for i, entry := range spec.Env {
		size += len(entry.Name) + len(entry.Value)
		if !environmentName.MatchString(entry.Name) {
			d.errorf(fmt.Sprintf("spec.env[%d].name", i), "%q is not the name of a variable", entry.Name)
		}
		if strings.ContainsRune(entry.Value, 0) {
			d.errorf(fmt.Sprintf("spec.env[%d].value", i), "has a NUL character")
		}
	}
	if size > maxProcess {
		d.errorf("spec", "command, args and env have %d bytes together, more than %d", size, maxProcess)
	}
	if spec.WorkingDir != "" && d.absolute("spec.workingDir", spec.WorkingDir) && kernelTree(spec.WorkingDir) {
		d.errorf("spec.workingDir", "%q: want a directory outside /proc, /sys and /dev", spec.WorkingDir)
	}
	if spec.User != "" && !userSpec.MatchString(spec.User) {
		d.errorf("spec.user", "%q: want user or user:group, names or numbers", spec.User)
	}
	if spec.TimeZone != "" && !timeZone.MatchString(spec.TimeZone) {
		d.errorf("spec.timeZone", "%q: want a name such as Europe/Berlin", spec.TimeZone)
	}
}

func kernelTree(value string) bool {
	return below("/proc", value) || below("/sys", value) || below("/dev", value)
}

func (d *document) checkLifecycle(spec v1.ContainerSpec) {
	if spec.Oneshot && spec.RestartPolicy == v1.RestartAlways {
		d.errorf("spec.restartPolicy", "a oneshot container ends: want OnFailure or Never")
	}
	if spec.MaxRestarts != nil && *spec.MaxRestarts < 0 {
		d.errorf("spec.maxRestarts", "%d: want 0 or more", *spec.MaxRestarts)
	}
	if grace := spec.TerminationGracePeriodSeconds; grace != nil && *grace < 0 {
		d.errorf("spec.terminationGracePeriodSeconds", "%d: want 0 or more", *grace)
	}
	if spec.StopSignal != "" && !knownSignal(spec.StopSignal) {
		d.errorf("spec.stopSignal", "%q: want the name of a signal such as SIGTERM, SIGQUIT or SIGRTMIN+3", spec.StopSignal)
	}
}

func knownSignal(name string) bool {
	if offset, ok := strings.CutPrefix(name, "SIGRTMIN+"); ok {
		n, err := strconv.Atoi(offset)
		return err == nil && n >= 0 && n <= 30
	}
	return unix.SignalNum(name) != 0
}

func (d *document) checkContainerNetwork(spec v1.ContainerSpec) {
	if spec.HostNetwork && len(spec.Networks) > 0 {
		d.errorf("spec.networks", "hostNetwork has the node's networks: want one of the two")
	}
	for i, attachment := range spec.Networks {
		field := fmt.Sprintf("spec.networks[%d]", i)
		switch {
		case attachment.Name == "host":
			d.errorHint(field+".name", "write hostNetwork: true", "there is no network host")
		case attachment.Name == "none" && len(spec.Networks) > 1:
			d.errorf(field+".name", "none stands alone")
		default:
			d.checkName(field+".name", attachment.Name)
		}
		for j, alias := range attachment.Aliases {
			d.checkHostname(fmt.Sprintf("%s.aliases[%d]", field, j), alias)
		}
		for _, earlier := range spec.Networks[:i] {
			if earlier.Name == attachment.Name {
				d.errorf(field+".name", "network %s is there twice", attachment.Name)
			}
		}
	}
	for i, port := range spec.Ports {
		d.checkPort(fmt.Sprintf("spec.ports[%d]", i), port, spec)
	}
	if spec.Hostname != "" {
		d.checkHostname("spec.hostname", spec.Hostname)
	}
	for i, alias := range spec.HostAliases {
		field := fmt.Sprintf("spec.hostAliases[%d]", i)
		if !isAddress(alias.IP) {
			d.errorf(field+".ip", "%q is not an IP address", alias.IP)
		}
		for j, name := range alias.Hostnames {
			d.checkHostname(fmt.Sprintf("%s.hostnames[%d]", field, j), name)
		}
	}
}

// isAddress wants no zone: one may hold anything, line ends too.
func isAddress(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Zone() == ""
}

// hostname is a DNS name; '_' is common in names of containers.
var hostname = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

func (d *document) checkHostname(field, name string) {
	if len(name) > 253 || !hostname.MatchString(name) {
		d.errorf(field, "%q is not a host name", name)
	}
}

func (d *document) checkPort(field string, port v1.ContainerPort, spec v1.ContainerSpec) {
	last := max(port.EndPort, port.ContainerPort)
	if port.ContainerPort < 1 || last > 65535 {
		d.errorf(field+".containerPort", "want a port from 1 to 65535")
	}
	if port.EndPort != 0 && port.EndPort < port.ContainerPort {
		d.errorf(field+".endPort", "%d is below containerPort %d", port.EndPort, port.ContainerPort)
	}
	if port.HostPort < 0 || int64(port.HostPort)+int64(last)-int64(port.ContainerPort) > 65535 {
		d.errorf(field+".hostPort", "want ports from 1 to 65535")
	}
	if port.HostIP != "" {
		if !isAddress(port.HostIP) {
			d.errorf(field+".hostIP", "%q is not an IP address", port.HostIP)
		}
	}
	switch {
	case port.HostPort == 0:
	case spec.HostNetwork && port.HostPort != port.ContainerPort:
		d.errorf(field+".hostPort", "with hostNetwork a port is the node's already: leave hostPort out")
	case len(spec.Networks) == 1 && spec.Networks[0].Name == "none":
		d.errorf(field+".hostPort", "network none has no ports to publish")
	}
}

func (d *document) checkMounts(spec v1.ContainerSpec) {
	names := map[string]bool{}
	for i, volume := range spec.Volumes {
		field := fmt.Sprintf("spec.volumes[%d]", i)
		d.checkName(field+".name", volume.Name)
		if names[volume.Name] {
			d.errorf(field+".name", "volume %s is there twice", volume.Name)
		}
		names[volume.Name] = true
		if (volume.HostPath == nil) == (volume.EmptyDir == nil) {
			d.errorf(field, "want one of hostPath and emptyDir")
		}
		d.checkVolumeSource(field, volume.HostPath, volume.EmptyDir)
	}
	for i, mount := range spec.VolumeMounts {
		field := fmt.Sprintf("spec.volumeMounts[%d]", i)
		d.checkName(field+".name", mount.Name)
		if !d.absolute(field+".mountPath", mount.MountPath) {
			continue
		}
		if mount.MountPath == "/" || kernelTree(mount.MountPath) && !below("/dev/shm", mount.MountPath) {
			d.errorf(field+".mountPath", "%q: want a path outside /, /proc, /sys and /dev", mount.MountPath)
		}
		for _, earlier := range spec.VolumeMounts[:i] {
			if earlier.MountPath == mount.MountPath {
				d.errorf(field+".mountPath", "%s has a volume already", mount.MountPath)
			}
		}
	}
}

func (d *document) checkResources(resources v1.Resources) {
	for name, list := range map[string]v1.ResourceList{"limits": resources.Limits, "requests": resources.Requests} {
		for resource, quantity := range list {
			field := path.Join("spec.resources." + name + "." + resource)
			if resource != "cpu" && resource != "memory" {
				d.errorf(field, "unknown resource: want cpu or memory")
				continue
			}
			d.quantity(field, quantity)
		}
	}
}

var capability = regexp.MustCompile(`^(CAP_)?[A-Z_]+$`)

func (d *document) checkSecurity(context v1.SecurityContext) {
	const field = "spec.securityContext"
	for name, list := range map[string][]string{"add": context.Capabilities.Add, "drop": context.Capabilities.Drop} {
		for i, c := range list {
			if !capability.MatchString(c) {
				d.errorf(fmt.Sprintf("%s.capabilities.%s[%d]", field, name, i), "%q: want a capability such as NET_ADMIN, or ALL", c)
			}
		}
	}
	for name, id := range map[string]*int64{"runAsUser": context.RunAsUser, "runAsGroup": context.RunAsGroup} {
		if id != nil {
			d.checkID(field+"."+name, *id)
		}
	}
	for i, gid := range context.SupplementalGroups {
		d.checkID(fmt.Sprintf("%s.supplementalGroups[%d]", field, i), gid)
	}
}

// checkID checks a user or group id; the highest one means "no change" (chown(2)).
func (d *document) checkID(field string, id int64) {
	if id < 0 || id >= 1<<32-1 {
		d.errorf(field, "%d is not a user or group id", id)
	}
}
