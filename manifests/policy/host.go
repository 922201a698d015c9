package policy

import (
	slash "path"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// hostPath checks a path of the node. Of the allowed directories that it is in, the innermost decides; what is written
// has none in it that may only be read.
func (c *checker) hostPath(field, path string, readOnly bool) {
	if !c.confines() {
		return
	}
	for _, allowed := range c.policy.HostPaths {
		if inner := allowed.Path; allowed.ReadOnly && !readOnly && inner != path && (HostPath{Path: path}).Contains(inner) {
			c.refuse(field, "hostPaths", "%s of the node has %s in it, which may be mounted read-only alone", path, inner)
			return
		}
	}
	switch innermost, ok := c.innermost(path); {
	case !ok:
		c.refuse(field, "hostPaths", "it may not use %s of the node", path)
	case innermost.ReadOnly && !readOnly:
		c.refuse(field, "hostPaths", "%s of the node may be mounted read-only alone", path)
	}
}

// innermost is the innermost of the allowed directories that a path is in.
func (c *checker) innermost(path string) (innermost HostPath, ok bool) {
	for _, allowed := range c.policy.HostPaths {
		if allowed.Contains(path) && len(allowed.Path) >= len(innermost.Path) {
			innermost, ok = allowed, true
		}
	}
	return innermost, ok
}

// opened checks a path that systemd, davit or the launcher opens by its name: links on its way lead anywhere, so no container may be
// able to put one there.
func (c *checker) opened(field, path string) {
	if dir, ok := c.innermost(slash.Dir(path)); c.confines() && ok && !dir.ReadOnly {
		c.refuse(field, "hostPaths", "a container that can write %s of the node could put a link in the place of %s", dir.Path, path)
	}
}

// checkCDIDevice checks a CDI device. Its specification is a file of root's, which is trusted for what it says.
func checkCDIDevice(c *checker, field, name string) {
	if !matchesAny(c.policy.Devices, name) {
		c.refuse(field, "devices", "it may not use the CDI device %s", name)
	}
}

// sshPort is the port by which nodes are administered, whether SSH runs now or not.
const sshPort = 22

// hostPort checks a port of the node.
func (c *checker) hostPort(field string, port v1.ContainerPort) {
	if port.AutoHostPort {
		checkAutoHostPort(c, strings.TrimSuffix(field, "hostPort")+"autoHostPort", port)
	}
	last := port.HostPort + max(port.EndPort-port.ContainerPort, 0)
	if port.HostPort == 0 {
		return
	}
	if !c.confines() && len(c.policy.HostPorts) == 0 {
		if port.HostPort <= sshPort && sshPort <= last {
			c.refuse(field, "hostPorts", "port %d of the node is for SSH unless hostPorts of the policy has it", sshPort)
		}
		return
	}
	if !slices.ContainsFunc(c.policy.HostPorts, func(r PortRange) bool { return r.Min <= port.HostPort && last <= r.Max }) {
		c.refuse(field, "hostPorts", "it may not publish port %d of the node", port.HostPort)
	}
}

// checkAutoHostPort checks that there are ports which davit may choose from.
func checkAutoHostPort(c *checker, field string, port v1.ContainerPort) {
	allowed := func(r PortRange) bool { return r.Min <= v1.MaxAutoHostPort && v1.MinAutoHostPort <= r.Max }
	if (c.confines() || len(c.policy.HostPorts) > 0) && !slices.ContainsFunc(c.policy.HostPorts, allowed) {
		c.refuse(field, "hostPorts", "it may not publish a port of the node from %d to %d", v1.MinAutoHostPort, v1.MaxAutoHostPort)
	}
}

// checkListen checks an address of the node that systemd listens on for a container.
func checkListen(c *checker, field string, address v1.ListenAddress) {
	if path := address.Path(); path != "" {
		c.hostPath(field, path, false)
		c.opened(field, path)
	} else if network, err := address.AddrPort(); err == nil {
		c.hostPort(field, v1.ContainerPort{HostPort: int32(network.Port())})
	}
}

// inFiles are the transports of images that are files of the node (containers-transports(5)).
var inFiles = []string{"oci", "oci-archive", "docker-archive", "dir"}

// imageFile stands for the files of an image that is a directory.
const imageFile = "manifest.json"

// image checks where an image comes from.
func (c *checker) image(field, reference string) {
	transport, rest, ok := strings.Cut(reference, ":")
	known := append([]string{"docker", "containers-storage"}, inFiles...)
	if !ok || !slices.Contains(known, transport) {
		transport, rest = "docker", reference
	}
	allowed := c.policy.Transports
	if len(allowed) == 0 {
		allowed = []string{"docker"}
		if !c.confines() {
			allowed = known
		}
	}
	if !slices.Contains(allowed, transport) {
		c.refuse(field, "transports", "images may not come by the transport %s", transport)
		return
	}
	if path, _, _ := strings.Cut(rest, ":"); slices.Contains(inFiles, transport) && path != "" {
		if transport == "dir" || transport == "oci" { // files in a directory
			path = slash.Join(path, imageFile)
		}
		c.opened(field, path)
	}
	name := strings.TrimPrefix(rest, "//")
	if transport == "docker" && len(c.policy.Registries) > 0 &&
		!slices.ContainsFunc(c.policy.Registries, func(prefix string) bool { return isOf(prefix, name) }) {
		c.refuse(field, "registries", "images may not come from %s", name)
	}
}

// isOf reports whether an image's name begins with a prefix of whole components. What follows a repository is a tag or a
// digest; what follows a registry is a port, of another registry.
func isOf(prefix, name string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	rest, begins := strings.CutPrefix(name, prefix)
	return begins && (strings.HasPrefix(rest, "/") ||
		strings.Contains(prefix, "/") && (rest == "" || strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "@")))
}

// authFile checks a file of credentials: a manifest that names one uses what is not its own.
func (c *checker) authFile(field, path string) {
	if path != "" {
		c.hostPath(field, path, true)
		c.opened(field, path)
	}
}

// reserved are names of units that the system or its administrator depends on, installed or not.
var reserved = []string{
	"davit", "davit-*", "systemd-*", "dbus*", "ssh", "ssh-*", "sshd*", "init", "getty*", "serial-getty*", "console-getty*",
	"udev*", "networking", "networkd*", "NetworkManager*", "cron", "crond", "polkit*", "emergency", "rescue",
}

// loggers are further programs whose lines in the journal others act on.
var loggers = []string{"kernel", "sudo*", "su", "login", "audit*", "systemd", "pam_*", "passwd", "useradd", "usermod", "groupadd", "groupmod"}

// isLogger reports whether lines of a tag seem to be the system's, however it is written.
func isLogger(tag string) bool {
	return slices.ContainsFunc(slices.Concat(reserved, loggers), func(pattern string) bool {
		return matchesAny([]string{strings.ToLower(pattern)}, strings.ToLower(tag))
	})
}

func (c *checker) name(ref v1.Ref) {
	if ref.Kind != v1.KindConfig && ref.Kind != v1.KindSecret && c.confines() && matchesAny(reserved, ref.Name) {
		c.refuse("metadata.name", "preset", "%s.service is a name of the system's", ref.Name)
	}
}

// OwnTrees belong to davit and the image storage: a container that could write there
// would decide what the node runs.
var OwnTrees = []string{
	"/run/davit", "/var/run/davit", "/var/lib/davit", "/run/systemd/private", "/run/containers/storage", "/var/lib/containers/storage",
}
