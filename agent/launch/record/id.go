package record

import (
	"regexp"
	"strings"
)

var validID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(@(surge)?[0-9]+)?$`)

// maxName is how long a container's name may be. The expression does not say so: one that counts takes half a
// millisecond to compile, at the start of each launcher.
const maxName = 127

func IsID(id string) bool {
	name, _, _ := strings.Cut(id, "@")
	return len(name) <= maxName && validID.MatchString(id)
}
