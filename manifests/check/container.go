package check

import (
	"fmt"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func checkContainer(s *Subject, spec v1.ContainerSpec) {
	checkFields(s, "spec", spec.ContainerFields, spec.SandboxFields)
	checkSandbox(s, "spec", spec.SandboxFields)
	checkHugePages(s, "spec", spec.Volumes, spec.Resources.Limits)
	checkSecurity(s, "spec.securityContext", spec.SecurityContext.ContainerSecurityContext)
	checkGroups(s, "spec.securityContext", spec.SecurityContext.SupplementalGroups)
	checkSysctls(s, "spec.securityContext", spec.SecurityContext.Sysctls, spec.SandboxFields)
	field, reason := spec.Exclusive()
	checkSurge(s, "spec", spec.UpdatePolicy, field, reason)
	if spec.Oneshot && spec.RestartPolicy == v1.RestartAlways {
		s.errorf("spec.restartPolicy", "a oneshot container ends: want OnFailure or Never")
	}
}

// checkFields checks what a Container and a pod's container have in common, at the field of
// that container.
func checkFields(s *Subject, at string, spec v1.ContainerFields, sandbox v1.SandboxFields) {
	checkContainerImage(s, at, spec)
	checkProcess(s, at, spec)
	checkEnvironment(s, at, spec)
	checkStop(s, at, spec)
	for i, port := range spec.Ports {
		checkPort(s, fmt.Sprintf("%s.ports[%d]", at, i), port, sandbox)
	}
	checkSockets(s, at, spec, sandbox)
	checkMounts(s, at, spec.VolumeMounts)
	checkRootMounts(s, at, spec.VolumeMounts, sandbox.Volumes)
	checkDevices(s, at, spec.Devices)
	checkResources(s, at+".resources", spec.Resources)
	if adjustment := spec.OOMScoreAdj; adjustment != nil && (*adjustment < -1000 || *adjustment > 1000) {
		s.errorf(at+".oomScoreAdj", "%d: want -1000 to 1000", *adjustment)
	}
	checkUlimits(s, at, spec.Ulimits)
	checkProbes(s, at, spec)
	checkPassThrough(s, at, spec)
}

func checkContainerImage(s *Subject, at string, spec v1.ContainerFields) {
	if spec.Rootfs != "" {
		checkRootfs(s, at, spec)
		return
	}
	switch {
	case spec.Image == "" && spec.ImageRef == "":
		s.errorf(at+".image", "missing")
	case spec.Image != "" && spec.ImageRef != "":
		s.errorf(at+".imageRef", "there is an image already: want one of the two")
	case spec.Image != "":
		checkImageFields(s, at, v1.ImageSpec{
			Image: spec.Image, ImagePullPolicy: spec.ImagePullPolicy, Platform: spec.Platform, AuthFile: spec.AuthFile,
		})
	case spec.ImagePullPolicy != "" || spec.Platform != "" || spec.AuthFile != "":
		s.errorf(at+".imageRef", "the Image object says how to pull: leave imagePullPolicy, platform and authFile out")
	}
}

// checkRootfs checks a container that has a tree of the node instead of an image.
func checkRootfs(s *Subject, at string, spec v1.ContainerFields) {
	field := at + ".rootfs"
	for _, other := range []struct{ name, value string }{
		{"image", spec.Image}, {"imageRef", spec.ImageRef}, {"imagePullPolicy", string(spec.ImagePullPolicy)},
		{"platform", spec.Platform}, {"authFile", spec.AuthFile}, {"imageHealthcheck", spec.ImageHealthcheck},
	} {
		if other.value != "" {
			s.errorf(field, "a directory of the node is no image: leave %s out", other.name)
		}
	}
	if len(spec.Command) == 0 {
		s.errorf(at+".command", "missing: a directory says no command to run")
	}
	checkHostTree(s, field, spec.Rootfs)
	if spec.Rootfs == "/" {
		s.errorf(field, "the node's root cannot be a container's root file system")
	}
}
