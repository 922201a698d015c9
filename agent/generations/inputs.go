package generations

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const inputsFile = "inputs.json"

// Inputs are the inputs that the objects on the disk were rendered from, by object. Inputs that cannot be read are left
// out; the error names them.
func (s Store) Inputs() (map[string]string, error) {
	inputs := map[string]string{}
	err := readJSON(filepath.Join(s.root(), inputsFile), &inputs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, fmt.Errorf("read the inputs of the units: %w", err)
	}
	return inputs, nil
}

// SetInputs replaces them. They are not synced: if a power loss takes them, the next davit that renders in another
// way starts the objects again.
func (s Store) SetInputs(inputs map[string]string) error {
	text, err := json.Marshal(inputs)
	if err == nil {
		err = os.MkdirAll(s.root(), 0o700)
	}
	path := filepath.Join(s.root(), inputsFile)
	if err == nil {
		err = os.WriteFile(path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("record the inputs of the units: %w", err)
	}
	return nil
}
