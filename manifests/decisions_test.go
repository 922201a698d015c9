package manifests

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/davit-project/davit/manifests/fleet"
	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// refused has a manifest for each field that a policy checks, which baseline refuses at that field, or if not baseline,
// restricted. Fields are TYPE.FIELD, as v1 declares them.
var refused = map[string]string{
	"ObjectMeta.name":                                   strings.Replace(spec("hostname: a"), "name: web", "name: sshd", 1),
	"ContainerFields.image":                             strings.Replace(spec("hostname: a"), "example.com/a:1", "oci:/srv/image", 1),
	"ContainerFields.rootfs":                            strings.Replace(spec("command: [a]"), "image: example.com/a:1", "rootfs: /srv/tree", 1),
	"ContainerFields.authFile":                          spec("authFile: /root/auth.json"),
	"EnvVarSource.hostEnv":                              spec("env: [{name: A, valueFrom: {hostEnv: {name: TOKEN}}}]"),
	"EnvFile.path":                                      spec("envFiles: [{path: /etc/shadow}]"),
	"ContainerPort.hostPort":                            spec("ports: [{containerPort: 80, hostPort: 22}]"),
	"ContainerPort.autoHostPort":                        spec("ports: [{containerPort: 80, autoHostPort: true}]"),
	"Socket.listenStream":                               spec("sockets: [{name: a, listenStream: 22}]"),
	"Socket.listenDatagram":                             spec("sockets: [{name: a, listenDatagram: /run/a}]"),
	"VolumeMount.mountPropagation":                      spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, mountPropagation: Bidirectional}]"),
	"Device.path":                                       spec("devices: [{path: /dev/sda}]"),
	"ContainerFields.oomScoreAdj":                       spec("oomScoreAdj: -1000"),
	"Ulimit.name":                                       spec("ulimits: [{name: rtprio, soft: 99}]"),
	"HTTPGetAction.host":                                spec("livenessProbe: {httpGet: {port: 80, host: 169.254.169.254}}"),
	"TCPSocketAction.host":                              spec("livenessProbe: {tcpSocket: {port: 80, host: 192.0.2.1}}"),
	"Logging.rateLimit":                                 spec("logging: {rateLimit: {intervalSeconds: 0}}"),
	"LogRateLimit.intervalSeconds":                      spec("logging: {rateLimit: {intervalSeconds: 0, burst: 10000}}"),
	"LogRateLimit.burst":                                spec("logging: {rateLimit: {intervalSeconds: 30, burst: 1000000}}"),
	"Logging.tag":                                       spec("logging: {tag: sshd}"),
	"ContainerFields.unit":                              spec("unit: {PartOf: ssh.service}"),
	"ContainerFields.service":                           spec("service: {Nice: -20}"),
	"ContainerFields.install":                           spec("install: {WantedBy: ssh.service}"),
	"SandboxFields.hostNetwork":                         spec("hostNetwork: true"),
	"SandboxFields.hostPID":                             spec("hostPID: true"),
	"SandboxFields.hostIPC":                             spec("hostIPC: true"),
	"SandboxFields.runtime":                             spec("runtime: crun"),
	"KeepID.uid":                                        spec("userNamespace: {keepID: {uid: 1000}}"),
	"KeepID.gid":                                        spec("userNamespace: {keepID: {uid: 1000, gid: 100}}"),
	"IDMapping.hostID":                                  spec("userNamespace: {uidMappings: [{containerID: 0, hostID: 1000}]}"),
	"NetworkAttachment.macAddress":                      spec("networks: [{name: default, macAddress: '02:64:0a:59:00:02'}]"),
	"HostPath.path":                                     manifest("Volume", "spec: {hostPath: {path: /etc}}"),
	"ImageVolume.reference":                             spec("volumes: [{name: v, image: {reference: 'oci:/srv/image'}}]"),
	"ContainerSecurityContext.runAsUser":                spec("securityContext: {runAsUser: 0}"),
	"ContainerSecurityContext.runAsNonRoot":             spec("securityContext: {runAsNonRoot: false}"),
	"ContainerSecurityContext.privileged":               spec("securityContext: {privileged: true}"),
	"ContainerSecurityContext.allowPrivilegeEscalation": spec("securityContext: {allowPrivilegeEscalation: true}"),
	"ContainerSecurityContext.procMount":                spec("securityContext: {procMount: Unmasked}"),
	"ContainerSecurityContext.unmaskedPaths":            spec("securityContext: {unmaskedPaths: [/proc/kcore]}"),
	"Capabilities.add":                                  spec("securityContext: {capabilities: {add: [SYS_ADMIN]}}"),
	"Capabilities.drop":                                 spec("hostname: a"),
	"SeccompProfile.type":                               spec("securityContext: {seccompProfile: {type: Unconfined}}"),
	"AppArmorProfile.type":                              spec("securityContext: {appArmorProfile: {type: Unconfined}}"),
	"SELinuxOptions.user":                               spec("securityContext: {seLinuxOptions: {user: sysadm_u}}"),
	"SELinuxOptions.role":                               spec("securityContext: {seLinuxOptions: {role: sysadm_r}}"),
	"SELinuxOptions.type":                               spec("securityContext: {seLinuxOptions: {type: spc_t}}"),
	"SELinuxOptions.fileType":                           spec("securityContext: {seLinuxOptions: {fileType: etc_t}}"),
	"SELinuxOptions.disabled":                           spec("securityContext: {seLinuxOptions: {disabled: true}}"),
	"Sysctl.name":                                       spec("securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}"),
	"PodSecurityContext.runAsUser":                      pod("securityContext: {runAsUser: 0}", onePodContainer),
	"PodSecurityContext.runAsNonRoot":                   pod("securityContext: {runAsNonRoot: false}", onePodContainer),
	"NetworkSpec.interface":                             manifest("Network", "spec: {interface: br0}"),
	"NetworkSpec.plugins":                               manifest("Network", "spec: {plugins: [{type: host-device}]}"),
	"Subnet.subnet":                                     manifest("Network", "spec: {subnets: [{subnet: 203.0.113.0/24}]}"),
	"ImageSpec.image":                                   manifest("Image", "spec: {image: 'oci:/srv/image'}"),
	"ImageSpec.authFile":                                manifest("Image", "spec: {image: x.y/z, authFile: /root/auth.json}"),
}

const onePodContainer = "containers: [{name: a, image: x.y/z}]"

// harmless are the fields that no policy checks, and why it need not.
var harmless = []struct {
	because string
	fields  []string
}{
	{"it says what the document is, and other values are errors", []string{"TypeMeta.apiVersion", "TypeMeta.kind", "FieldRef.apiVersion"}},
	{"it holds fields that are decided one by one", []string{
		"Container.metadata", "Container.spec", "Pod.metadata", "Pod.spec", "Job.metadata", "Job.spec", "CronJob.metadata", "CronJob.spec",
		"Network.metadata", "Network.spec", "Volume.metadata", "Volume.spec", "Image.metadata", "Image.spec", "Config.metadata", "Secret.metadata",
		"JobSpec.template", "PodTemplate.metadata", "PodTemplate.spec", "CronJobSpec.jobTemplate", "JobTemplate.metadata", "JobTemplate.spec",
		"PodSpec.initContainers", "PodSpec.containers", "ContainerFields.env", "EnvVar.valueFrom", "ContainerFields.envFrom", "ContainerFields.envFiles",
		"ContainerFields.ports", "ContainerFields.sockets", "ContainerFields.volumeMounts", "ContainerFields.devices", "ContainerFields.ulimits",
		"ContainerFields.startupProbe", "ContainerFields.readinessProbe", "ContainerFields.livenessProbe", "ContainerFields.lifecycle",
		"Lifecycle.postStart", "Lifecycle.preStop", "Handler.httpGet", "Handler.tcpSocket", "Probe.grpc", "Hook.sleep",
		"ContainerFields.reload", "ContainerFields.logging", "SandboxFields.networks", "SandboxFields.hostAliases", "SandboxFields.dnsConfig", "DNSConfig.options",
		"SandboxFields.userNamespace", "UserNamespace.keepID",
		"UserNamespace.uidMappings", "UserNamespace.gidMappings", "SandboxFields.volumes", "VolumeSource.hostPath", "VolumeSource.image", "VolumeSpec.hostPath",
		"ContainerSpec.securityContext", "PodContainer.securityContext", "PodSpec.securityContext",
		"ContainerSecurityContext.capabilities", "ContainerSecurityContext.seccompProfile", "ContainerSecurityContext.appArmorProfile",
		"ContainerSecurityContext.seLinuxOptions", "SecurityContext.sysctls", "PodSecurityContext.sysctls", "PodSecurityContext.seccompProfile",
		"PodSecurityContext.appArmorProfile", "PodSecurityContext.seLinuxOptions", "NetworkSpec.subnets",
	}},
	{"it is for people and tools, and no runtime and no unit gets it", []string{
		"ObjectMeta.namespace", "ObjectMeta.labels", "ObjectMeta.annotations", "TemplateMeta.labels", "TemplateMeta.annotations",
	}},
	{"it leaves the object out, or its runs", []string{"ObjectMeta.nodeSelector", "ObjectMeta.disabled", "JobSpec.suspend", "CronJobSpec.suspend"}},
	{"it names an object of the manifests, whose own fields are checked", []string{
		"ContainerFields.imageRef", "EnvVarSource.configMapKeyRef", "EnvVarSource.secretKeyRef", "KeyRef.name", "KeyRef.key", "KeyRef.optional",
		"EnvFromSource.configMapRef", "EnvFromSource.secretRef", "ObjectRef.name", "ObjectRef.optional", "VolumeMount.name", "PodVolume.name",
		"VolumeSource.configMap", "ConfigVolume.name", "ConfigVolume.items", "ConfigVolume.optional", "VolumeSource.secret", "SecretVolume.secretName",
		"SecretVolume.items", "SecretVolume.optional", "KeyPath.key", "VolumeSource.projected", "ProjectedVolume.sources", "Projection.configMap",
		"Projection.secret", "KeyProjection.name", "KeyProjection.items", "KeyProjection.optional", "VolumeSource.persistentVolumeClaim",
		"ClaimVolume.claimName", "ClaimVolume.perReplica", "SandboxFields.dependsOn", "Dependency.kind", "Dependency.name", "Dependency.condition",
	}},
	{"networks of the manifests are checked themselves; a list in /etc/cni/net.d is there because the node's owner put it there for containers", []string{
		"NetworkAttachment.name",
	}},
	{"it chooses among copies of an image that is checked; what is on the node is there for all of its containers", []string{
		"ContainerFields.imagePullPolicy", "ContainerFields.platform", "ImageSpec.imagePullPolicy", "ImageSpec.platform", "ImageVolume.pullPolicy",
	}},
	{"it is what runs inside, where the confinement holds whatever it is", []string{
		"ContainerFields.command", "ContainerFields.args", "ContainerFields.workingDir", "ContainerFields.tty", "ContainerFields.init",
		"Handler.exec", "ContainerFields.imageHealthcheck", "ExecAction.command", "Reload.exec", "EnvVar.name", "EnvVar.value", "EnvFromSource.prefix",
	}},
	{"it shows the container what the node's owner wrote for containers", []string{"ContainerFields.httpProxy"}},
	{"it is an id inside, or the length of a range of ids of the node that is checked whole", []string{"IDMapping.containerID", "IDMapping.size"}},
	{"it is a user inside; restricted asks for runAsNonRoot, which the launcher enforces for any user", []string{
		"ContainerFields.user", "ContainerSecurityContext.runAsGroup", "SecurityContext.supplementalGroups", "PodSecurityContext.runAsGroup",
		"PodSecurityContext.supplementalGroups", "PodSecurityContext.fsGroup",
	}},
	{"it shows the container what it is itself, and of the node its name and address", []string{
		"EnvVarSource.fieldRef", "FieldRef.fieldPath", "EnvVarSource.resourceFieldRef", "ResourceFieldRef.containerName", "ResourceFieldRef.resource",
		"ResourceFieldRef.divisor", "VolumeSource.downwardAPI", "DownwardVolume.items", "DownwardFile.path", "DownwardFile.fieldRef",
		"DownwardFile.resourceFieldRef", "Projection.downwardAPI", "DownwardProjection.items",
	}},
	{"it goes with a variable of the node, which is refused itself", []string{"HostEnv.name", "HostEnv.optional"}},
	{"it goes with a path of the node, which is checked itself", []string{
		"EnvFile.optional", "HostPath.type", "Device.containerPath", "Device.permissions", "Device.optional",
	}},
	{"the port of the node is checked, for all of the range; its address and protocol give no more", []string{
		"ContainerPort.name", "ContainerPort.containerPort", "ContainerPort.endPort", "ContainerPort.hostIP", "ContainerPort.protocol", "Socket.name",
	}},
	{"it is a place inside, in the container's own mount namespace", []string{"VolumeMount.mountPath", "KeyPath.path"}},
	{"it takes rights away", []string{
		"VolumeMount.readOnly", "VolumeMount.recursiveReadOnly", "ClaimVolume.readOnly", "SandboxFields.hostUsers", "ContainerSecurityContext.readOnlyRootFilesystem",
		"ContainerSecurityContext.maskedPaths", "NetworkSpec.internal",
	}},
	{"it is opened below the volume, and links lead nowhere out of that", []string{"VolumeMount.subPath", "VolumeMount.subPathExpr"}},
	{"it owns or opens files of the container's volumes alone, which are mounted without set-id programs and devices", []string{
		"KeyPath.mode", "ConfigVolume.defaultMode", "ConfigVolume.uid", "ConfigVolume.gid", "SecretVolume.defaultMode", "SecretVolume.uid", "SecretVolume.gid",
		"DownwardFile.mode", "DownwardVolume.defaultMode", "ProjectedVolume.defaultMode", "VolumeSpec.uid", "VolumeSpec.gid", "VolumeSpec.mode",
	}},
	{"it is a directory or memory of the container's own, which counts against its limits", []string{
		"VolumeSource.emptyDir", "VolumeSpec.emptyDir", "EmptyDir.medium", "EmptyDir.sizeLimit", "SandboxFields.shmSize",
	}},
	{"it deletes the object's own data", []string{"VolumeSpec.reclaimPolicy"}},
	{"it bounds the container, or is a share that others' limits and requests stand beside", []string{
		"ContainerFields.resources", "PodSpec.resources", "Resources.limits", "Resources.requests", "Resources.cpuset", "Resources.memoryNodes", "Resources.io",
		"IO.weight", "IO.devices", "IODevice.path", "IODevice.readBandwidth", "IODevice.writeBandwidth", "IODevice.readIOPS", "IODevice.writeIOPS",
		"Ulimit.soft", "Ulimit.hard",
	}},
	{"a check or a hook is made from inside the container's network, or in it", []string{
		"HTTPGetAction.path", "HTTPGetAction.port", "HTTPGetAction.scheme", "HTTPGetAction.httpHeaders", "HTTPHeader.name", "HTTPHeader.value",
		"TCPSocketAction.port", "GRPCAction.port", "GRPCAction.service",
	}},
	{"it is a time or a count of the object's own checks, runs, restarts and updates", []string{
		"Probe.initialDelaySeconds", "Probe.periodSeconds", "Probe.timeoutSeconds", "Probe.successThreshold", "Probe.failureThreshold", "Probe.onFailure",
		"Probe.terminationGracePeriodSeconds", "SleepAction.seconds", "SandboxFields.restartPolicy", "SandboxFields.maxRestarts",
		"SandboxFields.activeDeadlineSeconds", "SandboxFields.updatePolicy", "UpdatePolicy.progressDeadlineSeconds", "UpdatePolicy.minReadySeconds",
		"UpdatePolicy.strategy", "UpdatePolicy.maxUnavailable", "UpdatePolicy.maxSurge", "UpdatePolicy.atomic", "PodContainer.restartPolicy",
		"PodContainer.startWithPod", "PodSpec.replicas", "PodSpec.ordinals", "Ordinals.start", "JobSpec.completions", "JobSpec.parallelism",
		"JobSpec.backoffLimit", "JobSpec.activeDeadlineSeconds", "JobSpec.ttlSecondsAfterFinished", "CronJobSpec.schedule", "CronJobSpec.onCalendar",
		"CronJobSpec.timeZone", "CronJobSpec.concurrencyPolicy", "CronJobSpec.startingDeadlineSeconds", "CronJobSpec.successfulJobsHistoryLimit",
		"CronJobSpec.failedJobsHistoryLimit", "ContainerSpec.oneshot",
	}},
	{"a shutdown of the node ends after half an hour, whatever a unit asks for (systemd.special(7), reboot.target)", []string{
		"SandboxFields.terminationGracePeriodSeconds",
	}},
	{"it is a signal to the container's own processes, or a word of theirs", []string{"ContainerFields.stopSignal", "Reload.signal", "ContainerFields.notify"}},
	{"journald bounds what it keeps; a container that writes at the default rate fills that too", []string{"Logging.driver"}},
	{"it is a name or an address for the containers of the manifests' own networks", []string{
		"NetworkAttachment.aliases", "NetworkAttachment.addresses", "SandboxFields.hostname", "HostAlias.ip", "HostAlias.hostnames", "PodContainer.name",
	}},
	{"it is how the container itself finds names", []string{
		"SandboxFields.dnsPolicy", "DNSConfig.nameservers", "DNSConfig.searches", "DNSOption.name", "DNSOption.value",
	}},
	{"it is a file below the node's /usr/share/zoneinfo, and nothing else", []string{"SandboxFields.timeZone"}},
	{"it is a profile that the node's owner wrote for containers, as in Kubernetes' standards", []string{
		"SeccompProfile.localhostProfile", "AppArmorProfile.localhostProfile",
	}},
	{"it is a level of container_t, as in Kubernetes' standards", []string{"SELinuxOptions.level"}},
	{"the setting's name is checked, and the namespace that it is set in is the container's", []string{"Sysctl.value"}},
	{"processes of one pod share what they see", []string{"PodSpec.shareProcessNamespace"}},
	{"the gateway lies in its subnet, which is checked", []string{"Subnet.gateway"}},
	{"it is a size of the packets of devices that davit makes", []string{"NetworkSpec.mtu"}},
	{"it is data for those objects that name it", []string{"Config.data", "Config.binaryData", "Secret.type", "Secret.data", "Secret.stringData"}},
}

// TestEveryFieldIsADecision walks all fields of all kinds: each is refused in its manifest, or is harmless for a reason.
func TestEveryFieldIsADecision(t *testing.T) {
	t.Parallel()
	decided := decisions(t)
	found := map[string]bool{}
	for kind, object := range v1.Kinds {
		for _, field := range fieldsBelow(reflect.TypeOf(object()), map[reflect.Type]bool{}) {
			found[field] = true
			if !decided[field] {
				t.Errorf("%s of %s: no policy checks it: have one check it, with a manifest in refused, or say in harmless why none need", field, kind)
			}
		}
	}
	for field := range decided {
		if !found[field] {
			t.Errorf("%s: there is no such field", field)
		}
	}
	for field, text := range refused {
		if !isRefusedAt(field, text) {
			t.Errorf("%s is not refused by baseline nor by restricted in\n%s", field, text)
		}
	}
}

// TestAFieldWithoutADecisionIsFound plants one.
func TestAFieldWithoutADecisionIsFound(t *testing.T) {
	t.Parallel()
	type Planted struct {
		v1.NetworkSpec `json:",inline"`
		Extra          []struct {
			HostDevice string `json:"hostDevice"`
		} `json:"extra"`
	}
	decided := decisions(t)
	var undecided []string
	for _, field := range fieldsBelow(reflect.TypeFor[Planted](), map[reflect.Type]bool{}) {
		if !decided[field] {
			undecided = append(undecided, field)
		}
	}
	if want := []string{"Planted.extra", ".hostDevice"}; !slices.Equal(undecided, want) {
		t.Errorf("got %q, want %q", undecided, want)
	}
	if isRefusedAt("Subnet.subnet", manifest("Network", "spec: {subnets: [{subnet: 10.20.0.0/24}]}")) {
		t.Error("a field that no policy refuses is taken for one that is checked")
	}
}

// decisions are the fields that are decided, each in one way.
func decisions(t *testing.T) map[string]bool {
	t.Helper()
	decided := map[string]bool{}
	for field := range refused {
		decided[field] = true
	}
	for _, group := range harmless {
		for _, field := range group.fields {
			if decided[field] {
				t.Errorf("%s is decided twice", field)
			}
			decided[field] = true
		}
	}
	return decided
}

// fieldsBelow are the fields of a type and of the types of its fields, each once.
func fieldsBelow(of reflect.Type, seen map[reflect.Type]bool) []string {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return fieldsBelow(of.Elem(), seen)
	case reflect.Struct:
	default:
		return nil
	}
	if seen[of] {
		return nil
	}
	seen[of] = true
	var fields []string
	for _, field := range v1.Fields(of) {
		fields = append(fields, fmt.Sprintf("%s.%s", field.Owner.Name(), field.Name))
		fields = append(fields, fieldsBelow(field.Type, seen)...)
	}
	return fields
}

var index = regexp.MustCompile(`\[\d+\]`)

// isRefusedAt reports whether baseline or restricted refuse a manifest at a field of this name, or below it.
func isRefusedAt(field, text string) bool {
	_, name, _ := strings.Cut(field, ".")
	for _, preset := range []policy.Preset{policy.Baseline, policy.Restricted} {
		for _, diagnostic := range loadUnder(text, fleet.PresetPolicy(preset, "test")).Diagnostics {
			path := index.ReplaceAllString(diagnostic.Path, "") + "."
			if diagnostic.Denied && strings.Contains("."+path, "."+name+".") {
				return true
			}
		}
	}
	return false
}

// TestEveryPlaceIsChecked has what is refused of a Container in the containers of all other kinds, too.
func TestEveryPlaceIsChecked(t *testing.T) {
	t.Parallel()
	ofContainer := map[string]bool{"securityContext": true}
	for _, field := range v1.Fields(reflect.TypeFor[v1.ContainerFields]()) {
		ofContainer[field.Name] = true
	}
	places := 0
	for field, text := range refused {
		_, lines, isContainer := strings.Cut(text, "\nspec:\n  image: example.com/a:1\n")
		if !isContainer || field == "ObjectMeta.name" || field == "Sysctl.name" { // which a pod's containers do not have
			continue
		}
		inside, shared := []string{"name: a", "image: x.y/z"}, []string(nil)
		for line := range strings.Lines(lines) {
			line = strings.TrimSpace(line)
			if name, _, _ := strings.Cut(line, ":"); ofContainer[name] {
				inside = append(inside, line)
			} else if name != "hostname" {
				shared = append(shared, line)
			}
		}
		one := "{" + strings.Join(inside, ", ") + "}"
		pods := map[string]string{"Pod": strings.Join(append([]string{"containers: [" + one + "]"}, shared...), "\n")}
		if len(inside) > 2 && field != "Socket.listenStream" && field != "Socket.listenDatagram" && !strings.Contains(text, "Probe") {
			pods["init container"] = strings.Join(append([]string{"initContainers: [" + one + "]", "containers: [{name: b, image: x.y/z}]"}, shared...), "\n")
		}
		for place, pod := range pods {
			indented := func(by string) string { return by + strings.ReplaceAll(pod, "\n", "\n"+by) }
			jobSpec := "template:\n%[1]s  spec:\n%[1]s    restartPolicy: Never\n"
			for kind, text := range map[string]string{
				"Pod":     manifest("Pod", "spec:\n"+indented("  ")),
				"Job":     manifest("Job", "spec:\n  "+fmt.Sprintf(jobSpec, "  ")+indented("      ")),
				"CronJob": manifest("CronJob", "spec:\n  schedule: '@daily'\n  jobTemplate:\n    spec:\n      "+fmt.Sprintf(jobSpec, "      ")+indented("          ")),
			} {
				places++
				if !isRefusedAt(field, text) {
					t.Errorf("%s of a %s is not refused in a %s:\n%s", field, place, kind, text)
				}
			}
		}
	}
	if places < 150 {
		t.Errorf("%d places were tried", places)
	}
}
