package record

import (
	"encoding/json"
	"os"

	"github.com/davit-project/davit/units/bundle"
)

// LastRun is the note of how a container last ended; nil for none.
func LastRun(id string) *bundle.LastRun {
	text, err := os.ReadFile(bundle.LastRunFile(id))
	var run bundle.LastRun
	if err != nil || json.Unmarshal(text, &run) != nil {
		return nil
	}
	return &run
}
