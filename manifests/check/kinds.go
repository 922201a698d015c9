package check

import (
	"iter"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// kind is how objects of a kind are checked.
type kind struct {
	// name checks the object's name.
	name func(s *Subject, field, name string)
	// spec checks all of its other fields.
	spec func(s *Subject)
	// unit ends the name of the unit that has the object's name, if its kind has such a unit.
	unit string
	// hasUnit is set if it has one.
	hasUnit bool
}

// kinds are those of apiVersion davit/v1.
var kinds = map[string]kind{
	v1.KindContainer: {name: checkName, hasUnit: true, spec: of(func(s *Subject, o *v1.Container) { checkContainer(s, o.Spec) })},
	v1.KindPod:       {name: checkName, hasUnit: true, unit: "-pod", spec: of(func(s *Subject, o *v1.Pod) { checkPod(s, "spec", o.Spec) })},
	v1.KindJob:       {name: checkName, hasUnit: true, spec: of(func(s *Subject, o *v1.Job) { checkJob(s, "spec", o.Spec) })},
	v1.KindCronJob:   {name: checkName, hasUnit: true, spec: of(func(s *Subject, o *v1.CronJob) { checkCronJob(s, o.Spec) })},
	v1.KindConfig:    {name: checkDataName, spec: of(checkConfig)},
	v1.KindSecret:    {name: checkDataName, spec: of(checkSecret)},
	v1.KindImage:     {name: checkName, spec: of(func(s *Subject, o *v1.Image) { checkImage(s, o.Spec) })},
	v1.KindNetwork:   {name: checkName, spec: of(checkNetwork)},
	v1.KindVolume:    {name: checkName, spec: of(func(s *Subject, o *v1.Volume) { checkVolume(s, o.Spec) })},
}

// of returns a check of the objects of one type.
func of[T v1.Object](check func(s *Subject, object T)) func(*Subject) {
	return func(s *Subject) { check(s, s.Object.(T)) }
}

// Object checks one object by itself. The fields are the paths of all fields that its manifest has.
func Object(s *Subject, fields iter.Seq[string]) {
	ref := s.Object.Ref()
	kinds[ref.Kind].name(s, "metadata.name", ref.Name)
	checkAnnotations(s, fields)
	kinds[ref.Kind].spec(s)
}

// Units are the names of an object's units, without suffix, each with the path of the field that names it.
func Units(object v1.Object) map[string]string {
	units := map[string]string{}
	ref := object.Ref()
	if kind := kinds[ref.Kind]; kind.hasUnit {
		units[ref.Name+kind.unit] = "metadata.name"
	}
	for _, c := range v1.ContainersOf(object) {
		if ref.Kind == v1.KindPod {
			units[c.UnitName] = c.At + ".name"
		}
		for _, alias := range c.Install["Alias"] {
			units[strings.TrimSuffix(alias, ".service")] = c.At + ".install.Alias"
		}
	}
	return units
}
