package rootfs

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/agent/launch/confine"
	"github.com/davit-project/davit/agent/launch/namespaces"
	"github.com/davit-project/davit/agent/quota"
	"github.com/davit-project/davit/units/bundle"
)

// Where the file system enforces project quotas, the kernel holds a container to the limits of its disk: a write beyond
// them fails, and the container goes on. The agent still measures the usage that no quota covers: the files of /etc,
// directories that the containers of a pod share, and files that a process has taken out of their project, which their
// owner may do.

// ProjectsFile records the projects of a container's or a sandbox's directories, for its clean-up. It lies beside them,
// where no container sees it.
func ProjectsFile(id string) string { return filepath.Join(bundle.ContainersDir, id, "projects") }

// MakeWritable makes the directory of the writable layer, and limits how much the container can write.
func MakeWritable(b *bundle.Bundle, users *namespaces.Users) error {
	if err := os.Mkdir(bundle.WritableDir(b.ID), 0o755); err != nil {
		return err
	}
	quotas, err := quota.On(bundle.ContainersDir)
	if quotas == nil || err != nil {
		return err
	}
	defer quotas.Close()
	if users == nil {
		confine.KeepProjects(b.Spec.Linux.Seccomp)
	}
	for _, limit := range b.DiskLimits {
		if err := boundDisk(b, quotas, limit); err != nil {
			fmt.Fprintf(messages, "davit-run: no quota for the %s, the agent measures instead: %v\n", limit.Field, err)
		}
	}
	return nil
}

// quotaName is how much of a limit makes room for one file: the agent counts each name for as much.
const quotaName = 256

// boundDisk gives the directories that a limit covers a quota.
func boundDisk(b *bundle.Bundle, quotas *quota.FileSystem, limit bundle.DiskLimit) error {
	dirs := b.QuotaDirs(limit)
	if len(dirs) == 0 {
		return nil
	}
	amount := quota.Limit{Bytes: uint64(limit.Bytes), Inodes: uint64(limit.Bytes) / quotaName}
	return quotas.Bound(ProjectsFile(b.QuotaOwner(limit)), amount, dirs...)
}
