package manifests

import (
	"fmt"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkPod checks a pod at the field of its specification.
func (d *document) checkPod(at string, spec v1.PodSpec) {
	d.checkSandbox(at, spec.SandboxFields)
	context := spec.SecurityContext
	field := at + ".securityContext"
	d.checkSeccomp(field+".seccompProfile", context.SeccompProfile)
	if context.AppArmorProfile != nil {
		d.checkAppArmor(field+".appArmorProfile", *context.AppArmorProfile)
	}
	d.checkSELinux(field+".seLinuxOptions", context.SELinuxOptions)
	d.checkRunAs(field, context.RunAsUser, context.RunAsGroup, context.RunAsNonRoot)
	d.checkGroups(field, context.SupplementalGroups)
	d.checkSysctls(field, context.Sysctls, spec.SandboxFields)
	if context.FSGroup != nil {
		d.checkProcessID(field+".fsGroup", *context.FSGroup)
	}
	d.checkResources(at+".resources", spec.Resources)
	if spec.Resources.Limits[v1.EphemeralStorage] != "" {
		d.errorf(at+".resources.limits."+v1.EphemeralStorage, "a Pod has no such limit: want it at its containers")
	}
	d.checkPodHugePages(at, spec)
	exclusive, reason := spec.Exclusive()
	d.checkSurge(at, spec.UpdatePolicy, exclusive, reason)
	if spec.Replicas != nil && *spec.Replicas < 0 {
		d.errorf(at+".replicas", "%d: want 0 or more", *spec.Replicas)
	}
	if len(spec.Containers) == 0 {
		d.errorf(at+".containers", "want at least one")
	}
	names := map[string]bool{}
	for i, container := range spec.InitContainers {
		d.checkPodContainer(fmt.Sprintf("%s.initContainers[%d]", at, i), container, spec.SandboxFields, names)
	}
	for i, container := range spec.Containers {
		field := fmt.Sprintf("%s.containers[%d]", at, i)
		d.checkPodContainer(field, container, spec.SandboxFields, names)
		if container.RestartPolicy != "" {
			d.errorf(field+".restartPolicy", "is the pod's: only init containers have one of their own")
		}
	}
}

// checkPodContainer checks one container; names are those of the pod's others.
func (d *document) checkPodContainer(at string, container v1.PodContainer, sandbox v1.SandboxFields, names map[string]bool) {
	d.checkName(at+".name", container.Name)
	if names[container.Name] {
		d.errorf(at+".name", "container %s appears twice", container.Name)
	}
	names[container.Name] = true
	d.checkFields(at, container.ContainerFields, sandbox)
	d.checkSecurity(at+".securityContext", container.SecurityContext)
}
