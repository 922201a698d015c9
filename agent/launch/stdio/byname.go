package stdio

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/rootfs"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// OpenedByName says which part of a container names standard output, and so may open it by name; empty for none. image is
// the answer that the record of its image has. Otherwise the arguments, variables and mounted files count. A program cannot
// open a socket by name.
func OpenedByName(run record.Run, image string) (string, error) {
	b := run.Bundle
	if b.Output != "" || b.Spec.Process.Terminal || image != "" {
		return image, nil
	}
	if name := bundle.OutputNamedBy(b.Spec.Process.Args, b.Spec.Process.Env); name != "" {
		return name, nil
	}
	for _, file := range b.Files {
		name, err := outputNamedIn(filepath.Join(run.Dir, file.Path))
		if err != nil {
			return "", err
		}
		if name != "" {
			return fmt.Sprintf("the file %s names %s", filepath.Base(file.Path), name), nil
		}
	}
	for _, path := range b.HostPaths {
		if name := outputNamedInHostPath(path); name != "" {
			return fmt.Sprintf("the file %s names %s", path.Path, name), nil
		}
	}
	return "", nil
}

// outputNamedIn is the name of standard output in a file of the bundle.
func outputNamedIn(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil || len(text) > bundle.MaxOutputFile {
		return "", err
	}
	return bundle.OutputNamed(text), nil
}

// outputNamedInHostPath is the name of standard output in a small file of the node that is mounted; "" if there is none,
// and if the file cannot be read, which is another one's to report.
func outputNamedInHostPath(path bundle.HostPath) string {
	found, err := rootfs.OpenHostPath(path)
	if err != nil {
		return ""
	}
	defer found.Close()
	info, err := found.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > bundle.MaxOutputFile {
		return ""
	}
	text, err := untrusted.ReadSmall(found, bundle.MaxOutputFile)
	if err != nil {
		return ""
	}
	return bundle.OutputNamed(text)
}
