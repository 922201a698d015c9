package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// environmentName is anything but '=' and NUL (environ(7)); control characters are never meant.
var environmentName = regexp.MustCompile(`^[^=\x00-\x1f\x7f]+$`)

func checkEnvironment(s *Subject, at string, spec v1.ContainerFields) {
	for i, entry := range spec.Env {
		field := fmt.Sprintf("%s.env[%d]", at, i)
		if !environmentName.MatchString(entry.Name) {
			s.errorf(field+".name", "%q is not the name of a variable", entry.Name)
		}
		if strings.ContainsRune(entry.Value, 0) {
			s.errorf(field+".value", "has a NUL character")
		}
		if size := len(entry.Name) + len("=") + len(entry.Value); size > maxString {
			s.errorf(field+".value", "has %d bytes with its name: the kernel takes at most %d in one variable", size, maxString)
		}
		if entry.ValueFrom != nil {
			checkValueFrom(s, field, entry)
		}
	}
	for i, source := range spec.EnvFrom {
		field := fmt.Sprintf("%s.envFrom[%d]", at, i)
		exactlyOne(s, field, choice{"configMapRef", source.ConfigMapRef != nil}, choice{"secretRef", source.SecretRef != nil})
		if source.Prefix != "" && !environmentName.MatchString(source.Prefix) {
			s.errorf(field+".prefix", "%q cannot begin the name of a variable", source.Prefix)
		}
	}
	for i, file := range spec.EnvFiles {
		absolute(s, fmt.Sprintf("%s.envFiles[%d].path", at, i), file.Path)
	}
}

func checkValueFrom(s *Subject, field string, entry v1.EnvVar) {
	from := entry.ValueFrom
	if entry.Value != "" {
		s.errorf(field+".valueFrom", "there is a value already: want one of the two")
	}
	field += ".valueFrom"
	exactlyOne(s, field, choice{"configMapKeyRef", from.ConfigMapKeyRef != nil}, choice{"secretKeyRef", from.SecretKeyRef != nil},
		choice{"fieldRef", from.FieldRef != nil}, choice{"resourceFieldRef", from.ResourceFieldRef != nil}, choice{"hostEnv", from.HostEnv != nil})
	if from.FieldRef != nil {
		checkFieldRef(s, field+".fieldRef", *from.FieldRef)
	}
	if from.ResourceFieldRef != nil {
		checkResourceFieldRef(s, field+".resourceFieldRef", *from.ResourceFieldRef)
	}
	if from.HostEnv != nil && !environmentName.MatchString(from.HostEnv.Name) {
		s.errorf(field+".hostEnv.name", "%q is not the name of a variable", from.HostEnv.Name)
	}
}

// fieldPaths are the fields of the downward API that mean something on one node.
var fieldPaths = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations",
	"spec.nodeName", "spec.serviceAccountName", "status.podIP", "status.podIPs",
}

var fieldPathOfKey = regexp.MustCompile(`^metadata\.(labels|annotations)\['[^'\]]+'\]$`)

func checkFieldRef(s *Subject, field string, ref v1.FieldRef) {
	if !slices.Contains(fieldPaths, ref.FieldPath) && !fieldPathOfKey.MatchString(ref.FieldPath) {
		s.errorHint(field+".fieldPath", suggest.DidYouMean(ref.FieldPath, fieldPaths), "davit has no field %q", ref.FieldPath)
	}
}

func checkResourceFieldRef(s *Subject, field string, ref v1.ResourceFieldRef) {
	if ref.Divisor != "" && ref.Divisor != "0" {
		checkQuantity(s, field+".divisor", ref.Divisor)
	}
}
