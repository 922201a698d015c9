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
	d.warnings = append(d.warnings, Diagnostic{
		Position: d.position(d.nodeAt(field)), Path: field, Message: message, Severity: SeverityWarning,
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
	case strings.ContainsFunc(value, isControl):
		d.errorf(field, "%q has a control character", value)
	default:
		return true
	}
	return false
}

// isControl reports whether a terminal would obey a character or change the direction of text; unit files have none.
func isControl(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

func (d *document) quantity(field string, value v1.Quantity) {
	parsed, err := resource.ParseQuantity(string(value))
	if err != nil || parsed.Sign() <= 0 {
		d.errorf(field, "%q: want a positive quantity such as 500m, 256Mi or 2", value)
	}
}

// below reports whether a path is dir or in it.
func below(dir, value string) bool { return value == dir || strings.HasPrefix(value, dir+"/") }
