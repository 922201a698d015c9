package confine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/selinux/go-selinux"
	"github.com/opencontainers/selinux/go-selinux/label"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
)

// Labels are the SELinux labels of a container; they are empty on a node without SELinux.
type Labels struct {
	// Process is the label of the container's processes.
	Process string
	// File is the label of its files.
	File string
}

// ChooseLabels chooses the labels of a container, if the kernel has SELinux and its policy has labels for containers
// (contexts/lxc_contexts, which comes with container-selinux). It labels the container's own directories.
func ChooseLabels(b *bundle.Bundle) (Labels, error) {
	if !selinux.GetEnabled() {
		return Labels{}, nil
	}
	process, file, err := label.InitLabels(labelOptions(b.SELinux, record.Shared(b)))
	if err != nil {
		return Labels{}, fmt.Errorf("choose SELinux labels: %w", err)
	}
	// Files that are made in the container's own directories later inherit the directory's label.
	for _, dir := range record.Dirs(b.ID) {
		if err := label.SetFileLabel(dir, file); err != nil {
			return Labels{}, err
		}
	}
	return Labels{process, file}, nil
}

// labelOptions are those of [label.InitLabels] for a workload: the policy's label for containers, with categories of
// the workload's own. They are the same at each start, so that it can use the files of an earlier run, and the same for
// all containers of a pod.
func labelOptions(declared bundle.SELinux, workload string) []string {
	if declared.Disabled {
		return []string{"disable"}
	}
	options := []string{"level:" + categories(workload)}
	if declared.Level != "" {
		options = []string{"level:" + declared.Level}
	}
	for name, value := range map[string]string{"user": declared.User, "role": declared.Role, "type": declared.Type, "filetype": declared.FileType} {
		if value != "" {
			options = append(options, name+":"+value)
		}
	}
	return options
}

// categoryCount is how many categories workloads have: 1024 in the policies of distributions, of which go-selinux
// reserves the last two for files that no confined container may touch.
const categoryCount = 1022

// categories are the level of a workload: two categories, drawn by its name of half a million pairs.
func categories(workload string) string {
	sum := sha256.Sum256([]byte(workload))
	first := binary.BigEndian.Uint64(sum[:8]) % categoryCount
	second := binary.BigEndian.Uint64(sum[8:16]) % (categoryCount - 1)
	if second >= first {
		second++
	}
	return fmt.Sprintf("s0:c%d,c%d", min(first, second), max(first, second))
}

// Apply writes the labels to a container's configuration.
func (l Labels) Apply(b *bundle.Bundle) {
	b.Spec.Linux.MountLabel = l.File
	if b.Spec.Process != nil {
		b.Spec.Process.SelinuxLabel = l.Process
	}
}

// Label labels one file or directory that is the workload's alone.
func (l Labels) Label(path string) error { return label.SetFileLabel(path, l.File) }

// Relabel labels the files that a container mounts from davit's directories: the files of a bundle for this workload, a
// named volume for all. Paths of the node keep the labels that they have.
func (l Labels) Relabel(path string, shared bool) error {
	if l.File == "" {
		return nil
	}
	want := l.File
	if shared {
		context, err := selinux.NewContext(want)
		if err != nil {
			return err
		}
		context["level"] = "s0"
		want = context.Get()
	}
	if has, err := selinux.FileLabel(path); err == nil && has == want {
		return nil // labelled whole: the root comes last
	}
	if _, err := os.Lstat(path); err != nil {
		return err
	}
	if err := label.Relabel(path, want, false); err != nil {
		return fmt.Errorf("label %s: %w", path, err)
	}
	return nil
}

// Options adds the label of a file system's files to its mount options.
func (l Labels) Options(options ...string) string {
	return label.FormatMountLabel(strings.Join(options, ","), l.File)
}
