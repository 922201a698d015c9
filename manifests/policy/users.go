package policy

import (
	"fmt"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkUserNamespace checks the users of the node that a workload has among its own: it can do what they can, to their files and
// their processes.
func checkUserNamespace(c *checker, field string, users *v1.UserNamespace) {
	if users == nil {
		return
	}
	if keep := users.KeepID; keep != nil {
		checkHostID(c, field+".keepID.uid", v1.IDMapping{HostID: keep.UID})
		checkHostID(c, field+".keepID.gid", v1.IDMapping{HostID: keep.Group()})
	}
	for i, mapping := range users.UIDMappings {
		checkHostID(c, fmt.Sprintf("%s.uidMappings[%d].hostID", field, i), mapping)
	}
	for i, mapping := range users.GIDMappings {
		checkHostID(c, fmt.Sprintf("%s.gidMappings[%d].hostID", field, i), mapping)
	}
}

func checkHostID(c *checker, field string, mapping v1.IDMapping) {
	first, last := mapping.HostID, mapping.HostID+mapping.Count()-1
	allowed := slices.ContainsFunc(c.policy.HostIDs, func(r IDRange) bool { return r.Min <= first && last <= r.Max })
	switch {
	case allowed:
	case first == last:
		c.refuse(field, "hostIDs", "it may not have the id %d of the node", first)
	default:
		c.refuse(field, "hostIDs", "it may not have the ids %d to %d of the node", first, last)
	}
}

// mapsRoot reports whether one of a workload's users is root of the node, whom the kernel's settings belong to.
func mapsRoot(users *v1.UserNamespace) bool {
	return slices.ContainsFunc(users.UIDs(), func(mapping v1.IDMapping) bool { return mapping.HostID == 0 })
}
