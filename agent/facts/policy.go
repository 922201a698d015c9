package facts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/fleet"
	"github.com/davit-project/davit/manifests/policy"
)

// DefaultPolicy is the default path of a node's policy; the file there may be missing.
const DefaultPolicy = "/etc/davit/policy.yaml"

// presets are policies that need no file.
var presets = []policy.Preset{policy.Privileged, policy.Baseline, policy.Restricted}

// NodePolicy returns this node's policy: the file's, or without one a preset that follows from the users who can
// write the manifests: privileged when root alone can, baseline otherwise. writable names the users
// beside root who can. A file that cannot be used is an error: it must not mean that all
// is allowed.
func NodePolicy(path, writable string) (*fleet.Policy, error) {
	found, err := ReadPolicy(path, trusted)
	switch {
	case err != nil || found != nil:
		return found, err
	case writable != "":
		return fleet.PresetPolicy(policy.Baseline, fmt.Sprintf("there is no %s, and %s can write the manifests", path, writable)), nil
	default:
		return fleet.PresetPolicy(policy.Privileged, fmt.Sprintf("there is no %s, and root alone can write the manifests", path)), nil
	}
}

// ReadPolicy returns a preset, or reads a policy file; check may refuse it. The default one may
// be missing, which gives nil.
func ReadPolicy(path string, check func(*os.File) error) (*fleet.Policy, error) {
	if slices.Contains(presets, policy.Preset(path)) {
		return fleet.PresetPolicy(policy.Preset(path), "--policy "+path), nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) && path == DefaultPolicy {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("node policy: %w", err)
	}
	defer file.Close()
	if err := check(file); err != nil {
		return nil, fmt.Errorf("node policy %s: %w", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("node policy: %w", err)
	}
	read, diagnostics := fleet.ParsePolicy(manifests.File{Path: path, Text: text})
	return read, diagnostics.Err()
}
