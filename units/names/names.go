// Package names has the names of the units that davit writes, and the words of systemd for the state of a unit. It
// imports nothing of davit.
package names

import (
	"regexp"
	"strings"
)

// Suffixes of the names of units by type (systemd.unit(5)).
const (
	service = ".service"
	slice   = ".slice"
	socket  = ".socket"
	target  = ".target"
	timer   = ".timer"
)

// validName is a name that davit gives: systemd.unit(5) allows more. The part after an @, or in a slice after a dot, is
// the number of one of several that are alike.
var validName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?(@(surge)?[0-9]+)?\.(service|socket|timer|target)|davit-[a-z0-9_]+(\.(surge)?[0-9]+)?\.slice)$`)

// maxName is the longest name that systemd accepts (UNIT_NAME_MAX without its closing zero).
const maxName = 255

// Valid reports whether davit gives such a name to a unit.
func Valid(unit string) bool { return len(unit) <= maxName && validName.MatchString(unit) }

// Service is the unit that runs a container or keeps a sandbox, by its id.
func Service(id string) string { return id + service }

// ID is the id of the container or sandbox of a service: the name of the unit without its type. Units of other types
// have none, and their names stay whole.
func ID(unit string) string { return strings.TrimSuffix(unit, service) }

// CutService is [ID], and reports whether the unit is a service.
func CutService(unit string) (id string, isService bool) { return strings.CutSuffix(unit, service) }

// IsService reports whether a unit is a service.
func IsService(unit string) bool { return strings.HasSuffix(unit, service) }

// IsSlice reports whether a unit is a slice.
func IsSlice(unit string) bool { return strings.HasSuffix(unit, slice) }

// Socket, Target and Timer are the units of these types that have the name of an object or of a container.
func Socket(name string) string { return name + socket }

// Target groups the instances of an object.
func Target(name string) string { return name + target }

// Timer starts the container or object of this name.
func Timer(name string) string { return name + timer }

// Pod is the id of the sandbox of a pod; number is "@2" for one of several, otherwise empty.
func Pod(name, number string) string { return name + "-pod" + number }

// Slice is the slice of a pod; number is "@2" for one of several, otherwise empty. A '-' would put it into the slice of
// another pod (systemd.slice(5)), and slices have no instances. No name of an object has a '_' or a dot.
func Slice(name, number string) string {
	return "davit-" + strings.ReplaceAll(name, "-", "_") + strings.Replace(number, "@", ".", 1) + slice
}
