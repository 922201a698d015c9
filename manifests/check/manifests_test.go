package check_test

import (
	"strings"
	"testing"

	"github.com/davit-project/davit/manifests"
)

// refused is a manifest with a wrong value; want is the beginning of its first error, the field's path first.
type refused struct{ text, want string }

// wantRefused loads manifests that have an error each.
func wantRefused(t *testing.T, manifests []refused) {
	t.Helper()
	for _, test := range manifests {
		set := loadText(test.text)
		if len(set.Diagnostics) == 0 {
			t.Errorf("no error: want %s\n%s", test.want, test.text)
			continue
		}
		first := set.Diagnostics[0]
		if got := first.Path + ": " + first.Message; !strings.HasPrefix(got, test.want) {
			t.Errorf("got  %s\nwant %s", first, test.want)
		}
	}
}

func loadText(text string) *manifests.Set {
	return manifests.Load([]manifests.File{{Path: "app.yaml", Text: []byte(text)}}, manifests.Options{})
}

// spec is a Container with further lines of its specification.
func spec(lines ...string) string {
	return "apiVersion: davit/v1\nkind: Container\nmetadata: {name: web}\nspec:\n  image: example.com/a:1\n  " +
		strings.Join(lines, "\n  ") + "\n"
}

// manifest is one of any kind with further lines.
func manifest(kind string, lines ...string) string {
	return "apiVersion: davit/v1\nkind: " + kind + "\nmetadata: {name: a}\n" + strings.Join(lines, "\n") + "\n"
}

func pod(lines ...string) string {
	return manifest("Pod", "spec:\n  "+strings.Join(lines, "\n  "))
}

func job(lines ...string) string {
	return manifest("Job", "spec:\n  template:\n    spec:\n      containers: [{name: a, image: x.y/z}]\n      "+strings.Join(lines, "\n      "))
}

func cronJob(lines ...string) string {
	return manifest("CronJob", "spec:\n  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: x.y/z}]}}}}\n  "+strings.Join(lines, "\n  "))
}
