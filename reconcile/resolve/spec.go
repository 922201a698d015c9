package resolve

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// ociSpec renders a container as an OCI configuration
// (https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config.md).
func (r *resolver) ociSpec(run runnable, image reconcile.Image, environment *environment, storage storage) (*specs.Spec, error) {
	process, err := process(run, image, environment)
	if err != nil {
		return nil, err
	}
	mounts, err := systemMounts(run)
	if err != nil {
		return nil, err
	}
	context := run.SecurityContext
	spec := &specs.Spec{
		Version:  specs.Version,
		Process:  process,
		Root:     &specs.Root{Path: "rootfs", Readonly: context.ReadOnlyRootFilesystem},
		Hostname: hostnameOf(run.SandboxFields, run.hostname),
		Mounts:   append(mounts, storage.mounts...),
		Linux: &specs.Linux{
			Namespaces:    namespaces(run.SandboxFields),
			MaskedPaths:   slices.Concat(guarded(maskedPaths, context), context.MaskedPaths, storage.masked),
			ReadonlyPaths: guarded(readonlyPaths, context),
			Sysctl:        sysctls(context.Sysctls, run.SandboxFields),
			// Only devices that the runtime allows every container: /dev/null and the like.
			Resources: &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: context.Privileged, Access: "rwm"}}},
		},
	}
	if run.sandbox != "" {
		run.joinSandbox(spec)
	}
	if spec.Linux.Seccomp, err = r.seccomp(context, process.Capabilities.Bounding); err != nil {
		return nil, err
	}
	return spec, nil
}

func process(run runnable, image reconcile.Image, environment *environment) (*specs.Process, error) {
	args, err := arguments(run.ContainerSpec, image, environment)
	if err != nil {
		return nil, err
	}
	if err := checkSize(run, args, environment); err != nil {
		return nil, err
	}
	context := run.SecurityContext
	capabilities := capabilitySet(context)
	workingDir := run.WorkingDir
	if workingDir == "" {
		workingDir = image.Config.WorkingDir
	}
	if workingDir == "" {
		workingDir = "/"
	}
	if !strings.HasPrefix(workingDir, "/") || underKernelTree(workingDir) {
		// CVE-2024-21626: a working directory below /proc could lead to the node.
		return nil, fmt.Errorf("working directory %q: want an absolute path outside /proc, /sys and /dev", workingDir)
	}
	process := &specs.Process{
		Terminal: run.TTY,
		Args:     args,
		Env:      environment.plain(),
		Cwd:      workingDir,
		Capabilities: &specs.LinuxCapabilities{
			Bounding: capabilities, Effective: capabilities, Permitted: capabilities,
		},
		NoNewPrivileges: !context.AllowPrivilegeEscalation && !context.Privileged,
		Rlimits:         rlimits(run.Ulimits),
		ApparmorProfile: appArmorProfile(context),
	}
	for _, gid := range context.SupplementalGroups {
		process.User.AdditionalGids = append(process.User.AdditionalGids, uint32(gid))
	}
	return process, nil
}

// checkSize refuses more arguments and variables than execve(2) takes: with a pointer for each, a quarter of the stack's limit,
// and from 128 KiB to 6 MiB (bprm_stack_limits, Linux' fs/exec.c). The limit is 8 MiB unless the manifest has another.
func checkSize(run runnable, args []string, environment *environment) error {
	if len(run.Service["LimitSTACK"]) > 0 {
		return nil // systemd has a way of its own to write it
	}
	stack := int64(8 << 20)
	for _, limit := range run.Ulimits {
		if limit.Name == "stack" {
			stack = limit.Soft
		}
	}
	most := int64(6 << 20)
	if stack >= 0 {
		most = min(max(stack/4, 128<<10), most)
	}
	const pointer = 8
	size := int64(0)
	for _, text := range slices.Concat(args, environment.list(false), environment.list(true)) {
		size += int64(len(text)) + 1 + pointer
	}
	if size > most {
		return fmt.Errorf("arguments and environment have %d bytes: the kernel takes %d: mount the keys of envFrom as files, or raise ulimits stack", size, most)
	}
	return nil
}

// rlimits are the limits as the OCI specification names them.
func rlimits(declared []v1.Ulimit) []specs.POSIXRlimit {
	var limits []specs.POSIXRlimit
	for _, limit := range declared {
		hard := limit.Soft
		if limit.Hard != nil {
			hard = *limit.Hard
		}
		// -1 is RLIM_INFINITY, all bits set (setrlimit(2)).
		limits = append(limits, specs.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(limit.Name), Soft: uint64(limit.Soft), Hard: uint64(hard),
		})
	}
	return limits
}

// arguments are Kubernetes' rules: command replaces the entry point and drops the
// image's cmd, args replaces the cmd; $(NAME) is expanded in the manifest's own.
func arguments(spec v1.ContainerSpec, image reconcile.Image, environment *environment) ([]string, error) {
	entrypoint, cmd := image.Config.Entrypoint, image.Config.Cmd
	var err error
	if len(spec.Command) > 0 {
		cmd = nil
		if entrypoint, err = environment.expandArguments("command", spec.Command); err != nil {
			return nil, err
		}
	}
	if len(spec.Args) > 0 {
		if cmd, err = environment.expandArguments("args", spec.Args); err != nil {
			return nil, err
		}
	}
	args := append(append([]string{}, entrypoint...), cmd...)
	if len(spec.Command) > 0 && args[0] == "" {
		return nil, at("command[0]", errors.New("command[0] is empty: want the program to run"))
	}
	if len(args) == 0 || args[0] == "" {
		return nil, fmt.Errorf("image %s has no command to run: set spec.command", image.Reference)
	}
	return args, nil
}

// userOf returns user[:group] for the launcher to look up in the root filesystem.
func userOf(spec v1.ContainerSpec, image reconcile.Image) string {
	user := cmp.Or(spec.User, keptUser(spec.SandboxFields), image.Config.User)
	name, group, _ := strings.Cut(user, ":")
	if uid := spec.SecurityContext.RunAsUser; uid != nil {
		name, group = fmt.Sprint(*uid), ""
	}
	if gid := spec.SecurityContext.RunAsGroup; gid != nil {
		if name == "" {
			name = "0"
		}
		group = fmt.Sprint(*gid)
	}
	if group == "" {
		return name
	}
	return name + ":" + group
}

func underKernelTree(path string) bool {
	return slices.ContainsFunc([]string{"/proc", "/sys", "/dev"}, func(tree string) bool { return isBelow(path, tree) })
}
