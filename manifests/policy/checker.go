package policy

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checker carries one check.
type checker struct {
	policy     *Policy
	own        func(unit string) bool
	violations []Violation
}

func (c *checker) refuse(path, rule, format string, args ...any) {
	c.violations = append(c.violations, Violation{path, fmt.Sprintf(format, args...), rule})
}

func (c *checker) confines() bool { return c.policy.Preset != Privileged }

func (c *checker) restricts() bool { return c.policy.Preset == Restricted }

func (c *checker) object(object v1.Object) {
	c.name(object.Ref())
	switch object := object.(type) {
	case *v1.Container:
		context := object.Spec.SecurityContext
		c.sandbox("spec", object.Spec.SandboxFields)
		checkSysctls(c, "spec.securityContext.sysctls", context.Sysctls)
		c.container("spec", object.Spec.ContainerFields, context.ContainerSecurityContext, v1.PodSecurityContext{})
		c.mounts("spec", object.Spec.ContainerFields, object.Spec.SandboxFields)
		checkProcMount(c, "spec", context.ContainerSecurityContext, object.Spec.SandboxFields)
	case *v1.Pod:
		c.pod("spec", object.Spec)
	case *v1.Job:
		c.pod("spec.template.spec", object.Spec.Template.Spec)
	case *v1.CronJob:
		c.pod("spec.jobTemplate.spec.template.spec", object.Spec.JobTemplate.Spec.Template.Spec)
	case *v1.Volume:
		if object.Spec.HostPath != nil {
			c.hostPath("spec.hostPath.path", object.Spec.HostPath.Path, false)
		}
	case *v1.Image:
		c.image("spec.image", object.Spec.Image)
		c.authFile("spec.authFile", object.Spec.AuthFile)
	case *v1.Network:
		c.network(object.Spec)
	}
}

func (c *checker) pod(at string, spec v1.PodSpec) {
	context := spec.SecurityContext
	c.sandbox(at, spec.SandboxFields)
	checkSysctls(c, at+".securityContext.sysctls", context.Sysctls)
	checkProfiles(c, at+".securityContext", context.SeccompProfile, context.AppArmorProfile)
	checkSELinux(c, at+".securityContext.seLinuxOptions", context.SELinuxOptions)
	checkUsers(c, at+".securityContext", context.RunAsUser, context.RunAsNonRoot)
	for list, containers := range map[string][]v1.PodContainer{"initContainers": spec.InitContainers, "containers": spec.Containers} {
		for i, container := range containers {
			field := fmt.Sprintf("%s.%s[%d]", at, list, i)
			c.container(field, container.ContainerFields, container.SecurityContext, context)
			c.mounts(field, container.ContainerFields, spec.SandboxFields)
			checkProcMount(c, field, container.SecurityContext, spec.SandboxFields)
		}
	}
}

// sandbox checks what containers share.
func (c *checker) sandbox(at string, spec v1.SandboxFields) {
	for i, volume := range spec.Volumes {
		if volume.Image != nil {
			c.image(fmt.Sprintf("%s.volumes[%d].image.reference", at, i), volume.Image.Reference)
		}
	}
	if !c.confines() {
		return
	}
	for _, namespace := range []struct {
		field string
		set   bool
		what  string
	}{
		{"hostNetwork", spec.HostNetwork, "it would share the node's network"},
		{"hostPID", spec.HostPID, "it would see the node's processes"},
		{"hostIPC", spec.HostIPC, "it would share the node's IPC objects"},
	} {
		if namespace.set {
			c.refuse(at+"."+namespace.field, "preset", "%s", namespace.what)
		}
	}
	checkUserNamespace(c, at+".userNamespace", spec.UserNamespace)
	for i, attachment := range spec.Networks {
		if mac, err := net.ParseMAC(attachment.MACAddress); err == nil && bytes.HasPrefix(mac, []byte{0x02, 'd'}) {
			c.refuse(fmt.Sprintf("%s.networks[%d].macAddress", at, i), "preset", "02:64 begins the addresses that davit gives the others of the network")
		}
	}
	if spec.Runtime != "" && !slices.Contains(c.policy.Runtimes, spec.Runtime) {
		c.refuse(at+".runtime", "runtimes", "it may not have root run %s of the node", spec.Runtime)
	}
}

// mounts checks the host paths that a container mounts, where it is known whether it writes.
func (c *checker) mounts(at string, spec v1.ContainerFields, sandbox v1.SandboxFields) {
	for i, volume := range sandbox.Volumes {
		if volume.HostPath == nil {
			continue
		}
		writes := !slices.ContainsFunc(spec.VolumeMounts, func(m v1.VolumeMount) bool { return m.Name == volume.Name }) ||
			slices.ContainsFunc(spec.VolumeMounts, func(m v1.VolumeMount) bool { return m.Name == volume.Name && !m.ReadOnly })
		// One that is made is written.
		writes = writes || strings.HasSuffix(volume.HostPath.Type, "OrCreate")
		shared := at[:strings.LastIndex(at, "spec")+len("spec")]
		c.hostPath(fmt.Sprintf("%s.volumes[%d].hostPath.path", shared, i), volume.HostPath.Path, !writes)
	}
	for i, mount := range spec.VolumeMounts {
		if mount.MountPropagation == "Bidirectional" && c.confines() {
			c.refuse(fmt.Sprintf("%s.volumeMounts[%d].mountPropagation", at, i), "preset", "its mounts would reach the node")
		}
	}
}

// container checks one container; pod is what its pod says.
func (c *checker) container(at string, spec v1.ContainerFields, context v1.ContainerSecurityContext, pod v1.PodSecurityContext) {
	if spec.Image != "" {
		c.image(at+".image", spec.Image)
	}
	if spec.Rootfs != "" {
		c.hostPath(at+".rootfs", spec.Rootfs, true)
	}
	c.authFile(at+".authFile", spec.AuthFile)
	for i, port := range spec.Ports {
		c.hostPort(fmt.Sprintf("%s.ports[%d].hostPort", at, i), port)
	}
	for i, socket := range spec.Sockets {
		field := fmt.Sprintf("%s.sockets[%d]", at, i)
		checkListen(c, field+".listenStream", socket.ListenStream)
		checkListen(c, field+".listenDatagram", socket.ListenDatagram)
	}
	c.passThrough(at, spec)
	if !c.confines() {
		return
	}
	for i, device := range spec.Devices {
		field := fmt.Sprintf("%s.devices[%d].path", at, i)
		if device.IsCDI() {
			checkCDIDevice(c, field, device.Path)
			continue
		}
		c.hostPath(field, device.Path, false)
		c.opened(field, device.Path)
	}
	for i, file := range spec.EnvFiles {
		c.hostPath(fmt.Sprintf("%s.envFiles[%d].path", at, i), file.Path, true)
	}
	for i, entry := range spec.Env {
		if from := entry.ValueFrom; from != nil && from.HostEnv != nil && !matchesAny(c.policy.HostEnv, from.HostEnv.Name) {
			c.refuse(fmt.Sprintf("%s.env[%d].valueFrom.hostEnv.name", at, i), "hostEnv", "it may not read %s in the environment of the node's systemd", from.HostEnv.Name)
		}
	}
	checkLogRate(c, at+".logging.rateLimit", spec.Logging.RateLimit)
	if isLogger(spec.Logging.Tag) {
		c.refuse(at+".logging.tag", "preset", "lines in the journal would seem to be of %s of the system", spec.Logging.Tag)
	}
	checkUlimits(c, at+".ulimits", spec.Ulimits)
	if spec.OOMScoreAdj != nil && *spec.OOMScoreAdj < 0 {
		c.refuse(at+".oomScoreAdj", "preset", "the node's own services would be killed before it")
	}
	checkProbes(c, at, spec)
	field := at + ".securityContext"
	if context.Privileged {
		c.refuse(field+".privileged", "preset", "root in it would be root on the node")
	}
	checkCapabilities(c, field+".capabilities", context.Capabilities)
	checkProfiles(c, field, context.SeccompProfile, context.AppArmorProfile)
	checkSELinux(c, field+".seLinuxOptions", context.SELinuxOptions)
	for i := range context.UnmaskedPaths {
		c.refuse(fmt.Sprintf("%s.unmaskedPaths[%d]", field, i), "preset", "it would see paths that are hidden from containers")
	}
	if !c.restricts() {
		return
	}
	if context.AllowPrivilegeEscalation {
		c.refuse(field+".allowPrivilegeEscalation", "preset", "set-id programs would give it more privileges")
	}
	checkUsers(c, field, context.RunAsUser, context.RunAsNonRoot)
	if context.RunAsNonRoot == nil && (pod.RunAsNonRoot == nil || !*pod.RunAsNonRoot) {
		c.refuse(field+".runAsNonRoot", "preset", "it might run as root: want true")
	}
	if !slices.Contains(context.Capabilities.Drop, "ALL") {
		c.refuse(field+".capabilities.drop", "preset", "it keeps the default capabilities: want [ALL]")
	}
}

// checkProcMount checks who sees all of /proc. The kernel's settings belong to root of the node, whom
// users of its own are not; baseline leaves it to them, as Kubernetes does.
func checkProcMount(c *checker, at string, context v1.ContainerSecurityContext, sandbox v1.SandboxFields) {
	ownUsers := sandbox.OwnUsers() && !mapsRoot(sandbox.UserNamespace)
	if context.ProcMount == v1.ProcMountUnmasked && c.confines() && (!ownUsers || c.restricts()) {
		c.refuse(at+".securityContext.procMount", "preset", "it would see and change the kernel's settings")
	}
}

// checkUsers checks what a pod or a container says of its user.
func checkUsers(c *checker, field string, user *int64, nonRoot *bool) {
	if !c.restricts() {
		return
	}
	if user != nil && *user == 0 {
		c.refuse(field+".runAsUser", "preset", "0 is root")
	}
	if nonRoot != nil && !*nonRoot {
		c.refuse(field+".runAsNonRoot", "preset", "it might run as root: want true")
	}
}

// checkProfiles checks the kernel's confinement of a pod or a container.
func checkProfiles(c *checker, field string, seccomp v1.SeccompProfile, appArmor *v1.AppArmorProfile) {
	if !c.confines() {
		return
	}
	if seccomp.Type == v1.SeccompUnconfined {
		c.refuse(field+".seccompProfile.type", "preset", "it could make any system call")
	}
	if appArmor != nil && appArmor.Type == v1.SeccompUnconfined {
		c.refuse(field+".appArmorProfile.type", "preset", "AppArmor would not confine it")
	}
}

// confinedTypes are the types of a process that confine it as a container, and of those that may run
// an init, a virtual machine or other containers in it.
var confinedTypes = []string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}

// confinedFileTypes are those of files that containers alone use, to write and to read.
var confinedFileTypes = []string{"", "container_file_t", "container_ro_file_t"}

func checkSELinux(c *checker, field string, options *v1.SELinuxOptions) {
	if options == nil || !c.confines() {
		return
	}
	if !slices.Contains(confinedTypes, options.Type) {
		c.refuse(field+".type", "preset", "SELinux would not confine %s as a container", options.Type)
	}
	if !slices.Contains(confinedFileTypes, options.FileType) {
		c.refuse(field+".fileType", "preset", "other programs of the node might act on files of type %s", options.FileType)
	}
	if options.Disabled {
		c.refuse(field+".disabled", "preset", "SELinux would not confine it")
	}
	for name, part := range map[string]string{"user": options.User, "role": options.Role} {
		if part != "" {
			c.refuse(field+"."+name, "preset", "SELinux might not confine it")
		}
	}
}

// baselineCapabilities may be added under baseline.
var baselineCapabilities = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
	"SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

func checkCapabilities(c *checker, field string, capabilities v1.Capabilities) {
	allowed := baselineCapabilities
	if c.restricts() {
		allowed = []string{"NET_BIND_SERVICE"}
	}
	for i, name := range capabilities.Add {
		name = strings.TrimPrefix(name, "CAP_")
		if !slices.Contains(allowed, name) && !slices.Contains(c.policy.Capabilities, name) {
			c.refuse(fmt.Sprintf("%s.add[%d]", field, i), "capabilities", "it may not have the capability %s", name)
		}
	}
}

// safeSysctls cannot hurt others on the node.
var safeSysctls = []string{
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
	"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_rmem", "net.ipv4.tcp_slow_start_after_idle",
	"net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
}

func checkSysctls(c *checker, field string, sysctls []v1.Sysctl) {
	if !c.confines() {
		return
	}
	for i, sysctl := range sysctls {
		if !slices.Contains(safeSysctls, sysctl.Name) && !matchesAny(c.policy.Sysctls, sysctl.Name) {
			c.refuse(fmt.Sprintf("%s[%d].name", field, i), "sysctls", "it may not set %s", sysctl.Name)
		}
	}
}

// costly are the resource limits (getrlimit(2)) by which a container takes from the whole node:
// memory that cannot be swapped or is the kernel's, and priority.
var costly = []string{"memlock", "msgqueue", "sigpending", "nice", "rtprio", "rttime"}

func checkUlimits(c *checker, field string, ulimits []v1.Ulimit) {
	for i, ulimit := range ulimits {
		if slices.Contains(costly, ulimit.Name) {
			c.refuse(fmt.Sprintf("%s[%d].name", field, i), "preset", "it may not set the limit %s", ulimit.Name)
		}
	}
}

// checkProbes checks that probes and hooks go nowhere but to their own container.
func checkProbes(c *checker, at string, spec v1.ContainerFields) {
	handlers := map[string]v1.Handler{}
	for name, probe := range map[string]*v1.Probe{
		"startupProbe": spec.StartupProbe, "readinessProbe": spec.ReadinessProbe, "livenessProbe": spec.LivenessProbe,
	} {
		if probe != nil {
			handlers[name] = probe.Handler
		}
	}
	for name, hook := range map[string]*v1.Hook{
		"lifecycle.postStart": spec.Lifecycle.PostStart, "lifecycle.preStop": spec.Lifecycle.PreStop,
	} {
		if hook != nil {
			handlers[name] = hook.Handler
		}
	}
	for name, handler := range handlers {
		field := at + "." + name
		if handler.HTTPGet != nil && handler.HTTPGet.Host != "" {
			c.refuse(field+".httpGet.host", "preset", "it may connect to its own container alone")
		}
		if handler.TCPSocket != nil && handler.TCPSocket.Host != "" {
			c.refuse(field+".tcpSocket.host", "preset", "it may connect to its own container alone")
		}
	}
}

// matchesAny matches names against patterns that may end in *.
func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, wild := strings.CutSuffix(pattern, "*")
		return pattern == name || wild && strings.HasPrefix(name, prefix)
	})
}
