package launch

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// maxNaming bounds the files that are looked at for names of standard output: configuration files and scripts are small.
const maxNaming = 128 << 10

// findOutputName completes what the record of the image says of the names of standard output with what this container has
// beside the image: arguments, variables and files. All of them are known to the manifest's author, and a socket cannot be
// opened by name.
func (r *run) findOutputName() error {
	if r.Output != "" || r.Spec.Process.Terminal || r.opensOutput != "" {
		return nil
	}
	if r.opensOutput = bundle.OutputNamedBy(r.Spec.Process.Args, r.Spec.Process.Env); r.opensOutput != "" {
		return nil
	}
	for _, file := range r.Files {
		name, err := outputNamedIn(filepath.Join(r.dir, file.Path))
		if err != nil {
			return err
		}
		if name != "" {
			r.opensOutput = fmt.Sprintf("the file %s names %s", filepath.Base(file.Path), name)
			return nil
		}
	}
	for i, path := range r.HostPaths {
		if name := r.outputNamedInHostPath(i); name != "" {
			r.opensOutput = fmt.Sprintf("the file %s names %s", path.Path, name)
			return nil
		}
	}
	return nil
}

// outputNamedIn is the name of standard output in a file of the bundle.
func outputNamedIn(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil || len(text) > maxNaming {
		return "", err
	}
	return bundle.OutputNamed(text), nil
}

// outputNamedInHostPath is the name of standard output in a small file of the node that is mounted; "" if there is none,
// and if the file cannot be read, which is another one's to report.
func (r *run) outputNamedInHostPath(index int) string {
	found, err := openHostPath(r.HostPaths[index])
	if err != nil {
		return ""
	}
	defer found.Close()
	info, err := found.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxNaming {
		return ""
	}
	text, err := untrusted.ReadSmall(found, maxNaming)
	if err != nil {
		return ""
	}
	return bundle.OutputNamed(text)
}
