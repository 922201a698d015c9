package compare

import (
	"bytes"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Reloads reports whether a reload of the container is enough for a change: the container has a reload action, and only files of
// Configs and Secrets that it has mounted differ.
func Reloads(workload reconcile.Workload, current reconcile.ActualWorkload) bool {
	if workload.Unit == nil || !workload.Unit.Reload || workload.Bundle == nil || current.Bundle == nil {
		return false
	}
	if current.Active != names.Active || current.RunningDir != current.BundleDir || current.BundleDir == workload.BundleDir {
		return false
	}
	text := strings.ReplaceAll(units.WithoutSignature(current.UnitText), bundle.Path(current.BundleDir), bundle.Path(workload.BundleDir))
	return reconcile.WithoutSource(text) == reconcile.WithoutSource(units.WithoutSignature(workload.UnitText)) && sameButFiles(*current.Bundle, *workload.Bundle)
}

// sameButFiles reports whether two bundles differ in nothing but the files of volumes. Those that are
// mounted with other owners, or that something else is mounted below, cannot be exchanged.
func sameButFiles(a, b bundle.Bundle) bool {
	isMapped := func(mount specs.Mount) bool { return slices.Contains(mount.Options, reconcile.MappedMount) }
	before, err := withoutFiles(a).Encode()
	if err != nil {
		return false
	}
	after, err := withoutFiles(b).Encode()
	return err == nil && bytes.Equal(before, after) && !slices.ContainsFunc(b.Spec.Mounts, isMapped) && !holdsMounts(b.Spec.Mounts)
}

// holdsMounts reports whether something is mounted below the files of a volume.
func holdsMounts(mounts []specs.Mount) bool {
	return slices.ContainsFunc(mounts, func(files specs.Mount) bool {
		_, own := bundle.OwnPath(files.Source)
		return own && slices.ContainsFunc(mounts, func(other specs.Mount) bool {
			return strings.HasPrefix(other.Destination, strings.TrimSuffix(files.Destination, "/")+"/")
		})
	})
}

// withoutFiles is a bundle without the files of its volumes; its environment is none.
func withoutFiles(b bundle.Bundle) *bundle.Bundle {
	b.Files = slices.DeleteFunc(slices.Clone(b.Files), func(file bundle.File) bool { return file.Path != bundle.SecretEnvFile })
	return &b
}
