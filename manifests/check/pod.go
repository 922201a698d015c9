package check

import (
	"fmt"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkPod checks a pod at the field of its specification.
func checkPod(s *Subject, at string, spec v1.PodSpec) {
	checkSandbox(s, at, spec.SandboxFields)
	context := spec.SecurityContext
	field := at + ".securityContext"
	checkSeccomp(s, field+".seccompProfile", context.SeccompProfile)
	if context.AppArmorProfile != nil {
		checkAppArmor(s, field+".appArmorProfile", *context.AppArmorProfile)
	}
	checkSELinux(s, field+".seLinuxOptions", context.SELinuxOptions)
	checkRunAs(s, field, context.RunAsUser, context.RunAsGroup, context.RunAsNonRoot)
	checkGroups(s, field, context.SupplementalGroups)
	checkSysctls(s, field, context.Sysctls, spec.SandboxFields)
	if context.FSGroup != nil {
		checkProcessID(s, field+".fsGroup", *context.FSGroup)
	}
	checkResources(s, at+".resources", spec.Resources)
	if spec.Resources.Limits[v1.EphemeralStorage] != "" {
		s.errorf(at+".resources.limits."+v1.EphemeralStorage, "a Pod has no such limit: want it at its containers")
	}
	checkPodHugePages(s, at, spec)
	exclusive, reason := spec.Exclusive()
	checkSurge(s, at, spec.UpdatePolicy, exclusive, reason)
	if spec.Replicas != nil && *spec.Replicas < 0 {
		s.errorf(at+".replicas", "%d: want 0 or more", *spec.Replicas)
	}
	if len(spec.Containers) == 0 {
		s.errorf(at+".containers", "want at least one")
	}
	names := map[string]bool{}
	for i, container := range spec.InitContainers {
		checkPodContainer(s, fmt.Sprintf("%s.initContainers[%d]", at, i), container, spec.SandboxFields, names)
	}
	for i, container := range spec.Containers {
		field := fmt.Sprintf("%s.containers[%d]", at, i)
		checkPodContainer(s, field, container, spec.SandboxFields, names)
		if container.RestartPolicy != "" {
			s.errorf(field+".restartPolicy", "is the pod's: only init containers have one of their own")
		}
	}
}

// checkPodContainer checks one container; names are those of the pod's others.
func checkPodContainer(s *Subject, at string, container v1.PodContainer, sandbox v1.SandboxFields, names map[string]bool) {
	checkName(s, at+".name", container.Name)
	if names[container.Name] {
		s.errorf(at+".name", "container %s appears twice", container.Name)
	}
	names[container.Name] = true
	checkFields(s, at, container.ContainerFields, sandbox)
	checkSecurity(s, at+".securityContext", container.SecurityContext)
}
