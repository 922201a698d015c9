package resolve

import (
	"fmt"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// diskLimits returns the limits of a container's use of the disk: one for all of it, and those of single empty directories.
func (r *resolver) diskLimits(run runnable) ([]bundle.DiskLimit, error) {
	dirs, err := r.dirsOnDisk(run)
	if err != nil {
		return nil, err
	}
	restarts := ""
	if run.sandbox != "" && restartOf(run.ContainerSpec) == restartAlways {
		restarts = names.Service(run.sandbox)
	}
	var limits []bundle.DiskLimit
	add := func(field string, amount v1.Quantity, layer bool, names ...string) error {
		size, err := quantity(amount, 0)
		if err == nil && size > 0 {
			limits = append(limits, bundle.DiskLimit{Field: field, Bytes: int64(size), Layer: layer, EmptyDirs: names, Restarts: restarts})
		}
		return err
	}
	var all []string
	for _, dir := range dirs {
		all = append(all, dir.name)
		if err := add(fmt.Sprintf("sizeLimit of emptyDir %s", dir.name), dir.limit, false, dir.name); err != nil {
			return nil, fmt.Errorf("sizeLimit of %s: %w", dir.name, err)
		}
	}
	if err := add("limit of "+v1.EphemeralStorage, run.Resources.Limits[v1.EphemeralStorage], true, all...); err != nil {
		return nil, fmt.Errorf("limits.%s: %w", v1.EphemeralStorage, err)
	}
	return limits, nil
}

// dirOnDisk is an empty directory on the disk.
type dirOnDisk struct {
	name  string
	limit v1.Quantity
}

// dirsOnDisk are those that a container mounts.
func (r *resolver) dirsOnDisk(run runnable) ([]dirOnDisk, error) {
	own := map[string]v1.PodVolume{}
	for _, volume := range run.Volumes {
		own[volume.Name] = volume
	}
	var found []dirOnDisk
	for _, mount := range run.VolumeMounts {
		from, err := r.source(own, mount.Name)
		if err != nil {
			return nil, err
		}
		if from.EmptyDir == nil || from.EmptyDir.Medium != "" {
			continue
		}
		if dir := (dirOnDisk{mount.Name, from.EmptyDir.SizeLimit}); !slices.Contains(found, dir) {
			found = append(found, dir)
		}
	}
	return found, nil
}
