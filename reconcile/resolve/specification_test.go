package resolve_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/davit-project/davit/reconcile/reconciletest"
)

// TestBundlesFollowTheSpecification holds the bundle of every golden file against the JSON schema
// of the OCI runtime specification.
func TestBundlesFollowTheSpecification(t *testing.T) {
	t.Parallel()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runtime-spec").Output()
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft4) // the specification's files
	compiler.UseLoader(specificationLoader{})
	schema, err := compiler.Compile(filepath.Join(strings.TrimSpace(string(module)), "schema", "config-schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "manifests", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, path := range paths {
		manifest, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, workload := range reconciletest.Resolve(t, string(manifest), goldenImage).Workloads {
			if workload.Bundle == nil {
				continue
			}
			instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(reconciletest.Encoded(t, workload.Bundle)))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(instance); err != nil {
				t.Errorf("%s: bundle of %s: %v", filepath.Base(path), name, err)
			}
		}
	}
}

// specificationLoader reads the specification's files, in which some references lack a slash.
type specificationLoader struct{}

func (specificationLoader) Load(url string) (any, error) {
	path, err := jsonschema.FileLoader{}.ToFile(url)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(bytes.ReplaceAll(text, []byte(`"#definitions/`), []byte(`"#/definitions/`))))
}
