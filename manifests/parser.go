package manifests

import (
	"maps"
	"slices"

	"github.com/davit-project/davit/manifests/settings"
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
	document *document
	field    string
	Assignment
	// known is set if the table of settings has it.
	known bool
}

// checkSettings reports settings that systemd does not have, and values that it ignores. Without a parser, what the table of
// settings does not have is unknown; with one, a newer systemd may know it. What an older systemd ignores is a warning: other nodes
// of the manifests may have a newer one.
func checkSettings(documents []*document, parser Parser) {
	var given []passedThrough
	for _, d := range documents {
		given = append(given, d.passedThrough()...)
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
			setting.document.errorHint(setting.field, didYouMean(setting.Name, settings.Names(section)), "is no setting of [%s] in systemd 252 to 257", setting.Section)
		case wrong && fault.Unknown:
			setting.document.warn(setting.field, "the node's systemd does not have this setting, and ignores it")
		case wrong:
			setting.document.errorf(setting.field, "%q: systemd would ignore it: %s", setting.Value, fault.Message)
		}
	}
}

// sectionNames are the sections in manifests, by their names in unit files.
var sectionNames = map[string]string{"Unit": "unit", "Service": "service", "Install": "install"}

// passedThrough are the settings of a document whose names could be settings.
func (d *document) passedThrough() []passedThrough {
	var given []passedThrough
	for _, c := range d.containers() {
		sections := map[string]v1.UnitSection{"Unit": c.Unit, "Service": c.Service, "Install": c.Install}
		for _, section := range slices.Sorted(maps.Keys(sections)) {
			for _, name := range slices.Sorted(maps.Keys(sections[section])) {
				field := c.at + "." + sectionNames[section] + "." + name
				for _, value := range sections[section][name] {
					if settingName.MatchString(name) {
						known := settings.Known(sectionNames[section], name)
						given = append(given, passedThrough{d, field, Assignment{section, name, value}, known})
					}
				}
			}
		}
	}
	return given
}

// assignmentsOf are those to ask systemd for: of documents in which nothing is wrong, so that none has a line's end in it.
func assignmentsOf(given []passedThrough) []Assignment {
	var assignments []Assignment
	for _, setting := range given {
		if len(setting.document.diagnostics) == 0 && setting.Section != "Install" && !slices.Contains(assignments, setting.Assignment) {
			assignments = append(assignments, setting.Assignment)
		}
	}
	return assignments
}
