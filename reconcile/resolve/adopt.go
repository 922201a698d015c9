package resolve

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Rendered is a unit as it is on the disk.
type Rendered struct {
	// Object is the one that it is of.
	Object string
	// Text is the unit file's text.
	Text string
	// BundleDir is the directory of the bundle that it starts; empty for none.
	BundleDir string
}

// Adopt keeps units as another davit rendered them, an older or a newer one, if only the rendering differs: units rendered from
// the same inputs work, and need no restart. All units of an object are kept, or none. inputs are the inputs of the objects on
// the disk. bundleOf returns the bundle in a directory; nil if the directory has no complete one.
func Adopt(desired reconcile.Desired, onDisk map[string]Rendered, inputs map[string]string, bundleOf func(dir string) *bundle.Bundle) reconcile.Desired {
	adopted, rejected := map[string]reconcile.Workload{}, map[v1.Ref]bool{}
	renamed := sameContainers(desired, onDisk, bundleOf)
	for unit, workload := range desired.Workloads {
		rendered, exists := onDisk[unit]
		switch {
		case exists && rendered.Text == workload.UnitText:
			continue
		case !exists, !onlyRenderedOtherwise(workload, rendered.Text, inputs[workload.Ref.String()], renamed):
			rejected[workload.Ref] = true
			continue
		}
		workload.UnitText = rendered.Text
		if rendered.BundleDir != workload.BundleDir {
			workload.BundleDir, workload.Bundle = rendered.BundleDir, bundleOf(rendered.BundleDir)
			rejected[workload.Ref] = rejected[workload.Ref] || workload.Bundle == nil
		}
		adopted[unit] = workload
	}
	maps.DeleteFunc(adopted, func(_ string, workload reconcile.Workload) bool { return rejected[workload.Ref] })
	if len(adopted) == 0 {
		return desired
	}
	desired.Workloads = maps.Clone(desired.Workloads)
	maps.Copy(desired.Workloads, adopted)
	return desired
}

// onlyRenderedOtherwise reports whether the text on the disk was rendered from the inputs of the workload, in
// another way. If the way is the same, other text means other inputs. A file that was edited is not kept.
func onlyRenderedOtherwise(workload reconcile.Workload, rendered, inputs string, renamed *strings.Replacer) bool {
	wantedText, wantedFormat, _ := units.Unsigned(workload.UnitText)
	renderedText, format, intact := units.Unsigned(rendered)
	switch {
	case !intact, format == wantedFormat:
		return false
	case format == 0:
		return beforeSignatures(renamed.Replace(renderedText)) == beforeSignatures(wantedText)
	default:
		return inputs != "" && inputs == workload.Inputs
	}
}

// beforeSignatures is the text of a unit as a davit rendered it that did not sign, but for where its manifest is.
func beforeSignatures(text string) string {
	return reconcile.WithoutSource(madeUpEvent.ReplaceAllString(units.BeforeSignatures(text), ""))
}

// sameContainers replaces the directories of bundles of a davit that did not sign by those of today's for the same containers.
func sameContainers(desired reconcile.Desired, onDisk map[string]Rendered, bundleOf func(dir string) *bundle.Bundle) *strings.Replacer {
	var pairs []string
	for unit, workload := range desired.Workloads {
		rendered := onDisk[unit]
		if rendered.BundleDir == "" || rendered.BundleDir == workload.BundleDir {
			continue
		}
		if _, format, _ := units.Unsigned(rendered.Text); format == 0 && sameContainer(bundleOf(rendered.BundleDir), workload.Bundle) {
			pairs = append(pairs, rendered.BundleDir, workload.BundleDir)
		}
	}
	return strings.NewReplacer(pairs...)
}

// sameContainer reports whether a bundle of a davit that did not sign is for the same container as one of today. Since then
// volumes are mounted in another order, containers have settings of their network beyond those of the manifest, jobs make up for
// runs that their time zone skips, a range of ports is one entry, and read-only mounts are recursive.
func sameContainer(before, now *bundle.Bundle) bool {
	if before == nil || before.Spec == nil || now == nil || now.Spec == nil {
		return false
	}
	texts := [2][]byte{}
	for i, b := range []*bundle.Bundle{before, now} {
		text, err := asBeforeSignatures(*b).Encode()
		if err != nil {
			return false
		}
		texts[i] = text
	}
	return bytes.Equal(texts[0], texts[1])
}

// asBeforeSignatures returns a bundle without the parts that [sameContainer] names.
func asBeforeSignatures(b bundle.Bundle) *bundle.Bundle {
	spec := *b.Spec
	if spec.Linux != nil {
		linux := *spec.Linux
		linux.Sysctl = maps.Clone(linux.Sysctl)
		delete(linux.Sysctl, pingGroups)
		delete(linux.Sysctl, firstPort)
		spec.Linux = &linux
	}
	spec.Mounts = slices.Clone(spec.Mounts)
	for i, mount := range spec.Mounts {
		spec.Mounts[i].Options = slices.DeleteFunc(slices.Clone(mount.Options), isRecursive)
	}
	slices.SortStableFunc(spec.Mounts, byDepth)
	b.Network.Ports = bundle.Split(b.Network.Ports)
	b.Spec, b.Due.Events = &spec, slices.DeleteFunc(slices.Clone(b.Due.Events), madeUp.MatchString)
	return &b
}

// AppliedInputs returns the inputs of the objects on the disk: the present ones of objects in their desired state, and the known
// ones of the others.
func AppliedInputs(desired reconcile.Desired, onDisk map[string]Rendered, known map[string]string) map[string]string {
	inputs := make(map[string]string, len(known))
	for _, unit := range onDisk {
		if before := known[unit.Object]; before != "" {
			inputs[unit.Object] = before
		}
	}
	current, differing := make(map[v1.Ref]string, len(desired.Workloads)), map[v1.Ref]bool{}
	for unit, workload := range desired.Workloads {
		if current[workload.Ref] = workload.Inputs; onDisk[unit].Text != workload.UnitText {
			differing[workload.Ref] = true
		}
	}
	for ref, now := range current {
		if now != "" && !differing[ref] {
			inputs[ref.String()] = now
		}
	}
	return inputs
}
