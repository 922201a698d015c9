package launch

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// findOutputName looks for names of standard output in the arguments, variables and mounted files of the container, unless the
// record of the image has one. A program cannot open a socket by name.
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
	if err != nil || len(text) > bundle.MaxOutputFile {
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
	if err != nil || !info.Mode().IsRegular() || info.Size() > bundle.MaxOutputFile {
		return ""
	}
	text, err := untrusted.ReadSmall(found, bundle.MaxOutputFile)
	if err != nil {
		return ""
	}
	return bundle.OutputNamed(text)
}
