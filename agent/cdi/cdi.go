// Package cdi reads the specifications of the Container Device Interface that the node has. The core decides which changes of
// a container they cause.
package cdi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tags.cncf.io/container-device-interface/pkg/cdi"

	"github.com/davit-project/davit/reconcile/resolve"
)

// Dirs are the directories of specifications. Those in the second one take precedence
// (https://github.com/cncf-tags/container-device-interface/blob/v1.1.0/SPEC.md).
var Dirs = []string{cdi.DefaultStaticDir, cdi.DefaultDynamicDir}

// Find looks for devices, by name, in directories. Nothing is read where no name is given.
func Find(names, dirs []string) (map[string]resolve.CDIDevice, error) {
	if len(names) == 0 {
		return nil, nil
	}
	// It reads each file once, and watches none.
	cache, err := cdi.NewCache(cdi.WithAutoRefresh(false), cdi.WithSpecDirs(dirs...))
	if err != nil {
		return nil, fmt.Errorf("read CDI specifications: %w", err)
	}
	found := map[string]resolve.CDIDevice{}
	for _, name := range names {
		device := cache.GetDevice(name)
		if device == nil {
			found[name] = resolve.CDIDevice{Missing: missing(dirs, cache.GetErrors())}
			continue
		}
		spec := device.GetSpec()
		found[name] = resolve.CDIDevice{File: spec.GetPath(), Common: spec.ContainerEdits, Own: device.ContainerEdits}
	}
	return found, nil
}

// missing says why there is no device, with the files that could not be read.
func missing(dirs []string, faults map[string][]error) string {
	text := "no specification in " + strings.Join(dirs, " or ") + " defines it"
	for _, file := range slices.Sorted(maps.Keys(faults)) {
		for _, fault := range faults[file] {
			text += fmt.Sprintf("; %s: %s", file, innermost(fault))
		}
	}
	return text
}

// innermost returns the root cause of an error, in one line, without the library's description of its steps.
func innermost(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
