package bundle

import (
	"path/filepath"
	"slices"
)

// DiskLimit bounds what a container can write to the disk of the node. The agent measures it while the container runs, and
// ends the container that has more.
type DiskLimit struct {
	// Field is what the manifest calls the limit, for people.
	Field string `json:"field"`
	Bytes int64  `json:"bytes"`
	// Layer is set where the writable layer and the files of /etc count.
	Layer bool `json:"layer,omitempty"`
	// EmptyDirs are those that count.
	EmptyDirs []string `json:"emptyDirs,omitempty"`
	// Restarts is a unit that is restarted then, because what counts is not the container's alone and outlives it.
	Restarts string `json:"restarts,omitempty"`
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

// EmptyDirPath is where an empty directory lies that the container mounts: its own one, or one of its sandbox's.
func (l *Launch) EmptyDirPath(name string) string {
	isOwn := slices.ContainsFunc(l.EmptyDirs, func(dir EmptyDir) bool { return dir.Name == name })
	if isOwn || l.Sandbox == "" {
		return EmptyDirPath(l.ID, name)
	}
	return EmptyDirPath(l.Sandbox, name)
}

// WritableDir is where the writable layer of a running container lies.
func WritableDir(id string) string { return filepath.Join(ContainersDir, id, "writable") }
