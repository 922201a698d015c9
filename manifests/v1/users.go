package v1

// UserNamespace says which ids inside are which ids of the node. All other ids from 0 to 65535 are those of a range that each
// start draws, as without it. Images, Configs, empty directories and named volumes have the owners that they have inside. A path of the
// node has the owners that it has on the node: an id of the node that is not mapped is 65534 inside, and cannot be used.
type UserNamespace struct {
	// KeepID is a user of the node that has the same ids inside, and whom a container runs as that has no user of its
	// own: Podman's --userns=keep-id.
	KeepID *KeepID `json:"keepID,omitempty"`
	// UIDMappings map further users, as in the OCI specification and Podman's --uidmap.
	UIDMappings []IDMapping `json:"uidMappings,omitempty"`
	// GIDMappings map further groups.
	GIDMappings []IDMapping `json:"gidMappings,omitempty"`
}

// KeepID is a user of the node.
type KeepID struct {
	// UID is the user's id.
	UID int64 `json:"uid"`
	// GID is the id of its group; the default is the same number as uid.
	GID *int64 `json:"gid,omitempty"`
}

// IDMapping maps a range of ids.
type IDMapping struct {
	// ContainerID is the first id inside.
	ContainerID int64 `json:"containerID"`
	// HostID is the first id of the node.
	HostID int64 `json:"hostID"`
	// Size is how many ids there are; the default is 1.
	Size int64 `json:"size,omitempty"`
}

// Count is how many ids a mapping has.
func (m IDMapping) Count() int64 { return max(m.Size, 1) }

// Group is the id of the user's group.
func (k KeepID) Group() int64 {
	if k.GID != nil {
		return *k.GID
	}
	return k.UID
}

// UIDs are all mappings of users.
func (u *UserNamespace) UIDs() []IDMapping {
	switch {
	case u == nil:
		return nil
	case u.KeepID == nil:
		return u.UIDMappings
	}
	return append([]IDMapping{{ContainerID: u.KeepID.UID, HostID: u.KeepID.UID}}, u.UIDMappings...)
}

// GIDs are all mappings of groups.
func (u *UserNamespace) GIDs() []IDMapping {
	switch {
	case u == nil:
		return nil
	case u.KeepID == nil:
		return u.GIDMappings
	}
	return append([]IDMapping{{ContainerID: u.KeepID.Group(), HostID: u.KeepID.Group()}}, u.GIDMappings...)
}

// OwnUsers reports whether a workload has users of its own: it runs in a user namespace.
func (s SandboxFields) OwnUsers() bool {
	if s.HostUsers == nil {
		return s.UserNamespace != nil
	}
	return !*s.HostUsers
}
