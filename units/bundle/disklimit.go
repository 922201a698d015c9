package bundle

import (
	"fmt"
	"path"
	"slices"
)

// DiskLimit bounds a container's data on the disk of the node. The agent measures it while the container runs, and
// ends the container that has more.
type DiskLimit struct {
	// Field is the manifest's name of the limit, for people.
	Field string `json:"field"`
	Bytes int64  `json:"bytes"`
	// Layer is set where the writable layer and the files of /etc count.
	Layer bool `json:"layer,omitempty"`
	// EmptyDirs are those that count.
	EmptyDirs []string `json:"emptyDirs,omitempty"`
	// Restarts is a unit that is restarted then, because the data is not the container's alone and outlives it.
	Restarts string `json:"restarts,omitempty"`
}

// String is the limit for people.
func (d DiskLimit) String() string {
	if d.Bytes < 1<<20 {
		return fmt.Sprintf("%s, %d KiB", d.Field, d.Bytes>>10)
	}
	return fmt.Sprintf("%s, %d MiB", d.Field, d.Bytes>>20)
}

// DiskPaths are the files and directories that count against a limit.
func (l *Launch) DiskPaths(limit DiskLimit) []string {
	shared := l.Sandbox
	if shared == "" {
		shared = l.ID
	}
	var paths []string
	if limit.Layer {
		paths = append(paths, WritableDir(l.ID))
		for _, name := range EtcFiles {
			paths = append(paths, EtcFile(shared, name))
		}
	}
	for _, name := range limit.EmptyDirs {
		paths = append(paths, l.EmptyDirPath(name))
	}
	return paths
}

// minQuota is the least limit that is made a quota: a smaller one would have no room for the files of a start.
const minQuota = 1 << 20

// QuotaDirs are the directories that a quota for a limit covers, where the file system has quotas: all of a project have
// one sum. An empty directory with a limit of its own has a project of its own. Those of a pod count for several
// containers, so they are in the project of none, and the files of /etc are written by the node too.
func (l *Launch) QuotaDirs(limit DiskLimit) []string {
	if limit.Bytes < minQuota {
		return nil
	}
	var dirs []string
	if limit.Layer {
		dirs = append(dirs, WritableDir(l.ID))
	}
	for _, name := range limit.EmptyDirs {
		if !limit.Layer || l.hasEmptyDir(name) && !l.isLimited(name) {
			dirs = append(dirs, l.EmptyDirPath(name))
		}
	}
	return dirs
}

// isLimited reports whether an empty directory has a limit of its own.
func (l *Launch) isLimited(name string) bool {
	return slices.ContainsFunc(l.DiskLimits, func(limit DiskLimit) bool {
		return !limit.Layer && limit.Bytes >= minQuota && slices.Contains(limit.EmptyDirs, name)
	})
}

// hasEmptyDir reports whether an empty directory is the container's own.
func (l *Launch) hasEmptyDir(name string) bool {
	return slices.ContainsFunc(l.EmptyDirs, func(dir EmptyDir) bool { return dir.Name == name })
}

// EmptyDirPath returns the path of an empty directory that the container mounts: its own one, or one of its sandbox's.
func (l *Launch) EmptyDirPath(name string) string {
	return EmptyDirPath(l.emptyDirOwner(name), name)
}

// emptyDirOwner is the id of the owner of an empty directory that the container mounts.
func (l *Launch) emptyDirOwner(name string) string {
	if l.hasEmptyDir(name) || l.Sandbox == "" {
		return l.ID
	}
	return l.Sandbox
}

// QuotaOwner is the id of the owner of a quota's directories: it is gone when they are.
func (l *Launch) QuotaOwner(limit DiskLimit) string {
	if limit.Layer || len(limit.EmptyDirs) == 0 {
		return l.ID
	}
	return l.emptyDirOwner(limit.EmptyDirs[0])
}

// WritableDir returns the path of the writable layer of a running container.
func WritableDir(id string) string { return path.Join(ContainersDir, id, "writable") }
