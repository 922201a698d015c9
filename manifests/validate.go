package manifests

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// label is an RFC 1123 label.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// validate checks what the types cannot say.
func (d *document) validate() {
	switch d.object.(type) {
	case *v1.Config, *v1.Secret:
		d.checkDataName("metadata.name", d.object.Ref().Name)
	default:
		d.checkName("metadata.name", d.object.Ref().Name)
	}
	d.checkAnnotations()
	switch object := d.object.(type) {
	case *v1.Container:
		d.checkContainer(object.Spec)
	case *v1.Pod:
		d.checkPod("spec", object.Spec)
	case *v1.Job:
		d.checkJob("spec", object.Spec)
	case *v1.CronJob:
		d.checkCronJob(object.Spec)
	case *v1.Config:
		d.checkConfig(object)
	case *v1.Secret:
		d.checkSecret(object)
	case *v1.Image:
		d.checkImage(object.Spec)
	case *v1.Network:
		d.checkNetwork(object)
	case *v1.Volume:
		d.checkVolume(object.Spec)
	}
}

// errorf reports what is wrong with a field, at the field, or at the nearest one around
// it when it is not there.
func (d *document) errorf(field, format string, args ...any) {
	d.errorHint(field, "", format, args...)
}

// errorHint is errorf with what to do about it.
func (d *document) errorHint(field, hint, format string, args ...any) {
	field = d.sourcePath(field)
	d.report(d.nodeAt(field), field, fmt.Sprintf(format, args...), hint)
}

// warn reports what does not keep the document from being an object.
func (d *document) warn(field, message string) {
	field = d.sourcePath(field)
	d.warnings = append(d.warnings, object.Diagnostic{
		Position: d.position(d.nodeAt(field)), Path: field, Message: message, Severity: object.SeverityWarning,
	})
}

func (d *document) nodeAt(field string) *yaml.Node {
	for {
		if node, ok := d.nodes[field]; ok {
			return node
		}
		field = field[:max(strings.LastIndexAny(field, ".["), 0)]
	}
}

// checkDataName checks the name of what becomes neither a unit nor a host name.
func (d *document) checkDataName(field, name string) {
	switch {
	case name == "":
		d.errorf(field, "missing")
	case len(validation.IsDNS1123Subdomain(name)) > 0:
		d.errorf(field, "%q: want at most 253 of a-z, 0-9, '-' and '.', beginning and ending with a letter or digit", name)
	}
}

func (d *document) checkName(field, name string) {
	switch {
	case name == "":
		d.errorf(field, "missing")
	case !label.MatchString(name):
		d.errorf(field, "%q: want at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit", name)
	}
}

// choice is one of several fields, and whether it is set.
type choice struct {
	field string
	set   bool
}

// exactlyOne checks that one of the choices below a field is set.
func (d *document) exactlyOne(at string, choices ...choice) {
	var names, set []string
	for _, c := range choices {
		names = append(names, c.field)
		if c.set {
			set = append(set, c.field)
		}
	}
	switch {
	case len(set) == 0:
		d.errorf(at, "want one of %s", strings.Join(names, ", "))
	case len(set) > 1:
		d.errorf(join(at, set[1]), "there is %s already: want one of the two", set[0])
	}
}

// absolute checks a path of the node or the container.
func (d *document) absolute(field, value string) bool {
	switch {
	case !path.IsAbs(value) || path.Clean(value) != value:
		d.errorf(field, "%q: want an absolute path without . and ..", value)
	default:
		return d.checkLengths(field, value) && d.checkCharacters(field, value)
	}
	return false
}

// nodePath checks a path of the node that goes into a unit file.
func (d *document) nodePath(field, value string) bool {
	return d.absolute(field, value) && d.unitText(field, value)
}

// Bounds of the kernel on paths: NAME_MAX, and PATH_MAX without the zero at the end (limits.h). A path in a container or a
// volume begins on the node with the directory that has it.
const (
	maxComponent  = 255
	maxPath       = 4095
	maxPathInside = maxPath - 255
)

// checkLengths checks a path of the node against the kernel's bounds.
func (d *document) checkLengths(field, value string) bool {
	return d.checkPath(field, value, maxPath)
}

// checkPath checks a path against the kernel's bound on names, and a bound of its own.
func (d *document) checkPath(field, value string, longest int) bool {
	if len(value) > longest {
		d.errorf(field, "has %d bytes: want at most %d", len(value), longest)
		return false
	}
	for name := range strings.SplitSeq(value, "/") {
		if len(name) > maxComponent {
			d.errorf(field, "%q has %d bytes: the kernel takes at most %d in the name of a file", shorten(name), len(name), maxComponent)
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
func (d *document) unitText(field, value string) bool {
	switch {
	case len(value) > maxUnitText:
		d.errorf(field, "has %d bytes: systemd takes at most %d in a line", len(value), maxUnitText)
	case strings.TrimSpace(value) != value:
		d.errorf(field, "%q begins or ends with white space, which systemd would drop: leave it out", value)
	case strings.HasSuffix(value, `\`):
		d.errorf(field, "%q ends in a backslash, which systemd would take for a line that goes on: leave it out", value)
	default:
		return d.checkCharacters(field, value)
	}
	return false
}

// checkCharacters refuses characters that unit files cannot have, and terminals obey.
func (d *document) checkCharacters(field, value string) bool {
	odd := oddCharacter(value)
	if odd != "" {
		d.errorf(field, "%q has %s: leave it out", value, odd)
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

func (d *document) quantity(field string, value v1.Quantity) {
	parsed, err := resource.ParseQuantity(string(value))
	if err != nil || parsed.Sign() <= 0 {
		d.errorf(field, "%q: want a positive quantity such as 500m, 256Mi or 2", value)
	}
}

// below reports whether a path is dir or in it.
func below(dir, value string) bool { return value == dir || strings.HasPrefix(value, dir+"/") }
