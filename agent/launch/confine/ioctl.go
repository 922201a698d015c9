package confine

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Type and number of FS_IOC_FSSETXATTR, the call of ioctl(2) that changes a file's project; its highest bits differ between
// architectures and forms of the structure (linux/fs.h).
const setsProject, setsProjectBits = 'X'<<8 | 32, 16

// KeepProjects takes from a filter that lets all of ioctl(2) through the call that changes a file's project. The kernel
// lets the owner of a file make it, unless he is in a user namespace: a container could fill the quota of another. No rule
// can say "unless the argument is this", so there is one for each bit in which an argument can differ.
func KeepProjects(filter *specs.LinuxSeccomp) {
	if filter == nil {
		return
	}
	isIoctl := func(name string) bool { return name == "ioctl" }
	var differing []specs.LinuxSyscall
	for i, rule := range filter.Syscalls {
		if rule.Action != specs.ActAllow || len(rule.Args) > 0 || !slices.ContainsFunc(rule.Names, isIoctl) {
			continue
		}
		filter.Syscalls[i].Names = slices.DeleteFunc(slices.Clone(rule.Names), isIoctl)
		differing = otherIoctls()
	}
	filter.Syscalls = slices.DeleteFunc(filter.Syscalls, func(rule specs.LinuxSyscall) bool { return len(rule.Names) == 0 })
	filter.Syscalls = append(filter.Syscalls, differing...)
}

// otherIoctls let all calls of ioctl(2) through but the one that changes a file's project.
func otherIoctls() []specs.LinuxSyscall {
	var rules []specs.LinuxSyscall
	for i := range setsProjectBits {
		bit := uint64(1) << i
		rules = append(rules, specs.LinuxSyscall{
			Names: []string{"ioctl"}, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Index: 1, Value: bit, ValueTwo: bit &^ setsProject, Op: specs.OpMaskedEqual}},
		})
	}
	return rules
}
