// Package settings knows which settings the unit files of services have, and what their values look like, in all versions of
// systemd that davit supports. It must never know what a setting is good for, or who may use it.
package settings

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed settings.txt
var table string

// Setting is a setting of one section.
type Setting struct {
	// Section is unit, service or install.
	Section, Name string
	// Since is the version of systemd that has it first, 252 for an earlier one.
	Since string
	kind  string
}

// All are the settings of all sections, in systemd's order.
var All = sync.OnceValue(func() []Setting {
	var all []Setting
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] != "#" {
			all = append(all, Setting{Section: fields[0], Name: fields[1], kind: fields[2], Since: fields[3]})
		}
	}
	return all
})

var byName = sync.OnceValue(func() map[string]Setting {
	named := map[string]Setting{}
	for _, setting := range All() {
		named[setting.Section+"."+setting.Name] = setting
	}
	return named
})

// Known reports whether a section has a setting.
func Known(section, name string) bool {
	_, ok := byName()[section+"."+name]
	return ok
}

// Names are the settings of a section.
func Names(section string) []string {
	var names []string
	for _, setting := range All() {
		if setting.Section == section {
			names = append(names, setting.Name)
		}
	}
	return names
}

// Check reports what is wrong with a value. The empty value, by which systemd forgets those before it, is always right, and
// so is any value of a setting that is not known.
func Check(section, name, value string) error {
	kind, ok := kinds[byName()[section+"."+name].kind]
	if !ok || value == "" || kind.is(value) {
		return nil
	}
	return fmt.Errorf("%q: want %s", value, kind.want)
}
