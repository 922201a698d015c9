package manifests

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/davit-project/davit/manifests/schema"
)

// editorsSchema is what editors check manifests with.
func editorsSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema.JSON()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("davit.schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("davit.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// checkSchema returns what is wrong with the first bad document of a file.
func checkSchema(t *testing.T, against *jsonschema.Schema, text []byte) error {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document any
		if decoder.Decode(&document) != nil {
			return nil
		}
		if document == nil {
			continue
		}
		asJSON, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		if err := against.Validate(instance); err != nil {
			return err
		}
	}
}

// manifestsOfTheRepository are the manifests of the examples and of the scenarios.
func manifestsOfTheRepository(t *testing.T) []File {
	t.Helper()
	var files []File
	for _, dir := range []string{"../examples", "../e2e/testdata"} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			switch filepath.Ext(path) {
			case ".yaml":
				files = append(files, File{Path: path, Text: text})
			case ".txtar":
				for _, file := range txtar.Parse(text).Files {
					if filepath.Ext(file.Name) == ".yaml" {
						files = append(files, File{Path: path + "/" + file.Name, Text: file.Data})
					}
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestTheSchemaTakesWhatLoadTakes(t *testing.T) {
	t.Parallel()
	against := editorsSchema(t)
	files := append(manifestsOfTheRepository(t), File{Path: "good", Text: []byte(good)}, File{Path: "passthrough", Text: []byte(spec(
		"unit: {After: sshd.service, Before: [a.service, b.target]}", "service: {TasksMax: 5, LimitNOFILE: [1024, '4096'], CPUAccounting: true}",
		"shmSize: 0.5Gi", "livenessProbe: {httpGet: {port: web}}", "readinessProbe: {tcpSocket: {port: 80}}",
		"ports: [{name: web, containerPort: 80}]", "volumes: [{name: a, configMap: {name: c, defaultMode: 0640}}, {name: b, hostPath: {path: /srv, type: ''}}]"))})
	files = append(files, File{Path: "variables", Text: []byte(strings.Replace(spec(
		"restartPolicy: ${A}", "maxRestarts: ${B}", "tty: ${C}", "shmSize: ${D}Mi", "volumes: [{name: a, configMap: {name: '${E}', defaultMode: '${F}'}}]"),
		"{name: web}", "{name: '${G}', annotations: {davit.io/substitute: 'true'}}", 1))})
	taken := 0
	for _, file := range files {
		if !Load([]File{file}, Options{}).decoded() {
			continue
		}
		taken++
		if err := checkSchema(t, against, file.Text); err != nil {
			t.Errorf("%s: %v", file.Path, err)
		}
	}
	if taken < 20 {
		t.Errorf("only %d files were taken: the test tests little", taken)
	}
}

// decoded reports whether nothing is wrong with the documents themselves; one file's
// references to another are no matter here.
func (s *Set) decoded() bool {
	for _, diagnostic := range s.Diagnostics {
		if !strings.Contains(diagnostic.Message, "there is no ") {
			return false
		}
	}
	return true
}

func TestTheSchemaRefusesWhatLoadRefuses(t *testing.T) {
	t.Parallel()
	against := editorsSchema(t)
	const head = "apiVersion: davit/v1\nkind: "
	for name, text := range map[string]string{
		"unknown apiVersion":    "apiVersion: davit/v2\nkind: Volume\nmetadata: {name: a}\n",
		"unknown kind":          head + "Contaner\nmetadata: {name: a}\n",
		"no kind":               "apiVersion: davit/v1\nmetadata: {name: a}\n",
		"no metadata":           head + "Volume\n",
		"no name":               head + "Volume\nmetadata: {}\n",
		"a name of a bad form":  head + "Volume\nmetadata: {name: A_b}\n",
		"no spec":               head + "Pod\nmetadata: {name: a}\n",
		"unknown field":         spec("imagee: x"),
		"another kind's field":  head + "Volume\nmetadata: {name: a}\nspec: {image: x}\n",
		"deep unknown field":    spec("ports: [{containerPort: 1, hostport: 2}]"),
		"text for a list":       spec("command: ls"),
		"number for text":       spec("hostname: 1"),
		"text for a boolean":    spec("hostNetwork: 'yes'"),
		"text for a number":     spec("maxRestarts: '1'"),
		"value out of a set":    spec("restartPolicy: always"),
		"quantity":              spec("resources: {limits: {memory: lots}}"),
		"mode":                  spec("volumes: [{name: a, configMap: {name: c, defaultMode: rw}}]"),
		"missing in a list":     spec("env: [{value: a}]"),
		"mapping for a setting": spec("service: {TasksMax: {a: b}}"),
	} {
		if checkSchema(t, against, []byte(text)) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
		if loadText(text).Complete() {
			t.Errorf("%s: Load takes it", name)
		}
	}
}
