package reconcile

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// ociSpec renders a container as an OCI configuration
// (https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config.md).
func ociSpec(container *v1.Container, image Image, volumes []specs.Mount, architecture string) (*specs.Spec, error) {
	process, err := process(container, image)
	if err != nil {
		return nil, err
	}
	hostname := container.Spec.Hostname
	if hostname == "" {
		hostname = container.Metadata.Name
	}
	spec := &specs.Spec{
		Version:  specs.Version,
		Process:  process,
		Root:     &specs.Root{Path: "rootfs", Readonly: container.Spec.SecurityContext.ReadOnlyRootFilesystem},
		Hostname: hostname,
		Mounts:   append(systemMounts(), volumes...),
		Linux: &specs.Linux{
			Namespaces:    namespaces(container.Spec.HostNetwork),
			MaskedPaths:   maskedPaths,
			ReadonlyPaths: readonlyPaths,
			// Nothing but what the runtime allows every container: /dev/null and the like.
			Resources: &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
		},
	}
	if container.Spec.SecurityContext.SeccompProfile.Type != v1.SeccompUnconfined {
		spec.Linux.Seccomp = seccompFilter(process.Capabilities.Bounding, architecture)
	}
	return spec, nil
}

func process(container *v1.Container, image Image) (*specs.Process, error) {
	args, err := arguments(container.Spec, image)
	if err != nil {
		return nil, err
	}
	capabilities := capabilitySet(container.Spec.SecurityContext.Capabilities)
	workingDir := container.Spec.WorkingDir
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
		Args: args,
		Env:  environment(container.Spec, image),
		Cwd:  workingDir,
		Capabilities: &specs.LinuxCapabilities{
			Bounding: capabilities, Effective: capabilities, Permitted: capabilities,
		},
		NoNewPrivileges: !container.Spec.SecurityContext.AllowPrivilegeEscalation,
	}
	for _, gid := range container.Spec.SecurityContext.SupplementalGroups {
		process.User.AdditionalGids = append(process.User.AdditionalGids, uint32(gid))
	}
	return process, nil
}

// arguments are Kubernetes' rules: command replaces the entry point and drops the
// image's cmd, args replaces the cmd.
func arguments(spec v1.ContainerSpec, image Image) ([]string, error) {
	entrypoint, cmd := image.Config.Entrypoint, image.Config.Cmd
	if len(spec.Command) > 0 {
		entrypoint, cmd = spec.Command, nil
	}
	if len(spec.Args) > 0 {
		cmd = spec.Args
	}
	args := append(append([]string{}, entrypoint...), cmd...)
	if len(args) == 0 || args[0] == "" {
		return nil, fmt.Errorf("image %s says no command to run: set spec.command", image.Reference)
	}
	return args, nil
}

// environment is the image's, then the manifest's; a later value replaces an earlier
// one in its place.
func environment(spec v1.ContainerSpec, image Image) []string {
	var env []string
	index := map[string]int{}
	set := func(name, value string) {
		if i, ok := index[name]; ok {
			env[i] = name + "=" + value
			return
		}
		index[name] = len(env)
		env = append(env, name+"="+value)
	}
	set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	for _, entry := range image.Config.Env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			set(name, value)
		}
	}
	for _, entry := range spec.Env {
		set(entry.Name, entry.Value)
	}
	return env
}

// userOf returns user[:group] for the launcher to look up in the root filesystem.
func userOf(spec v1.ContainerSpec, image Image) string {
	user := image.Config.User
	if spec.User != "" {
		user = spec.User
	}
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
	for _, tree := range []string{"/proc", "/sys", "/dev"} {
		if path == tree || strings.HasPrefix(path, tree+"/") {
			return true
		}
	}
	return false
}
