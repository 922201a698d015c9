package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// maxObjects bounds what one node is asked to run.
const maxObjects = 10_000

// byRef are the subjects by their names; those that are too many are left out.
func byRef(subjects []*Subject) map[v1.Ref][]*Subject {
	objects := map[v1.Ref][]*Subject{}
	for _, s := range subjects[:min(len(subjects), maxObjects)] {
		objects[s.Object.Ref()] = append(objects[s.Object.Ref()], s)
	}
	return objects
}

// Duplicates reports objects of one name, and those that are too many for a node.
func Duplicates(subjects []*Subject) {
	for _, s := range subjects[min(len(subjects), maxObjects):] {
		s.errorf("", "more than %d objects", maxObjects)
	}
	for ref, same := range byRef(subjects) {
		reportDuplicates(ref, same)
	}
}

// Together reports what only objects together can show: names of objects that do not exist, and things of the node that two want. An
// object that needs a broken one gets no error: it has been reported there.
func Together(subjects []*Subject, broken map[v1.Ref]bool) {
	objects := byRef(subjects)
	names := map[string][]string{}
	for ref := range objects {
		names[ref.Kind] = append(names[ref.Kind], ref.Name)
	}
	for _, s := range subjects {
		for _, c := range containersOf(s) {
			c.checkNamed(objects, names, broken)
		}
	}
	checkUnits(subjects)
	checkPublished(subjects)
	checkNetworks(subjects)
	checkEndpoints(subjects)
	checkOrder(subjects, broken)
}

// reportDuplicates reports every document of one name, each with the place of another.
func reportDuplicates(ref v1.Ref, same []*Subject) {
	same = slices.DeleteFunc(same, func(s *Subject) bool { return s.Elsewhere })
	if len(same) < 2 {
		return
	}
	for i, s := range same {
		other := same[(i+1)%len(same)]
		hint := ""
		if s.Object.Meta().Namespace != other.Object.Meta().Namespace {
			hint = "namespaces keep nothing apart here: give one of them another name"
		}
		s.errorHint("metadata.name", hint, "%s is defined twice, also in %s", ref, other.Where(""))
	}
}

// checkNamed checks that what a container names exists. Networks are not checked here: a
// node may have CNI networks of its own.
func (c container) checkNamed(objects map[v1.Ref][]*Subject, names map[string][]string, broken map[v1.Ref]bool) {
	exists := func(field, kind, name string, optional bool) {
		switch ref := (v1.Ref{Kind: kind, Name: name}); {
		case broken[ref]:
			c.Needs = ref
		case name == "" && kind != v1.KindImage && !optional:
			c.errorf(field, "missing")
		case name != "" && !optional && objects[ref] == nil:
			c.errorHint(field, suggest.DidYouMean(name, names[kind]), "there is no %s %q", kind, name)
		}
	}
	exists(c.At+".imageRef", v1.KindImage, c.ImageRef, false)
	for i, entry := range c.Env {
		field := fmt.Sprintf("%s.env[%d].valueFrom", c.At, i)
		if from := entry.ValueFrom; from != nil && from.ConfigMapKeyRef != nil {
			exists(field+".configMapKeyRef.name", v1.KindConfig, from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Optional)
		} else if from != nil && from.SecretKeyRef != nil {
			exists(field+".secretKeyRef.name", v1.KindSecret, from.SecretKeyRef.Name, from.SecretKeyRef.Optional)
		}
	}
	for i, from := range c.EnvFrom {
		field := fmt.Sprintf("%s.envFrom[%d]", c.At, i)
		if ref := from.ConfigMapRef; ref != nil {
			exists(field+".configMapRef.name", v1.KindConfig, ref.Name, ref.Optional)
		}
		if ref := from.SecretRef; ref != nil {
			exists(field+".secretRef.name", v1.KindSecret, ref.Name, ref.Optional)
		}
	}
	var own []string
	for i, volume := range c.Volumes {
		own = append(own, volume.Name)
		field := fmt.Sprintf("%s.volumes[%d]", c.SandboxAt, i)
		eachReference(field, volume.VolumeSource, c.claims, exists)
	}
	for i, mount := range c.VolumeMounts {
		switch ref := (v1.Ref{Kind: v1.KindVolume, Name: mount.Name}); {
		case mount.Name == "" || slices.Contains(own, mount.Name):
		case broken[ref]:
			c.Needs = ref
		case objects[ref] == nil:
			c.errorHint(fmt.Sprintf("%s.volumeMounts[%d].name", c.At, i), suggest.DidYouMean(mount.Name, slices.Concat(names[v1.KindVolume], own)),
				"there is no volume %q, neither in volumes nor as a Volume", mount.Name)
		}
	}
}

// eachReference calls yield for each object that a volume is made from; claims names the Volumes
// of a claim.
func eachReference(field string, source v1.VolumeSource, claims func(v1.ClaimVolume) []string, yield func(field, kind, name string, optional bool)) {
	if s := source.ConfigMap; s != nil {
		yield(field+".configMap.name", v1.KindConfig, s.Name, s.Optional)
	}
	if s := source.Secret; s != nil {
		yield(field+".secret.secretName", v1.KindSecret, s.SecretName, s.Optional)
	}
	if s := source.PersistentVolumeClaim; s != nil {
		for _, name := range claims(*s) {
			yield(field+".persistentVolumeClaim.claimName", v1.KindVolume, name, false)
		}
	}
	if s := source.Projected; s != nil {
		for i, projection := range s.Sources {
			at := fmt.Sprintf("%s.projected.sources[%d]", field, i)
			if p := projection.ConfigMap; p != nil {
				yield(at+".configMap.name", v1.KindConfig, p.Name, p.Optional)
			}
			if p := projection.Secret; p != nil {
				yield(at+".secret.name", v1.KindSecret, p.Name, p.Optional)
			}
		}
	}
}

// checkUnits reports objects of different names, or kinds, that come to one unit.
func checkUnits(subjects []*Subject) {
	owners := map[string]*Subject{}
	for _, s := range subjects {
		if s.Elsewhere {
			continue
		}
		for _, unit := range slices.Sorted(maps.Keys(Units(s.Object))) {
			owner, taken := owners[unit]
			if !taken {
				owners[unit] = s
				continue
			}
			// Two of one name are reported as such.
			if owner.Object.Ref() != s.Object.Ref() {
				sharesUnit(s, unit, owner)
				sharesUnit(owner, unit, s)
			}
		}
	}
}

// sharesUnit reports that a unit is another document's too.
func sharesUnit(s *Subject, unit string, other *Subject) {
	s.errorf(Units(s.Object)[unit], "its unit %s.service is that of %s too, in %s", unit, other.Object.Ref(), other.Where(""))
}
