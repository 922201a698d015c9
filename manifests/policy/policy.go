// Package policy says what manifests may ask of a node, and checks that they ask no more.
//
// A policy belongs to the node's owner: it is never read from the manifest directory. The
// package is pure; it knows davit's objects and must never know files or a node.
package policy

import (
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// Preset is how much a policy allows to begin with. baseline and restricted cut where
// Kubernetes' Pod Security Standards do
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/), and davit's own
// fields in their spirit.
type Preset string

// The presets.
const (
	// Privileged refuses nothing but what is always refused.
	Privileged Preset = "privileged"
	// Baseline refuses known ways to more privileges.
	Baseline Preset = "baseline"
	// Restricted also wants what hardens a container.
	Restricted Preset = "restricted"
)

// Policy is a node's policy, /etc/davit/policy.yaml. Its lists allow what the preset would
// refuse, but for registries, transports, hostPorts and subnets under privileged, which then
// refuse all others.
type Policy struct {
	// APIVersion is davit/v1.
	APIVersion string `json:"apiVersion" enum:"davit/v1"`
	// Kind is NodePolicy.
	Kind string `json:"kind" enum:"NodePolicy"`
	// Preset is privileged, baseline or restricted.
	Preset Preset `json:"preset" enum:"privileged,baseline,restricted"`
	// HostPaths are directories of the node from which volumes, devices and environment files may
	// come. If a path is in several of them, the innermost decides. Their paths have no symbolic links.
	HostPaths []HostPath `json:"hostPaths,omitempty"`
	// Devices are names of CDI devices that containers may use, such as nvidia.com/gpu=0; a name may end in *. Such a
	// device brings what its specification in /etc/cdi or /var/run/cdi says: devices, files and hooks of the node.
	Devices []string `json:"devices,omitempty"`
	// HostIDs are the ids of the node's users and groups that a userNamespace may map.
	HostIDs []IDRange `json:"hostIDs,omitempty"`
	// HostEnv are the variables of the environment of the node's systemd that env may take; a name may end in *.
	HostEnv []string `json:"hostEnv,omitempty"`
	// Registries are prefixes of image names, in whole components: ghcr.io/acme. A port is part of
	// a registry: ghcr.io is not ghcr.io:8443. If the list is not empty, all images must match it,
	// under every preset.
	Registries []string `json:"registries,omitempty"`
	// Transports are the permitted image transports of containers-transports(5). The default is
	// docker, under privileged all.
	Transports []string `json:"transports,omitempty"`
	// HostPorts are the ports of the node that containers may publish. For autoHostPort davit chooses one of those from 30000
	// to 32767.
	HostPorts []PortRange `json:"hostPorts,omitempty"`
	// Capabilities are the capabilities that containers may add, without CAP_.
	Capabilities []string `json:"capabilities,omitempty"`
	// Sysctls are the kernel settings that containers may set; a name may end in *.
	Sysctls []string `json:"sysctls,omitempty"`
	// Targets are units that an [Install] section may name, in addition to davit's units and, in WantedBy,
	// multi-user.target and graphical.target.
	Targets []string `json:"targets,omitempty"`
	// Units are units of the node that a [Unit] section may name, in addition to davit's units.
	Units []string `json:"units,omitempty"`
	// PassThrough are further settings that a manifest may pass through, as section.Setting:
	// service.Nice, service.LoadCredential*. It does not permit settings that davit always refuses.
	PassThrough []string `json:"passThrough,omitempty"`
	// Runtimes are OCI runtimes of the node, by name or absolute path, that may run containers,
	// in addition to davit's built-in runtime.
	Runtimes []string `json:"runtimes,omitempty"`
	// Subnets are the permitted ranges for subnets of Network objects. The default is all
	// private ranges (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7), under privileged all ranges.
	Subnets []string `json:"subnets,omitempty"`
	// Interfaces are names that Network objects may give their bridges, in addition to names that begin
	// with dv-; a name may end in *.
	Interfaces []string `json:"interfaces,omitempty"`
	// NetworkPlugins permits CNI plugins in Network objects.
	NetworkPlugins bool `json:"networkPlugins,omitempty"`
}

// HostPath is a directory of the node.
type HostPath struct {
	// Path is absolute; what is below it is meant too.
	Path string `json:"path"`
	// ReadOnly allows it to be mounted read-only alone.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// Contains reports whether a path is the directory's, or below it.
func (h HostPath) Contains(path string) bool {
	return path == h.Path || strings.HasPrefix(path, strings.TrimSuffix(h.Path, "/")+"/")
}

// PortRange is a range of ports.
type PortRange struct {
	// Min and Max are its ends, which belong to it.
	Min int32 `json:"min"`
	Max int32 `json:"max"`
}

// IDRange is a range of ids of users and groups.
type IDRange struct {
	// Min and Max are its ends, which belong to it.
	Min int64 `json:"min"`
	Max int64 `json:"max"`
}

// Of returns the policy that is a preset and nothing more.
func Of(preset Preset) *Policy { return &Policy{Preset: preset} }

// Violation is something that an object asks for and the policy refuses.
type Violation struct {
	// Path is the field's in the object.
	Path string
	// Message says what is refused.
	Message string
	// Rule is the field of the policy that refuses it, or that could allow it.
	Rule string
}

// Check returns what an object asks for that the policy refuses. own reports whether davit
// writes a unit.
func (p *Policy) Check(object v1.Object, own func(unit string) bool) []Violation {
	c := &checker{policy: p, own: own}
	c.object(object)
	return c.violations
}

// BoundedHostPaths are the directories of the node that its paths must not lead out of, whatever links a
// container puts there; none where the policy lets manifests use any path.
func (p *Policy) BoundedHostPaths() []HostPath {
	if p.Preset == Privileged {
		return nil
	}
	return p.HostPaths
}

// Exposures is what an object asks of the host, whether a policy lets it or not: what baseline
// refuses.
func Exposures(object v1.Object) []Violation {
	return Of(Baseline).Check(object, func(string) bool { return true })
}
