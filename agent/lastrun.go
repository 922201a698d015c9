package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/davit-project/davit/units/bundle"
)

// lastRun reads how the container of a unit last ended; nil when it has not since boot.
func lastRun(unit string) (*bundle.LastRun, error) {
	text, err := os.ReadFile(bundle.LastRunFile(strings.TrimSuffix(unit, ".service")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var run bundle.LastRun
	if err == nil {
		err = json.Unmarshal(text, &run)
	}
	if err != nil {
		return nil, fmt.Errorf("read how %s last ended: %w", unit, err)
	}
	return &run, nil
}
