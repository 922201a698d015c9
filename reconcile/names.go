package reconcile

import (
	"fmt"
	"regexp"
)

// SurgeNumber is the number in the names of the units of the surge instance n, counted from 0: "@surge1".
func SurgeNumber(n int) string { return fmt.Sprintf("@surge%d", n+1) }

// surgeName is where the name of a unit that stands in for others has its number: web@surge1.service, and
// davit-web.surge1.slice.
var surgeName = regexp.MustCompile(`[@.]surge\d+\.(service|slice)$`)

// IsSurge reports whether a unit has the name of one that stands in for others.
func IsSurge(unit string) bool { return surgeName.MatchString(unit) }

// MappedMount makes the owners of a mount's files those that they are inside
// (https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config.md#posix-platform-mounts).
const MappedMount = "ridmap"

// RestartNever is systemd's value of Restart= for units that it does not start again (systemd.service(5)).
const RestartNever = "no"
