package manifests

import (
	"strings"
	"testing"
)

func TestMistakesInYAMLAreNamed(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: davit/v1\nkind: "
	const template = "render it first; a value that is to have {{ needs quotes"
	for name, test := range map[string]struct{ text, want string }{
		"tab":                      {head + "Volume\nmetadata:\n\tname: a\n", `app.yaml:4:2: a tab in the indentation (indent with spaces)`},
		"tab after spaces":         {spec("env:", "\t- {name: A}"), `app.yaml:7:4: a tab in the indentation (indent with spaces)`},
		"tab on the next line":     {spec("hostname: a") + "\tuser: b\n", `app.yaml:7:2: a tab in the indentation (indent with spaces)`},
		"duplicate key":            {spec("tty: true", "tty: true"), `app.yaml:7:3: spec.tty: appears twice, as "tty" in line 6 too`},
		"key in other case":        {spec("env: [{name: A, Name: A}]"), `app.yaml:6:19: spec.env[0].Name: appears twice, as "name" in line 6 too`},
		"alias of nothing":         {spec("hostname: *a"), `app.yaml:6:3: a value that begins with * is an alias (quote it)`},
		"JSON without a comma":     {"{\n\t\"kind\": \"Volume\"\n\t\"apiVersion\": 1\n}\n", `app.yaml:2:2: not YAML: did not find expected ',' or '}'`},
		"merge key":                {spec("<<: {hostnam: a}"), `app.yaml:6:8: spec.hostnam: unknown field (did you mean "hostname"?)`},
		"yes":                      {spec("tty: yes"), `app.yaml:6:8: spec.tty: want true or false, got "yes" (write true)`},
		"off":                      {spec("tty: off"), `app.yaml:6:8: spec.tty: want true or false, got "off" (write false)`},
		"true in quotes":           {spec(`tty: "true"`), `app.yaml:6:8: spec.tty: want true or false, got "true" (write true)`},
		"octal mode, text":         {head + "Volume\nmetadata: {name: a}\nspec: {mode: 0750}\n", `app.yaml:4:14: spec.mode: want a string, got the number 0750 (quote it: "0750")`},
		"mode without a zero":      {spec("volumes: [{name: a, secret: {secretName: c, defaultMode: 640}}]"), `app.yaml:6:60: spec.volumes[0].secret.defaultMode: want a mode, got the number 640 (a number without a leading 0 is decimal: write "0640")`},
		"number in quotes":         {spec(`ports: [{containerPort: "80"}]`), `app.yaml:6:27: spec.ports[0].containerPort: want a number, got "80" (leave the quotes out)`},
		"Compose":                  {"services:\n  web: {image: nginx}\n", `app.yaml:1:1: a Compose file is no manifest (write a Container for each service, see docs/manifests.md)`},
		"Compose's port":           {spec("ports: [22:22]"), `app.yaml:6:11: spec.ports[0]: want a mapping, got "22:22" (write {containerPort: …})`},
		"Compose's volume":         {spec("volumeMounts:", "- data:/data"), `app.yaml:7:5: spec.volumeMounts[0]: want a mapping, got "data:/data" (write {name: …, mountPath: …})`},
		"Quadlet":                  {"# x\n\n[Container]\nImage=nginx\n", `app.yaml:1:1: a unit or a Quadlet file is no manifest (write a Container, see docs/manifests.md)`},
		"template":                 {head + "Volume\nmetadata:\n  name: {{ .Values.name }}\n", `app.yaml:4:9: a template is no manifest (` + template + `)`},
		"template with control":    {"{{- if .x }}\n" + head + "Volume\n{{- end }}\n", `app.yaml:1:1: not YAML: did not find expected node content (is it a template? ` + template + `)`},
		"kind that is a mapping":   {head + "{a: b}\nmetadata: {name: a}\n", `app.yaml:2:7: kind: want a string, got a mapping`},
		"kind of nothing":          {head + "\nmetadata: {name: a}\n", `app.yaml:2:6: kind: want a string, got nothing`},
		"apiVersion in a list":     {"apiVersion: [davit/v1]\nkind: Volume\n", `app.yaml:1:13: apiVersion: want a string, got a list`},
		"null":                     {spec("ports: null"), `app.yaml:6:10: spec.ports: want a list, got nothing`},
		"null for text":            {spec("hostname: ~"), `app.yaml:6:13: spec.hostname: want a string, got nothing (leave the field out, or write "")`},
		"reserved character":       {spec("hostname: @a"), "app.yaml:6:3: not YAML: found character that cannot start any token (quote a value that begins with @, % or `)"},
		"colon":                    {spec("hostname: a: b"), `app.yaml:6:3: not YAML: mapping values are not allowed in this context (indent fields of one mapping alike, and quote a value with a colon in it)`},
		"a list":                   {"- a\n", `app.yaml:1:1: want a document with apiVersion, kind, metadata and spec, got a list`},
		"a very long line":         {spec("command: " + strings.Repeat("x", 10_000)), `app.yaml:6:12: spec.command: want a list, got "` + strings.Repeat("x", 60) + `…"`},
		"behind a byte order mark": {"\ufeffapiVersion: davit/v2\nkind: Volume\n", `app.yaml:1:13: apiVersion: unknown apiVersion "davit/v2" (did you mean "davit/v1"?)`},
		"CRLF line ends":           {strings.ReplaceAll(spec("tty: on"), "\n", "\r\n"), `app.yaml:6:8: spec.tty: want true or false, got "on" (write true)`},
		"terminal escapes":         {spec(`"\e[31mx": 1`), `app.yaml:6:3: spec.\x1b[31mx: unknown field`},
		"number in a secret":       {head + "Secret\nmetadata: {name: a}\nstringData: {pin: 4711}\n", `app.yaml:4:19: stringData.pin: want a string, got something else (quote it)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantErrors(t, test.text, test.want)
		})
	}
}

func TestErrorsOfSecretsAreConfidential(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]bool{"Secret": true, "Config": false} {
		text := "apiVersion: davit/v1\nkind: " + kind + "\nmetadata: {name: a}\ndatum: {}\n"
		if d := loadText(text).Diagnostics; len(d) != 1 || d[0].Confidential != want {
			t.Errorf("%s: %+v", kind, d)
		}
	}
}

func TestYAMLThatIsTaken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text    string
		objects int
	}{
		"JSON":                    {`{"apiVersion": "davit/v1", "kind": "Volume", "metadata": {"name": "a"}}`, 1},
		"JSON with tabs":          {"{\n\t\"apiVersion\": \"davit/v1\",\n\t\"kind\": \"Volume\",\n\t\"metadata\": {\"name\": \"a\"}\n}\n", 1},
		"a byte order mark":       {"\ufeff" + spec(), 1},
		"CRLF line ends":          {strings.ReplaceAll(good, "\n", "\r\n"), 4},
		"nothing":                 {"", 0},
		"line ends":               {"\n\n", 0},
		"comments":                {"# a\n---\n# b\n", 0},
		"an end of a document":    {spec() + "...\n", 1},
		"NO, on and y are text":   {spec("env: [{name: A, value: NO}, {name: B, value: on}, {name: C, value: y}]"), 1},
		"22:22 is no number":      {spec("env: [{name: A, value: 22:22}]"), 1},
		"a very long line":        {spec("command: [" + strings.Repeat("x", 100_000) + "]"), 1},
		"braces in quotes":        {spec(`command: ["{{ .x }}"]`), 1},
		"tabs in a block of text": {spec("command:", "- |", "  a", "  \tb"), 1},
	} {
		set := loadText(test.text)
		if err := set.Diagnostics.Err(); err != nil || len(set.Objects) != test.objects {
			t.Errorf("%s: %d objects, %v", name, len(set.Objects), err)
		}
	}
}

func TestOneMistakeIsReportedOnce(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: davit/v1\nkind: "
	text := head + "Volume\nmetadata: {name: data}\nspec: {emptydir: {}}\n---\n" +
		head + "Image\nmetadata: {name: app}\nspec: {imag: example.com/a:1}\n---\n" +
		head + "Secret\nmetadata: {name: key}\nstringDate: {}\n---\n" +
		head + "Container\nmetadata: {name: web}\nspec:\n  imageRef: app\n  volumeMounts: [{name: data, mountPath: /data}]\n---\n" +
		head + "Pod\nmetadata: {name: pod}\nspec:\n  containers: [{name: a, image: example.com/a:1, envFrom: [{secretRef: {name: key, optional: true}}]}]\n---\n" +
		head + "Job\nmetadata: {name: job}\nspec: {template: {spec: {restartPolicy: always, containers: []}}}\n---\n" +
		head + "Container\nmetadata: {name: last}\nspec: {image: example.com/a:1, dependsOn: [{kind: Job, name: job}]}\n"
	wantErrors(t, text,
		`app.yaml:4:8: spec.emptydir: unknown field (did you mean "emptyDir"?)`,
		`app.yaml:9:8: spec.imag: unknown field (did you mean "image"?)`,
		`app.yaml:14:1: stringDate: unknown field (did you mean "stringData"?)`,
		`app.yaml:32:41: spec.template.spec.restartPolicy: unknown value "always" (did you mean "Always"?)`)
	own := strings.Replace(text, "  imageRef: app\n", "  image: example.com/a:1\n  volumes: [{name: data, emptyDir: {}}]\n", 1)
	if set := loadText(own); len(set.Objects) != 1 {
		t.Errorf("a volume of its own hides the broken one, got %v", set.Objects)
	}
	if set := loadText(text); len(set.Objects) > 0 {
		t.Errorf("%v needs what is broken, and is in the set", set.Objects)
	}
}

// TestEveryTruncationIsHandled cuts files where a copy that was broken off would be cut.
//
// fault: a file is cut at any byte | nothing is removed for it
func TestEveryTruncationIsHandled(t *testing.T) {
	t.Parallel()
	for _, file := range manifestsOfTheRepository(t) {
		if !strings.HasPrefix(file.Path, "../examples") || strings.HasPrefix(file.Path, "../examples/foreign") {
			continue
		}
		for end := range file.Text {
			cut := file.Text[:end]
			lines := 1 + strings.Count(string(cut), "\n")
			for _, d := range Load([]File{{Path: file.Path, Text: cut}}, Options{}).Diagnostics {
				if d.Line < 1 || d.Line > lines || d.Column < 1 {
					t.Fatalf("cut at %d: %v is not in the file", end, d)
				}
			}
		}
	}
}
