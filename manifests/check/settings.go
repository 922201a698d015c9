package check

import (
	"maps"
	"slices"

	"github.com/davit-project/davit/manifests/settings"
	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// Assignment is one line of a unit file.
type Assignment struct {
	// Section is Unit or Service.
	Section, Name, Value string
}

// Fault is what systemd says of an assignment that it ignores.
type Fault struct {
	// Unknown is set if it does not know the setting.
	Unknown bool
	Message string
}

// Parser is systemd's own parser of unit files.
type Parser interface {
	// Parse returns the assignments that systemd ignores. ok is false where it could not be asked.
	Parse(assignments []Assignment) (faults map[Assignment]Fault, ok bool)
}

// passedThrough is an assignment and its place in a document.
type passedThrough struct {
	subject *Subject
	field   string
	Assignment
	// known is set if the table of settings has it.
	known bool
}

// Settings reports settings that systemd does not have, and values that it ignores. Without a parser, what the table of
// settings does not have is unknown; with one, a newer systemd may know it. What an older systemd ignores is a warning: other nodes
// of the manifests may have a newer one.
func Settings(subjects []*Subject, parser Parser) {
	var given []passedThrough
	for _, s := range subjects {
		given = append(given, passedThroughBy(s)...)
	}
	faults, asked := map[Assignment]Fault(nil), false
	right := assignmentsOf(given)
	if parser != nil && len(right) > 0 {
		faults, asked = parser.Parse(right)
	}
	for _, setting := range given {
		fault, wrong := faults[setting.Assignment]
		switch {
		case !setting.known && (!asked || fault.Unknown || !slices.Contains(right, setting.Assignment)):
			section := sectionNames[setting.Section]
			setting.subject.errorHint(setting.field, suggest.DidYouMean(setting.Name, settings.Names(section)), "is no setting of [%s] in systemd 252 to 257", setting.Section)
		case wrong && fault.Unknown:
			setting.subject.warn(setting.field, "the node's systemd does not have this setting, and ignores it")
		case wrong:
			setting.subject.errorf(setting.field, "%q: systemd would ignore it: %s", setting.Value, fault.Message)
		}
	}
}

// sectionNames are the sections in manifests, by their names in unit files.
var sectionNames = map[string]string{"Unit": "unit", "Service": "service", "Install": "install"}

// passedThroughBy are the settings of a document whose names could be settings.
func passedThroughBy(s *Subject) []passedThrough {
	var given []passedThrough
	for _, c := range containersOf(s) {
		sections := map[string]v1.UnitSection{"Unit": c.Unit, "Service": c.Service, "Install": c.Install}
		for _, section := range slices.Sorted(maps.Keys(sections)) {
			for _, name := range slices.Sorted(maps.Keys(sections[section])) {
				field := c.At + "." + sectionNames[section] + "." + name
				for _, value := range sections[section][name] {
					if settingName.MatchString(name) {
						known := settings.Known(sectionNames[section], name)
						given = append(given, passedThrough{s, field, Assignment{section, name, value}, known})
					}
				}
			}
		}
	}
	return given
}

// assignmentsOf are those to ask systemd for: of subjects in which nothing is wrong, so that none has a line's end in it.
func assignmentsOf(given []passedThrough) []Assignment {
	var assignments []Assignment
	for _, setting := range given {
		if !setting.subject.Faulty && setting.Section != "Install" && !slices.Contains(assignments, setting.Assignment) {
			assignments = append(assignments, setting.Assignment)
		}
	}
	return assignments
}
