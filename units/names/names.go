// Package names has the names of units that davit gives. It imports nothing of davit.
package names

import "regexp"

// validName is a name that davit gives: systemd.unit(5) allows more. The part after an @, or in a slice after a dot, is
// the number of one of several that are alike.
var validName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?(@(surge)?[0-9]+)?\.(service|socket|timer|target)|davit-[a-z0-9_]+(\.(surge)?[0-9]+)?\.slice)$`)

// maxName is the longest name that systemd accepts (UNIT_NAME_MAX without its closing zero).
const maxName = 255

// Valid reports whether davit gives such a name to a unit.
func Valid(unit string) bool { return len(unit) <= maxName && validName.MatchString(unit) }
