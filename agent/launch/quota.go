package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/quota"
	"github.com/davit-project/davit/units/bundle"
)

// Where the file system enforces project quotas, the kernel holds a container to the limits of its disk: a write beyond
// them fails, and the container goes on. The agent still measures, for what no quota covers: the files of /etc, directories
// that the containers of a pod share, and files that a process has taken out of their project, which their owner may do.

// projectsFile records the projects of a container's or a sandbox's directories, for its clean-up. It lies beside them,
// where no container sees it.
func projectsFile(id string) string { return filepath.Join(bundle.ContainersDir, id, "projects") }

// makeWritable makes the directory of the writable layer, and bounds what the container can write.
func (r *run) makeWritable() error {
	if err := os.Mkdir(bundle.WritableDir(r.ID), 0o755); err != nil {
		return err
	}
	quotas, err := quota.On(bundle.ContainersDir)
	if quotas == nil || err != nil {
		return err
	}
	defer quotas.Close()
	if r.users == nil {
		keepProjects(r.Spec.Linux.Seccomp)
	}
	for _, limit := range r.DiskLimits {
		if err := r.boundDisk(quotas, limit); err != nil {
			fmt.Fprintf(messages, "davit-run: no quota for the %s, the agent measures instead: %v\n", limit.Field, err)
		}
	}
	return nil
}

// quotaName is how much of a limit makes room for one file: the agent counts each name for as much.
const quotaName = 256

// boundDisk gives the directories that a limit covers a quota.
func (r *run) boundDisk(quotas *quota.FileSystem, limit bundle.DiskLimit) error {
	dirs := r.QuotaDirs(limit)
	if len(dirs) == 0 {
		return nil
	}
	amount := quota.Limit{Bytes: uint64(limit.Bytes), Inodes: uint64(limit.Bytes) / quotaName}
	return quotas.Bound(projectsFile(r.QuotaOwner(limit)), amount, dirs...)
}

// Type and number of FS_IOC_FSSETXATTR, the call of ioctl(2) that changes a file's project; its highest bits differ between
// architectures and forms of the structure (linux/fs.h).
const setsProject, setsProjectBits = 'X'<<8 | 32, 16

// keepProjects takes from a filter that lets all of ioctl(2) through the call that changes a file's project. The kernel
// lets the owner of a file make it, unless he is in a user namespace: a container could fill the quota of another. No rule
// can say "unless the argument is this", so there is one for each bit in which an argument can differ.
func keepProjects(filter *specs.LinuxSeccomp) {
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
