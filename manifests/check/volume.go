package check

import (
	"regexp"

	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
)

var octalMode = regexp.MustCompile(`^[0-7]{3,4}$`)

func checkVolume(s *Subject, spec v1.VolumeSpec) {
	if spec.HostPath != nil && spec.EmptyDir != nil {
		s.errorf("spec", "want at most one of hostPath and emptyDir")
	}
	checkVolumeSource(s, "spec", spec.HostPath, spec.EmptyDir)
	if spec.HostPath != nil && spec.HostPath.Path == "/" {
		s.errorf("spec.hostPath.path", "the node's root cannot be a Volume: add it to spec.volumes of the workload, and mount it with readOnly: true")
	}
	if spec.EmptyDir != nil && spec.EmptyDir.IsHugePages() {
		s.errorf("spec.emptyDir.medium", "huge pages are bounded by the workloads that use them: want such a volume in spec.volumes of the Container or Pod")
	}
	if spec.Mode != "" && !octalMode.MatchString(spec.Mode) {
		s.errorf("spec.mode", "%q: want three or four octal digits such as \"0750\"", spec.Mode)
	}
	for field, id := range map[string]*int64{"spec.uid": spec.UID, "spec.gid": spec.GID} {
		if id != nil {
			checkID(s, field, *id)
		}
	}
	if spec.ReclaimPolicy != "" && (spec.HostPath != nil || spec.EmptyDir != nil) {
		s.errorf("spec.reclaimPolicy", "is for named volumes: leave it out")
	}
	if spec.HostPath != nil && (spec.UID != nil || spec.GID != nil || spec.Mode != "") {
		s.errorf("spec.hostPath", "davit does not change the owner or mode of the node's own paths: leave uid, gid and mode out")
	}
}

// checkHostTree checks a path of the node that a container sees whole.
func checkHostTree(s *Subject, field, path string) {
	if !nodePath(s, field, path) {
		return
	}
	for _, tree := range policy.OwnTrees {
		if below(tree, path) || below(path, tree) && path != "/" {
			s.errorf(field, "%s would open %s to the container", path, tree)
		}
	}
	if path != "/proc" && below("/proc", path) {
		s.errorf(field, "%s may lead to any file of the node", path)
	}
}

func checkVolumeSource(s *Subject, field string, host *v1.HostPath, empty *v1.EmptyDir) {
	if host != nil {
		checkHostTree(s, field+".hostPath.path", host.Path)
	}
	if empty != nil && empty.SizeLimit != "" {
		checkQuantity(s, field+".emptyDir.sizeLimit", empty.SizeLimit)
	}
}
