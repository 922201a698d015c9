package drift

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// checkFiles finds missing files of those that a launcher has made for a container.
func checkFiles(b *bundle.Bundle) []string {
	var faults []string
	for _, name := range bundle.EtcFiles {
		if !exists(bundle.EtcFile(b.ID, name)) {
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

// exists reports whether a path exists.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// checkMounts finds missing mounts of those that the sandbox of a pod has on the node: its namespaces and its empty
// directories in memory. The mounts of a container are in its own namespace.
func checkMounts(b *bundle.Bundle) []string {
	if b.Spec.Process != nil {
		return nil
	}
	var faults []string
	for _, namespace := range b.Spec.Linux.Namespaces {
		if namespace.Type == specs.MountNamespace || namespace.Type == specs.CgroupNamespace {
			continue
		}
		if !disk.IsMounted(bundle.SandboxFile(b.ID, string(namespace.Type)), "nsfs") {
			faults = append(faults, fmt.Sprintf("its %s namespace is not mounted any more", namespace.Type))
		}
	}
	for _, dir := range b.EmptyDirs {
		if kind, _ := dir.FileSystem(); kind != "" && !disk.IsMounted(bundle.EmptyDirPath(b.ID, dir.Name), kind) {
			faults = append(faults, fmt.Sprintf("its empty directory %s is not mounted any more", dir.Name))
		}
	}
	return faults
}
