// Package davit holds the tests of the repository itself: which package may import which, and that the documents name
// only things that exist.
package davit

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/davit-project/davit/"

// arrows are the packages that each folder may import; a folder may import its own sub-packages.
var arrows = map[string][]string{
	"manifests":               {},
	"manifests/v1":            {},
	"manifests/suggest":       {},
	"manifests/yaml":          {"manifests/object", "manifests/suggest", "manifests/v1"},
	"manifests/settings":      {"units/signals"},
	"manifests/policy":        {"manifests/settings", "manifests/v1"},
	"manifests/check":         {"manifests/object", "manifests/policy", "manifests/settings", "manifests/suggest", "manifests/v1", "units/signals"},
	"manifests/convert":       {"manifests/check", "manifests/object", "manifests/suggest", "manifests/v1", "manifests/yaml"},
	"manifests/convert/kube":  {"manifests/v1"},
	"manifests/fleet":         {"manifests/check", "manifests/convert", "manifests/object", "manifests/policy", "manifests/suggest", "manifests/v1", "manifests/yaml"},
	"manifests/schema":        {"manifests/convert/kube", "manifests/v1"},
	"units/bundle":            {},
	"units/bus":               {},
	"units/names":             {},
	"units/signals":           {},
	"units":                   {"units/bundle", "units/names"},
	"units/systemd":           {"units", "units/bundle", "units/bus", "units/names"},
	"manifests/object":        {"manifests/v1"},
	"reconcile":               {"manifests/object", "manifests/v1", "units", "units/bundle", "units/names"},
	"reconcile/apply":         {"manifests/v1", "reconcile", "units", "units/bundle"},
	"reconcile/claims":        {"units/bundle"},
	"reconcile/compare":       {"reconcile", "units", "units/bundle"},
	"reconcile/diff":          {"manifests/v1", "reconcile", "reconcile/claims", "reconcile/compare", "reconcile/history", "units", "units/bundle", "units/names"},
	"reconcile/history":       {"manifests/v1", "reconcile", "units", "units/bundle", "units/names"},
	"reconcile/reconciletest": {"manifests", "reconcile", "units", "units/bundle", "units/names"},
	"reconcile/resolve":       {"manifests/object", "manifests/policy", "manifests/v1", "reconcile", "units", "units/bundle", "units/names", "units/signals"},
	"agent/disk":              {},
	"agent/untrusted":         {},
	"agent/terminal":          {},
	"agent/drift":             {"units/bundle", "agent/bridge", "agent/bundles", "agent/disk", "agent/nat"},
	"agent/cgroup":            {"units/bundle"},
	"agent/bridge":            {"units/bundle"},
	"agent/launch/cleanup":    {"units/bundle", "units/bus", "units/names", "agent/disk", "agent/launch/handover", "agent/launch/namespaces", "agent/launch/network", "agent/launch/record", "agent/launch/rootfs", "agent/launch/runtime", "agent/launch/stdio", "agent/quota", "agent/terminal", "agent/untrusted"},
	"agent/launch/confine":    {"units/bundle", "agent/launch/program", "agent/launch/record", "agent/untrusted"},
	"agent/launch/exec":       {"units/bundle", "agent/launch/confine", "agent/launch/process", "agent/launch/record", "agent/launch/runtime", "agent/launch/stdio", "agent/probe"},
	"agent/launch/handover":   {"units/bundle"},
	"agent/launch/lifecycle":  {"units/bundle", "units/signals", "agent/launch/confine", "agent/launch/exec", "agent/launch/handover", "agent/launch/network", "agent/launch/record", "agent/launch/rootfs", "agent/launch/runtime", "agent/probe", "agent/terminal"},
	"agent/launch/mend":       {"units/bundle", "agent/disk", "agent/launch/namespaces", "agent/launch/network", "agent/launch/record", "agent/launch/rootfs", "agent/launch/runtime", "agent/terminal"},
	"agent/launch/namespaces": {"units/bundle", "agent/disk", "agent/launch/record"},
	"agent/launch/network":    {"units/bundle", "agent/bridge", "agent/bundles", "agent/disk", "agent/launch/namespaces", "agent/launch/program", "agent/launch/record", "agent/listeners", "agent/nat", "agent/terminal", "agent/untrusted"},
	"agent/launch/process":    {"units/bundle", "agent/launch/record", "agent/launch/rootfs", "agent/untrusted"},
	"agent/launch/program":    {"agent/untrusted"},
	"agent/launch/record":     {"units/bundle", "agent/disk", "agent/untrusted"},
	"agent/launch/rootfs":     {"units/bundle", "agent/disk", "agent/launch/confine", "agent/launch/handover", "agent/launch/namespaces", "agent/launch/record", "agent/quota", "agent/resolver", "agent/terminal", "agent/untrusted"},
	"agent/launch/runtime":    {"units/bundle", "units/names", "units/signals", "agent/cgroup", "agent/disk", "agent/launch/program", "agent/launch/record", "agent/terminal", "agent/untrusted"},
	"agent/launch/schedule":   {"units/bundle", "units/names", "agent/launch/record"},
	"agent/launch/start":      {"units/bundle", "agent/cgroup", "agent/launch"},
	"agent/launch/stdio":      {"units/bundle", "units/names", "agent/launch/record", "agent/launch/rootfs", "agent/launch/runtime", "agent/untrusted"},
	"agent/launch/testnode":   {},
	"agent/listeners":         {"units/bundle", "units/names"},
	"agent/nat":               {"agent/disk", "units/bundle"},
	"agent/probe":             {"units/bundle"},
	"agent/quota":             {"agent/disk"},
	"agent/resolver":          {"agent/untrusted", "units/bundle"},
	"agent/health":            {"agent/disk", "agent/probe", "agent/usage", "units"},
	"agent/watch":             {"manifests"},
	"agent/facts":             {"manifests"},
	"agent/images":            {"agent/disk", "agent/untrusted", "manifests/v1", "reconcile", "units/bundle"},
	"agent/fetch":             {"agent/disk", "agent/images", "manifests/v1", "reconcile"},
	"agent/networks":          {"agent/bridge", "agent/disk", "reconcile", "units/bundle"},
	"agent/volumes":           {"agent/disk", "agent/untrusted", "reconcile", "units/bundle"},
	"agent/bundles":           {"agent/disk", "units/bundle", "units/names"},
	"agent/transfer":          {"agent/untrusted"},
	"agent/cdi":               {"reconcile"},
	"agent/usage":             {"agent/untrusted"},
	"agent":                   {"agent", "reconcile", "units", "manifests"},
	"agent/cmd/davit-run":     {"agent/launch", "agent/terminal"},
}

func TestArrowsPointOneWay(t *testing.T) {
	t.Parallel()
	for file, imported := range imports(t) {
		room := roomOf(filepath.Dir(file))
		if room == "" {
			continue
		}
		for _, path := range imported {
			target, own := strings.CutPrefix(path, module)
			if !own || within(target, room) {
				continue
			}
			if !slices.ContainsFunc(arrows[room], func(allowed string) bool { return within(target, allowed) }) {
				t.Errorf("%s imports %s: %s may import %v", file, target, room, arrows[room])
			}
		}
	}
}

// roomOf is the longest room that holds a directory.
func roomOf(dir string) string {
	best := ""
	for room := range arrows {
		if within(dir, room) && len(room) > len(best) {
			best = room
		}
	}
	return best
}

func within(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

// imports returns the imports of each Go file but tests, by file.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			found[path] = append(found[path], strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

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
