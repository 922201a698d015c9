package bundles

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// AdministersNetwork reports whether a container, or any container of a sandbox, may change the network that it has. Of
// a pod, the bundles count that its units start, so that a container counts also while it does not run, and those that
// its containers run.
func AdministersNetwork(b *bundle.Bundle) bool {
	if b.Spec.Process != nil {
		return b.AdministersNetwork()
	}
	return slices.ContainsFunc(ofPod(bundle.UnitsDir, bundle.AttachmentsDir, b.ID), (*bundle.Bundle).AdministersNetwork)
}

// ofPod reads the bundles of the containers that belong to a sandbox.
func ofPod(unitsDir, runningDir, sandbox string) []*bundle.Bundle {
	files, err := filepath.Glob(filepath.Join(unitsDir, "*.service"))
	if err != nil {
		return nil
	}
	var found []*bundle.Bundle
	for _, file := range files {
		unit, err := os.ReadFile(file)
		// The unit of a container names that of its sandbox.
		if err != nil || !bytes.Contains(unit, []byte(names.Service(sandbox))) {
			continue
		}
		running := filepath.Join(runningDir, names.ID(filepath.Base(file)))
		for _, dir := range []string{startedBy(string(unit)), running} {
			if b := decode(filepath.Join(dir, bundle.ConfigFile)); b != nil && b.Sandbox == sandbox {
				found = append(found, b)
			}
		}
	}
	return found
}

// startedBy is the directory of the bundle that a unit starts (units.Render); empty for none.
func startedBy(unit string) string {
	for line := range strings.Lines(unit) {
		command, ok := strings.CutPrefix(line, "ExecStart=")
		if words := strings.Fields(command); ok && len(words) == 3 && words[1] == "start" {
			return words[2]
		}
	}
	return ""
}
