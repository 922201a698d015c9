package reconcile

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"go.podman.io/common/pkg/seccomp"

	v1 "github.com/davit-project/davit/manifests/v1"
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
	switch profile := context.SeccompProfile; {
	case profile.Type == v1.SeccompUnconfined, context.Privileged:
		return nil, nil
	case profile.Type == v1.SeccompLocalhost:
		text, ok := r.in.Node.SeccompProfiles[profile.LocalhostProfile]
		if !ok {
			return nil, fmt.Errorf("seccomp profile %s: there is no such file in /etc/davit/seccomp", profile.LocalhostProfile)
		}
		custom := &seccomp.Seccomp{}
		if err := json.Unmarshal(text, custom); err != nil {
			return nil, fmt.Errorf("seccomp profile %s: %w", profile.LocalhostProfile, err)
		}
		return seccompFilter(custom, capabilities, r.in.Node.Architecture), nil
	default:
		return seccompFilter(seccomp.DefaultProfile(), capabilities, r.in.Node.Architecture), nil
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
