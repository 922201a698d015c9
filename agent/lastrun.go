package agent

import (
	"encoding/json"
	"os"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// lastRun is how the container of a unit last ended; nil if it has not since boot, or if the note of it cannot be
// read: the end of the next run replaces the note, and nothing else depends on it.
func lastRun(unit string) *bundle.LastRun {
	text, err := os.ReadFile(bundle.LastRunFile(names.ID(unit)))
	var run bundle.LastRun
	if err != nil || json.Unmarshal(text, &run) != nil {
		return nil
	}
	return &run
}
