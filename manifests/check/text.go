package check

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// label is an RFC 1123 label.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// checkDataName checks the name of what becomes neither a unit nor a host name.
func checkDataName(s *Subject, field, name string) {
	switch {
	case name == "":
		s.errorf(field, "missing")
	case len(validation.IsDNS1123Subdomain(name)) > 0:
		s.errorf(field, "%q: want at most 253 of a-z, 0-9, '-' and '.', beginning and ending with a letter or digit", name)
	}
}

func checkName(s *Subject, field, name string) {
	switch {
	case name == "":
		s.errorf(field, "missing")
	case !label.MatchString(name):
		s.errorf(field, "%q: want at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit", name)
	}
}

// absolute checks a path of the node or the container.
func absolute(s *Subject, field, value string) bool {
	switch {
	case !path.IsAbs(value) || path.Clean(value) != value:
		s.errorf(field, "%q: want an absolute path without . and ..", value)
	default:
		return checkLengths(s, field, value) && checkCharacters(s, field, value)
	}
	return false
}

// nodePath checks a path of the node that goes into a unit file.
func nodePath(s *Subject, field, value string) bool {
	return absolute(s, field, value) && unitText(s, field, value)
}

// Bounds of the kernel on paths: NAME_MAX, and PATH_MAX without the zero at the end (limits.h). A path in a container or a
// volume begins on the node with the directory that has it.
const (
	maxComponent  = 255
	maxPath       = 4095
	maxPathInside = maxPath - 255
)

// checkLengths checks a path of the node against the kernel's bounds.
func checkLengths(s *Subject, field, value string) bool {
	return checkPath(s, field, value, maxPath)
}

// checkPath checks a path against the kernel's bound on names, and a bound of its own.
func checkPath(s *Subject, field, value string, longest int) bool {
	if len(value) > longest {
		s.errorf(field, "has %d bytes: want at most %d", len(value), longest)
		return false
	}
	for name := range strings.SplitSeq(value, "/") {
		if len(name) > maxComponent {
			s.errorf(field, "%q has %d bytes: the kernel takes at most %d in the name of a file", object.Shorten(name), len(name), maxComponent)
			return false
		}
	}
	return true
}

// maxUnitText is what a line of a unit file takes (LONG_LINE_MAX, systemd's src/basic/fileio.h), less room for the name of
// the setting.
const maxUnitText = 1<<20 - 256

// unitText checks a text that becomes the value of a setting: systemd drops white space around it, and a backslash at its end
// joins it with the next line.
func unitText(s *Subject, field, value string) bool {
	switch {
	case len(value) > maxUnitText:
		s.errorf(field, "has %d bytes: systemd takes at most %d in a line", len(value), maxUnitText)
	case strings.TrimSpace(value) != value:
		s.errorf(field, "%q begins or ends with white space, which systemd would drop: leave it out", value)
	case strings.HasSuffix(value, `\`):
		s.errorf(field, "%q ends in a backslash, which systemd would take for a line that goes on: leave it out", value)
	default:
		return checkCharacters(s, field, value)
	}
	return false
}

// checkCharacters refuses characters that unit files cannot have, and terminals obey.
func checkCharacters(s *Subject, field, value string) bool {
	odd := oddCharacter(value)
	if odd != "" {
		s.errorf(field, "%q has %s: leave it out", value, odd)
	}
	return odd == ""
}

// oddCharacter describes the first character of a text that no unit file has; it is empty when there is none.
func oddCharacter(text string) string {
	for _, r := range text {
		switch {
		case unicode.IsControl(r):
			return fmt.Sprintf("the control character %U", r)
		case unicode.Is(unicode.Bidi_Control, r):
			return fmt.Sprintf("%U, which changes the direction of text", r)
		case unicode.Is(unicode.Noncharacter_Code_Point, r):
			return fmt.Sprintf("%U, which is no character", r)
		}
	}
	return ""
}

func checkQuantity(s *Subject, field string, value v1.Quantity) {
	parsed, err := resource.ParseQuantity(string(value))
	if err != nil || parsed.Sign() <= 0 {
		s.errorf(field, "%q: want a positive quantity such as 500m, 256Mi or 2", value)
	}
}

// below reports whether a path is dir or in it.
func below(dir, value string) bool { return value == dir || strings.HasPrefix(value, dir+"/") }

func kernelTree(value string) bool {
	return below("/proc", value) || below("/sys", value) || below("/dev", value)
}
