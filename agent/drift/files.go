package drift

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// checkFiles finds what is missing of the files that a launcher has made for a container.
func checkFiles(b *bundle.Bundle) []string {
	var faults []string
	dir := filepath.Dir(bundle.RecordFile(b.ID))
	for _, name := range bundle.EtcFiles {
		if !exists(filepath.Join(dir, name)) {
			faults = append(faults, fmt.Sprintf("the file of its /etc/%s is gone from the node", name))
		}
	}
	if b.Network.Mode == bundle.NetworkCNI && len(b.Network.Attachments) > 0 && !exists(bundle.AddressFile(b.ID)) {
		faults = append(faults, "the record of its address is gone")
	}
	return faults
}

// checkRecord checks the record that a clean-up goes by.
func checkRecord(id string) string {
	if exists(bundle.RecordFile(id)) {
		return ""
	}
	return "the record of how it was started is gone"
}

// exists reports whether a path is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Types of file systems (statfs(2), linux/magic.h).
const (
	namespaceMagic = 0x6e736673 // NSFS_MAGIC
	tmpfsMagic     = 0x01021994
	hugetlbfsMagic = 0x958458f6
)

// checkMounts finds what is unmounted of what the sandbox of a pod has mounted on the node: its namespaces and its empty
// directories in memory. What a container has mounted is in its own namespace.
func checkMounts(b *bundle.Bundle) []string {
	if b.Spec.Process != nil {
		return nil
	}
	var faults []string
	for _, namespace := range b.Spec.Linux.Namespaces {
		if namespace.Type == specs.MountNamespace || namespace.Type == specs.CgroupNamespace {
			continue
		}
		if fileSystemOf(bundle.SandboxFile(b.ID, string(namespace.Type))) != namespaceMagic {
			faults = append(faults, fmt.Sprintf("its %s namespace is not mounted any more", namespace.Type))
		}
	}
	for _, dir := range b.EmptyDirs {
		want := map[string]int64{"tmpfs": tmpfsMagic, "hugetlbfs": hugetlbfsMagic}
		kind, _ := dir.FileSystem()
		path := bundle.EmptyDirPath(b.ID, dir.Name)
		if kind != "" && (!isMounted(path) || fileSystemOf(path) != want[kind]) {
			faults = append(faults, fmt.Sprintf("its empty directory %s is not mounted any more", dir.Name))
		}
	}
	return faults
}

// isMounted reports whether a path is the root of a mount (statx(2), from Linux 5.8 on).
func isMounted(path string) bool {
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &stat)
	return err == nil && stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// fileSystemOf is the type of the file system that a path is on; 0 where that is not known.
func fileSystemOf(path string) int64 {
	var stat unix.Statfs_t
	if unix.Statfs(path, &stat) != nil {
		return 0
	}
	return int64(stat.Type)
}
