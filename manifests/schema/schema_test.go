package schema

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// eachType calls yield once for each object type that the kinds reach.
func eachType(yield func(*Type)) {
	seen := map[*Type]bool{}
	var walk func(*Type)
	walk = func(t *Type) {
		if t = t.Object(); t == nil || seen[t] {
			return
		}
		seen[t] = true
		yield(t)
		for _, field := range t.Fields {
			walk(field.Type)
		}
	}
	for _, kind := range Kinds() {
		walk(kind)
	}
}

func TestEveryTypeAndFieldIsDescribed(t *testing.T) {
	t.Parallel()
	eachType(func(of *Type) {
		if of.Doc == "" || of.Name == "" {
			t.Errorf("%s %q has no description", of.Name, of.Doc)
		}
		for _, field := range of.Fields {
			if !strings.HasSuffix(field.Doc, ".") && !strings.HasSuffix(field.Doc, "…") {
				t.Errorf("%s.%s: %q is no sentence", of.Name, field.Name, field.Doc)
			}
		}
	})
}

func TestDescriptionsSpeakOfFields(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"Container spec unit":                     "unit, service and install are added to the unit's sections of that name.",
		"Container spec imageRef":                 "imageRef names an Image object, whose reference",
		"Container spec volumes secret":           "secret has a file for each key of a Secret.",
		"Network spec mtu":                        "mtu of the devices",
		"Pod spec containers startupProbe exec":   "exec runs a command",
		"Job spec template spec containers image": "image is a fully qualified reference: docker.io/library/nginx:1.27, or one with a transport",
	} {
		if got := find(t, path).Doc; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q", path, got)
		}
	}
	if got := find(t, "Container spec volumes secret").Type.Doc; got != "Files made of a Secret's keys; the fields mean the same as in ConfigVolume." {
		t.Errorf("a type's own: %q", got)
	}
}

func TestTypesAreNamedForPeople(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"Container spec image":                         "string",
		"Container spec oneshot":                       "boolean",
		"Container spec maxRestarts":                   "integer",
		"Container spec ports":                         "[]Object",
		"Container spec resources limits":              "map[string]quantity",
		"Container spec service":                       "map[string]values",
		"Container spec shmSize":                       "quantity",
		"Container spec livenessProbe httpGet port":    "port",
		"Container spec volumes configMap defaultMode": "file mode",
		"Network spec plugins":                         "[]map[string]any",
		"Secret data":                                  "map[string]base64",
		"Config data":                                  "map[string]string",
	} {
		if got := find(t, path).Type.String(); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestRequiredFieldsAndEnums(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"Pod apiVersion": true, "Pod kind": true, "Pod metadata": true, "Pod metadata name": true, "Pod spec containers": true,
		"Pod spec replicas": false, "Volume spec": false, "Container spec": true, "Container spec securityContext": false,
	} {
		if find(t, path).Required != want {
			t.Errorf("%s: required is not %v", path, want)
		}
	}
	if got := find(t, "Job kind").Enum; !slices.Equal(got, []string{"Job"}) {
		t.Errorf("kind of a Job: %q", got)
	}
	if got := find(t, "Container spec restartPolicy").Enum; !slices.Equal(got, []string{"Always", "OnFailure", "Never"}) {
		t.Errorf("restartPolicy: %q", got)
	}
}

// find finds a field by kind and path.
func find(t *testing.T, path string) Field {
	t.Helper()
	names := strings.Fields(path)
	i := slices.IndexFunc(Kinds(), func(kind *Type) bool { return kind.Name == names[0] })
	if i < 0 || len(Kinds()) != len(v1.Kinds) {
		t.Fatalf("kinds %v", Kinds())
	}
	at := Field{Type: Kinds()[i]}
	for _, name := range names[1:] {
		var ok bool
		if at, ok = at.Type.Object().Field(name); !ok {
			t.Fatalf("%s: there is no field %s", path, name)
		}
	}
	return at
}
