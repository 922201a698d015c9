package compare

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// InWords returns the reason for writing a unit file, in words. Values of the environment are never shown: they may be secret.
func InWords(workload reconcile.Workload, current reconcile.ActualWorkload) string {
	var found []string
	if current.BundleDir != workload.BundleDir {
		if current.Bundle == nil {
			found = append(found, "its bundle is not readable")
		} else {
			found = Bundles(workload.Bundle, current.Bundle)
		}
	}
	for _, setting := range units.ChangedSettings(current.UnitText, workload.UnitText) {
		switch setting {
		case "ExecStart", "ExecReload", "Description", "LogExtraFields":
			// They follow from the bundle.
		default:
			found = append(found, setting+"= changed")
		}
	}
	if len(found) == 0 {
		return "unit file differs"
	}
	return strings.Join(found, ", ")
}

// Bundles lists how the bundles of two renderings differ, in words for people.
func Bundles(want, have *bundle.Bundle) []string {
	var found []string
	if isTree := want.Image.Digest == "" || have.Image.Digest == ""; want.Image.Digest != have.Image.Digest && !isTree {
		found = append(found, fmt.Sprintf("image digest changed %s → %s",
			ShortDigest(have.Image.Digest), ShortDigest(want.Image.Digest)))
	} else if want.Image.Reference != have.Image.Reference {
		found = append(found, fmt.Sprintf("image changed %s → %s", have.Image.Reference, want.Image.Reference))
	}
	if have.Spec.Process != nil && want.Spec.Process != nil && !slices.Equal(want.Spec.Process.Args, have.Spec.Process.Args) {
		found = append(found, "arguments changed")
	}
	if have.Spec.Process != nil && want.Spec.Process != nil {
		if names := changedNames(want.Spec.Process.Env, have.Spec.Process.Env); len(names) > 0 {
			found = append(found, "environment changed: "+strings.Join(names, ", "))
		}
	}
	for _, part := range []struct {
		name       string
		want, have any
	}{
		{"user", want.User, have.User},
		{"network", want.Network.Attachments, have.Network.Attachments},
		{"network mode", want.Network.Mode, have.Network.Mode},
		{"ports", want.Network.Ports, have.Network.Ports},
		{"mounts", want.Spec.Mounts, have.Spec.Mounts},
		{"image volumes", want.ImageVolumes, have.ImageVolumes},
		{"probes or hooks", want.Health, have.Health},
		{"host aliases", want.HostAliases, have.HostAliases},
	} {
		if !reflect.DeepEqual(part.want, part.have) {
			found = append(found, part.name+" changed")
		}
	}
	if names := changedFiles(want.Files, have.Files); len(names) > 0 {
		found = append(found, "files changed: "+strings.Join(names, ", "))
	}
	if len(found) == 0 {
		found = append(found, "container configuration changed")
	}
	return found
}

// changedFiles lists the files of volumes that were added, removed or changed, as VOLUME/PATH.
func changedFiles(want, have []bundle.File) []string {
	digests := map[string]string{}
	for _, file := range have {
		digests[file.Path] = file.Digest
	}
	var names []string
	note := func(path string) {
		if name, ok := strings.CutPrefix(path, bundle.VolumePath("")+"/"); ok {
			names = append(names, name)
		}
	}
	for _, file := range want {
		if digests[file.Path] != file.Digest {
			note(file.Path)
		}
		delete(digests, file.Path)
	}
	for path := range digests {
		note(path)
	}
	slices.Sort(names)
	return names
}

// changedNames lists the variables that were added, removed or changed.
func changedNames(want, have []string) []string {
	values := map[string]string{}
	for _, entry := range have {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	var names []string
	for _, entry := range want {
		name, value, _ := strings.Cut(entry, "=")
		if old, ok := values[name]; !ok || old != value {
			names = append(names, name)
		}
		delete(values, name)
	}
	return append(names, slices.Sorted(maps.Keys(values))...)
}

// ShortDigest shortens "sha256:0123…" to 12 digits for people.
func ShortDigest(digest string) string {
	algorithm, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) <= 12 {
		return digest
	}
	return algorithm + ":" + hex[:12]
}
