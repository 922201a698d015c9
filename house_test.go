// Package davit holds the tests of the repository itself: which package may import which, and that the documents name
// only things that exist.
package davit

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheLauncherStaysSmall keeps everything off the way of a start that has no business
// there: registries, storage, YAML, Kubernetes.
func TestTheLauncherStaysSmall(t *testing.T) {
	t.Parallel()
	unwanted := []string{"go.podman.io/", "yaml", "k8s.io/", "github.com/google/go-containerregistry", module + "reconcile", module + "manifests"}
	linksNone(t, "./agent/cmd/davit-run", "seccomp", unwanted)
}

// TestTheCoreStaysLight keeps the loader of manifests, systemd and the network out of the decisions: they are values in and
// values out on any system.
func TestTheCoreStaysLight(t *testing.T) {
	t.Parallel()
	for _, room := range []string{"./reconcile", "./units", "./manifests/object"} {
		linksNone(t, room, releaseTags(t), []string{"net/http", "dbus", "kustomize", "yaml", module + "agent", module + "units/systemd"})
	}
}

// TestDavitLinksNoTemplates keeps out packages that call methods by name: with them the linker drops no exported method, and
// davit is a fifth larger.
func TestDavitLinksNoTemplates(t *testing.T) {
	t.Parallel()
	linksNone(t, "./agent/cmd/davit", releaseTags(t), []string{"html/template", "golang.org/x/net/trace"})
}

// releaseTags are the build tags of the Makefile.
func releaseTags(t *testing.T) string {
	t.Helper()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	tags := regexp.MustCompile(`(?m)^tags +:= (\S+)$`).FindSubmatch(makefile)
	if tags == nil {
		t.Fatal("Makefile names no tags")
	}
	return string(tags[1])
}

// TestDavitCompilesForOtherSystems compiles the commands that need no node, and all packages below them, for the systems of
// the people who write manifests.
func TestDavitCompilesForOtherSystems(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"darwin", "windows"} {
		command := exec.Command("go", "list", "-export", "-tags="+releaseTags(t), "./agent/cmd/davit")
		command.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", system, err, output)
		}
	}
}

// linksNone checks that a program links no package whose path contains one of the texts.
func linksNone(t *testing.T, program, tags string, unwanted []string) {
	t.Helper()
	output, err := exec.Command("go", "list", "-deps", "-tags="+tags, program).Output()
	if err != nil {
		t.Fatal(err)
	}
	for dependency := range strings.FieldsSeq(string(output)) {
		if slices.ContainsFunc(unwanted, func(text string) bool { return strings.Contains(dependency, text) }) {
			t.Errorf("%s links %s", program, dependency)
		}
	}
}

var proof = regexp.MustCompile(`(scenario) ([a-z/-]+)|test ([a-z0-9/-]+) (Test\w+)`)

// TestDocumentsNameTestsThatExist checks that each row of the documents' tables names a test or a scenario as its
// proof, and that it exists.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"docs/features.md", "docs/faults.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			// Headings of a table, and of its parts, have nothing to prove.
			if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| **") && !strings.HasSuffix(line, "| proof |\n") {
				checkProofs(t, document, line)
			}
		}
	}
}

func checkProofs(t *testing.T, document, line string) {
	t.Helper()
	proofs := proof.FindAllStringSubmatch(line, -1)
	if len(proofs) == 0 {
		t.Errorf("%s: no proof: %s", document, line)
	}
	for _, p := range proofs {
		if p[1] == "scenario" {
			if _, err := os.Stat("e2e/testdata/" + p[2] + ".txtar"); err != nil {
				t.Errorf("%s: %s: %v", document, p[0], err)
			}
		} else if !hasTest(t, p[3], p[4]) {
			t.Errorf("%s: %s: there is no such test", document, p[0])
		}
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(dir + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(") {
			return true
		}
	}
	return false
}
