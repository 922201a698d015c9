package check

import (
	"fmt"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkUsers refuses what a user namespace cannot be had with, as Kubernetes does
// (https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/#limitations).
func checkUsers(s *Subject, at string, spec v1.SandboxFields) {
	if spec.UserNamespace != nil {
		checkUserNamespace(s, at+".userNamespace", spec)
	}
	if !spec.OwnUsers() {
		return
	}
	field, said := "hostUsers", "hostUsers: false"
	if spec.HostUsers == nil {
		field, said = "userNamespace", "userNamespace"
	}
	for _, host := range []struct {
		field string
		set   bool
	}{{"hostNetwork", spec.HostNetwork}, {"hostPID", spec.HostPID}, {"hostIPC", spec.HostIPC}} {
		if host.set {
			s.errorf(at+"."+field, "users of its own have no power over the node's: leave %s out", host.field)
		}
	}
	if spec.Runtime != "" {
		s.errorf(at+".runtime", "with %s containers run by davit's own runtime: leave it out", said)
	}
}

// maxIDMappings bounds the mappings of one kind. The kernel takes a map of less than a page of text (user_namespaces(7)); ids that are not
// mapped take a line between two mappings.
const maxIDMappings = 32

func checkUserNamespace(s *Subject, field string, spec v1.SandboxFields) {
	if spec.HostUsers != nil && *spec.HostUsers {
		s.errorf(field, "hostUsers: true has the users of the node: want one of the two")
	}
	if keep := spec.UserNamespace.KeepID; keep != nil {
		checkProcessID(s, field+".keepID.uid", keep.UID)
		if keep.GID != nil {
			checkProcessID(s, field+".keepID.gid", *keep.GID)
		}
	}
	checkIDMappings(s, field+".uidMappings", spec.UserNamespace.UIDMappings, spec.UserNamespace.UIDs())
	checkIDMappings(s, field+".gidMappings", spec.UserNamespace.GIDMappings, spec.UserNamespace.GIDs())
}

// checkIDMappings checks the mappings of a field, which are the last of all mappings of users, or of groups.
func checkIDMappings(s *Subject, field string, declared, all []v1.IDMapping) {
	if len(declared) > maxIDMappings {
		s.errorf(field, "%d mappings are more than %d", len(declared), maxIDMappings)
	}
	for i, mapping := range declared {
		at := fmt.Sprintf("%s[%d]", field, i)
		checkIDRange(s, at+".containerID", mapping.ContainerID, mapping.Count())
		checkIDRange(s, at+".hostID", mapping.HostID, mapping.Count())
		if mapping.Size < 0 {
			s.errorf(at+".size", "%d: want 1 or more", mapping.Size)
		}
		for _, earlier := range all[:len(all)-len(declared)+i] {
			if overlap(mapping.ContainerID, earlier.ContainerID, mapping, earlier) {
				s.errorf(at+".containerID", "id %d of the container is mapped twice", max(mapping.ContainerID, earlier.ContainerID))
			}
			if overlap(mapping.HostID, earlier.HostID, mapping, earlier) {
				s.errorf(at+".hostID", "id %d of the node is mapped twice", max(mapping.HostID, earlier.HostID))
			}
		}
	}
}

// overlap reports whether the ranges of two mappings that begin at these ids have one in common.
func overlap(first, other int64, mapping, earlier v1.IDMapping) bool {
	return first < other+earlier.Count() && other < first+mapping.Count()
}

// checkIDRange checks the ids of a range.
func checkIDRange(s *Subject, field string, first, count int64) {
	checkID(s, field, first)
	if last := first + count - 1; first >= 0 && first < 1<<32-1 && (count > 1<<32 || last >= 1<<32-1) {
		s.errorf(field, "%d ids from %d on go past the last one", count, first)
	}
}

// isMapped reports whether an id inside is one of the node, as a user or as a group.
func isMapped(users *v1.UserNamespace, id int64) bool {
	return slices.ContainsFunc(slices.Concat(users.UIDs(), users.GIDs()), func(mapping v1.IDMapping) bool {
		return mapping.ContainerID <= id && id < mapping.ContainerID+mapping.Count()
	})
}
