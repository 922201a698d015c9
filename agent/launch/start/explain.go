package start

import (
	"fmt"

	"github.com/davit-project/davit/agent/launch/process"
	"github.com/davit-project/davit/agent/launch/program"
	"github.com/davit-project/davit/agent/launch/record"
)

// Explain returns why the program of the bundle at a path could not be executed, and leaves a note of it as of any
// failed start. The process has that container's root directory.
func Explain(path string, pid int) error {
	dir, id := record.BundleAt(path)
	b, err := record.ReadRunning(id)
	if err != nil {
		return fmt.Errorf("explain why %s does not run: %w", id, err)
	}
	if err := process.RecallEnvironment(b); err != nil {
		return fmt.Errorf("explain why %s does not run: %w", id, err)
	}
	spec := b.Spec.Process
	cause := program.WhyNotExecuted(fmt.Sprintf("/proc/%d/root", pid), spec.Args, spec.Cwd, spec.Env)
	return record.NoteFailure(id, dir, fmt.Errorf("start %s: run %q of image %s: %w", id, spec.Args[0], b.Image.Reference, cause))
}
