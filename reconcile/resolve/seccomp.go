package resolve

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"go.podman.io/common/pkg/seccomp"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// seccompArches maps Go's architectures to libseccomp's, which the profile's conditions
// and architecture lists speak of.
var seccompArches = map[string]struct {
	condition string
	arch      seccomp.Arch
}{
	"amd64":   {"amd64", seccomp.ArchX86_64},
	"arm64":   {"arm64", seccomp.ArchAARCH64},
	"arm":     {"arm", seccomp.ArchARM},
	"riscv64": {"riscv64", seccomp.ArchRISCV64},
	"s390x":   {"s390x", seccomp.ArchS390X},
	"ppc64le": {"ppc64le", seccomp.ArchPPC64LE},
}

// seccomp is the filter a container asks for; nil is none.
func (r *resolver) seccomp(context v1.SecurityContext, capabilities []string) (*specs.LinuxSeccomp, error) {
	switch profile := context.SeccompProfile; filterOf(context) {
	case v1.SeccompUnconfined:
		return nil, nil
	case v1.SeccompLocalhost:
		text, ok := r.in.Node.SeccompProfiles[profile.LocalhostProfile]
		if !ok {
			return nil, in(reconcile.PartNode, fmt.Errorf("seccomp profile %s: there is no such file in /etc/davit/seccomp", profile.LocalhostProfile))
		}
		custom := &seccomp.Seccomp{}
		if err := json.Unmarshal(text, custom); err != nil {
			return nil, fmt.Errorf("seccomp profile %s: %w", profile.LocalhostProfile, err)
		}
		return seccompFilter(custom, capabilities, r.in.Node.Architecture), nil
	default:
		if r.rehearses {
			return nil, nil
		}
		return r.usualFilter(capabilities)
	}
}

// usualFilter is the filter of containers that ask for none: one for all with the same capabilities.
func (r *resolver) usualFilter(capabilities []string) (*specs.LinuxSeccomp, error) {
	if r.in.Node.DefaultSeccomp == nil {
		return nil, errors.New("the node has no default seccomp profile")
	}
	key := strings.Join(capabilities, " ")
	filter, ok := r.filters[key]
	if !ok {
		filter = defaultFilter(r.in.Node.DefaultSeccomp, capabilities, r.in.Node.Architecture)
		r.filters[key] = filter
	}
	return filter, nil
}

// filterOf is the kind of filter that a container gets.
func filterOf(context v1.SecurityContext) string {
	if context.Privileged {
		return v1.SeccompUnconfined
	}
	return cmp.Or(context.SeccompProfile.Type, v1.SeccompRuntimeDefault)
}

// refused are calls that Podman's default profile lets through and Docker's does not, unless the
// container has one of the capabilities
// (https://github.com/moby/profiles/blob/seccomp/v0.3.0/seccomp/default_linux.go).
var refused = []struct {
	names, unless []string
}{
	{[]string{
		"fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree",
		"pivot_root", "setns", "umount", "umount2", "unshare",
	}, []string{"CAP_SYS_ADMIN"}},
	{[]string{"syslog"}, []string{"CAP_SYS_ADMIN", "CAP_SYSLOG"}},
	{[]string{"reboot"}, []string{"CAP_SYS_BOOT"}},
	{[]string{"pidfd_getfd"}, []string{"CAP_SYS_PTRACE"}},
	{[]string{"get_mempolicy", "mbind", "set_mempolicy"}, []string{"CAP_SYS_NICE"}},
	{[]string{"keyctl"}, nil},
}

// defaultFilter allows the system calls that Podman's default profile and Docker's both allow. Docker's keeps a container from
// making user namespaces, in which it would have every capability against the kernel's less tried code.
func defaultFilter(profile *seccomp.Seccomp, capabilities []string, architecture string) *specs.LinuxSeccomp {
	filter := seccompFilter(profile, capabilities, architecture)
	held := func(name string) bool { return slices.Contains(capabilities, name) }
	drop := []string{"socket"}
	for _, rule := range refused {
		if !slices.ContainsFunc(rule.unless, held) {
			drop = append(drop, rule.names...)
		}
	}
	confined := !held("CAP_SYS_ADMIN")
	if confined {
		drop = append(drop, "clone", "clone3")
	}
	var kept []specs.LinuxSyscall
	for _, rule := range filter.Syscalls {
		rule.Names = slices.DeleteFunc(slices.Clone(rule.Names), func(name string) bool { return slices.Contains(drop, name) })
		if len(rule.Names) > 0 {
			kept = append(kept, rule)
		}
	}
	filter.Syscalls = append(kept, socketRules(held("CAP_AUDIT_WRITE"))...)
	if confined {
		filter.Syscalls = append(filter.Syscalls, cloneRules(architecture)...)
	}
	return filter
}

// Address families and a protocol of socket(2).
const (
	afNetlink, afALG, afVsock = 16, 38, 40
	netlinkAudit              = 9
)

// socketRules let sockets through but for those of the kernel's cryptography (CVE-2026-31431) and
// of virtual machines' hosts. Two conditions on one argument cannot be joined by and, so the
// families between are listed.
func socketRules(audit bool) []specs.LinuxSyscall {
	rule := func(args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{"socket"}, Action: specs.ActAllow, Args: args}
	}
	family := func(op specs.LinuxSeccompOperator, family uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: 0, Value: family, Op: op}
	}
	rules := []specs.LinuxSyscall{rule(family(specs.OpLessThan, afNetlink)), rule(family(specs.OpGreaterThan, afVsock))}
	for between := uint64(afNetlink) + 1; between < afVsock; between++ {
		if between != afALG {
			rules = append(rules, rule(family(specs.OpEqualTo, between)))
		}
	}
	netlink := rule(family(specs.OpEqualTo, afNetlink))
	if !audit {
		netlink.Args = append(netlink.Args, specs.LinuxSeccompArg{Index: 2, Value: netlinkAudit, Op: specs.OpNotEqual})
	}
	return append(rules, netlink)
}

// newNamespaces are the flags of clone(2) that make namespaces: CLONE_NEWNS, NEWCGROUP, NEWUTS,
// NEWIPC, NEWUSER, NEWPID and NEWNET.
const newNamespaces = 0x7e020000

// cloneRules allow new processes but not new namespaces. A filter cannot read the arguments of clone3(2): without the call, the C
// library falls back to clone.
func cloneRules(architecture string) []specs.LinuxSyscall {
	var flags uint
	if architecture == "s390x" {
		flags = 1 // the order of its arguments differs
	}
	noSuchCall := uint(38) // ENOSYS
	return []specs.LinuxSyscall{
		{
			Names: []string{"clone"}, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Index: flags, Value: newNamespaces, ValueTwo: 0, Op: specs.OpMaskedEqual}},
		},
		{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: &noSuchCall},
	}
}

// seccompFilter is a profile, in the format of Docker and Podman, for a container with these
// capabilities. The library can make it only with cgo and libseccomp; picking the rules
// whose conditions hold needs neither.
func seccompFilter(profile *seccomp.Seccomp, capabilities []string, architecture string) *specs.LinuxSeccomp {
	native := seccompArches[architecture]
	filter := &specs.LinuxSeccomp{
		DefaultAction:   specs.LinuxSeccompAction(profile.DefaultAction),
		DefaultErrnoRet: profile.DefaultErrnoRet,
	}
	for _, arch := range profile.Architectures {
		filter.Architectures = append(filter.Architectures, specs.Arch(arch))
	}
	for _, arch := range profile.ArchMap {
		if arch.Arch != native.arch {
			continue
		}
		filter.Architectures = append(filter.Architectures, specs.Arch(arch.Arch))
		for _, sub := range arch.SubArches {
			filter.Architectures = append(filter.Architectures, specs.Arch(sub))
		}
	}
	for _, call := range profile.Syscalls {
		if applies(call, capabilities, native.condition) {
			filter.Syscalls = append(filter.Syscalls, seccompRule(call))
		}
	}
	return filter
}

func applies(call *seccomp.Syscall, capabilities []string, arch string) bool {
	held := func(name string) bool { return slices.Contains(capabilities, name) }
	switch {
	case slices.Contains(call.Excludes.Arches, arch), slices.ContainsFunc(call.Excludes.Caps, held):
		return false
	case len(call.Includes.Arches) > 0 && !slices.Contains(call.Includes.Arches, arch):
		return false
	default:
		return !slices.ContainsFunc(call.Includes.Caps, func(name string) bool { return !held(name) })
	}
}

func seccompRule(call *seccomp.Syscall) specs.LinuxSyscall {
	names := call.Names
	if call.Name != "" {
		names = []string{call.Name}
	}
	rule := specs.LinuxSyscall{
		Names:    names,
		Action:   specs.LinuxSeccompAction(call.Action),
		ErrnoRet: call.ErrnoRet,
	}
	for _, arg := range call.Args {
		rule.Args = append(rule.Args, specs.LinuxSeccompArg{
			Index: arg.Index, Value: arg.Value, ValueTwo: arg.ValueTwo,
			Op: specs.LinuxSeccompOperator(arg.Op),
		})
	}
	return rule
}
