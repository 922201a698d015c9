package check

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// Enums checks the fields of an object that have a set of values. Documents of davit's own kinds are read with this check.
func Enums(s *Subject) { checkEnums(s, reflect.ValueOf(s.Object).Elem(), "") }

// checkEnums checks the fields below a path.
func checkEnums(s *Subject, value reflect.Value, path string) {
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			checkEnums(s, value.Elem(), path)
		}
	case reflect.Slice:
		for i := range value.Len() {
			checkEnums(s, value.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Struct:
		for _, field := range v1.Fields(value.Type()) {
			member := value.FieldByIndex(field.Index)
			if member.IsZero() {
				continue // as most are
			}
			at := object.Join(path, field.Name)
			if text := member; field.Enum != nil && text.Kind() == reflect.String && !slices.Contains(field.Enum, text.String()) {
				hint := suggest.DidYouMean(text.String(), field.Enum)
				if hint == "" {
					hint = "one of " + v1.EnumText(field.Enum)
				}
				if field.Name != "apiVersion" {
					s.errorHint(at, hint, "unknown value %q", text.String())
				}
				continue
			}
			checkEnums(s, member, at)
		}
	}
}
