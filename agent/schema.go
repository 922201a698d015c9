package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// stateVersion is the version of the files in bundle.StateDir. It is increased if an older davit would misread the files of a
// newer one; a newer one reads those of older ones.
const stateVersion = 1

// versionFile says which it is. Where it is missing or damaged, that is as if it were the oldest.
const versionFile = bundle.StateDir + "/version.json"

type stateOf struct {
	Version int `json:"version"`
}

// readState reads the version of the node's state and refuses that of a newer davit.
func readState() (stateOf, error) {
	var state stateOf
	text, err := os.ReadFile(versionFile)
	missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EISDIR)
	if missing || err == nil && json.Unmarshal(text, &state) != nil {
		return stateOf{}, nil
	}
	if err != nil {
		return state, fmt.Errorf("read the version of the state: %w", err)
	}
	if state.Version > stateVersion {
		return state, fmt.Errorf("%s is of a newer davit: its version is %d, this davit knows %d: install the newer one again; nothing is changed",
			bundle.StateDir, state.Version, stateVersion)
	}
	return state, nil
}

// claimState records that files are of this davit from now on.
func claimState() error {
	state, err := readState()
	if err != nil || state.Version == stateVersion {
		return err
	}
	text, err := json.Marshal(stateOf{stateVersion})
	if err != nil {
		return err
	}
	return disk.WriteFile(versionFile, text, 0o600)
}
