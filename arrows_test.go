package davit

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/davit-project/davit/"

// arrows are the packages of the project that each folder imports, without those that only tests need. A folder without a row
// may not be, so that a new one is a decision: add its row, or the new import to a row, and say why in the commit.
const arrows = `
agent: agent/bundles agent/cdi agent/cgroup agent/disk agent/drift agent/facts agent/fetch agent/generations agent/health
    agent/images agent/listeners agent/nat agent/networks agent/resolver/follow agent/terminal agent/volumes agent/watch
    manifests manifests/fleet manifests/object manifests/v1 reconcile reconcile/apply reconcile/compare reconcile/diff
    reconcile/history reconcile/resolve units units/bundle units/names units/systemd
agent/bridge: units/bundle
agent/bundles: agent/disk units/bundle units/names
agent/cdi: reconcile/resolve
agent/cgroup: units/bundle
agent/cmd/davit: agent agent/facts agent/images agent/terminal agent/transfer agent/usage agent/watch manifests
    manifests/fleet manifests/object manifests/policy manifests/schema manifests/suggest manifests/v1 reconcile
    reconcile/compare reconcile/history reconcile/resolve units units/bundle units/names units/systemd
agent/cmd/davit-run: agent/launch/cleanup agent/launch/exec agent/launch/lifecycle agent/launch/mend agent/launch/runtime
    agent/launch/schedule agent/launch/start agent/terminal
agent/disk:
agent/drift: agent/bridge agent/bundles agent/disk agent/nat units/bundle
agent/facts: manifests manifests/check manifests/fleet manifests/policy
agent/fetch: agent/disk agent/images manifests/v1 reconcile reconcile/resolve
agent/generations: agent/disk reconcile reconcile/history units/bundle
agent/health: agent/disk agent/probe agent/usage units units/bundle units/names
agent/images: agent/disk agent/untrusted manifests/v1 reconcile units/bundle
agent/launch/cleanup: agent/disk agent/launch/handover agent/launch/namespaces agent/launch/network agent/launch/record
    agent/launch/rootfs agent/launch/runtime agent/launch/stdio agent/quota agent/terminal agent/untrusted units/bundle
    units/bus units/names
agent/launch/confine: agent/launch/program agent/launch/record agent/untrusted units/bundle
agent/launch/exec: agent/launch/confine agent/launch/process agent/launch/record agent/launch/runtime agent/launch/stdio
    agent/probe units/bundle
agent/launch/handover: units/bundle
agent/launch/lifecycle: agent/launch/confine agent/launch/exec agent/launch/handover agent/launch/network agent/launch/record
    agent/launch/rootfs agent/launch/runtime agent/probe agent/terminal units/bundle units/signals
agent/launch/mend: agent/disk agent/launch/namespaces agent/launch/network agent/launch/record agent/launch/rootfs
    agent/launch/runtime agent/terminal units/bundle
agent/launch/namespaces: agent/disk agent/launch/record units/bundle
agent/launch/network: agent/bridge agent/bundles agent/disk agent/launch/namespaces agent/launch/program agent/launch/record
    agent/listeners agent/nat agent/terminal agent/untrusted units/bundle
agent/launch/process: agent/launch/record agent/launch/rootfs agent/untrusted units/bundle
agent/launch/program: agent/untrusted
agent/launch/record: agent/disk agent/untrusted units/bundle
agent/launch/rootfs: agent/disk agent/launch/confine agent/launch/handover agent/launch/namespaces agent/launch/record
    agent/quota agent/resolver agent/terminal agent/untrusted units/bundle
agent/launch/runtime: agent/cgroup agent/disk agent/launch/program agent/launch/record agent/terminal agent/untrusted
    units/bundle units/names units/signals
agent/launch/schedule: agent/launch/record units/names
agent/launch/start: agent/cgroup agent/launch/cleanup agent/launch/confine agent/launch/handover agent/launch/namespaces
    agent/launch/network agent/launch/process agent/launch/program agent/launch/record agent/launch/rootfs
    agent/launch/runtime agent/launch/stdio units/bundle
agent/launch/stdio: agent/launch/record agent/launch/rootfs agent/launch/runtime agent/untrusted units/bundle units/names
agent/launch/testnode:
agent/listeners: units/bundle units/names
agent/nat: agent/disk units/bundle
agent/networks: agent/bridge agent/disk reconcile reconcile/resolve units/bundle
agent/probe: units/bundle
agent/quota: agent/disk
agent/resolver: agent/untrusted units/bundle
agent/resolver/follow: agent/resolver units/bundle
agent/terminal:
agent/transfer: agent/untrusted
agent/untrusted:
agent/usage: agent/untrusted
agent/volumes: agent/disk agent/untrusted reconcile units/bundle
agent/watch: manifests manifests/fleet manifests/object
e2e: e2e/cache e2e/images e2e/node e2e/registry e2e/vm
e2e/arbitrary: manifests/convert/kube manifests/v1
e2e/bench: e2e e2e/cache e2e/debian e2e/images e2e/node
e2e/cache:
e2e/debian:
e2e/demo: e2e e2e/node
e2e/images: e2e/cache
e2e/images/allowed:
e2e/images/hello:
e2e/images/surroundings:
e2e/judge:
e2e/node:
e2e/node/cmd/node: e2e/node
e2e/registry: e2e/images
e2e/stuck:
e2e/trial: e2e e2e/node
e2e/vm: e2e/cache e2e/debian e2e/node
manifests: manifests/check manifests/convert manifests/fleet manifests/object manifests/policy manifests/v1 manifests/yaml
manifests/check: manifests/object manifests/policy manifests/settings manifests/suggest manifests/v1 units/signals
manifests/convert: manifests/check manifests/convert/kube manifests/object manifests/suggest manifests/v1 manifests/yaml
manifests/convert/kube: manifests/v1
manifests/fleet: manifests/check manifests/convert manifests/fleet/kustomize manifests/object manifests/policy
    manifests/suggest manifests/v1 manifests/yaml
manifests/fleet/kustomize:
manifests/object: manifests/v1
manifests/policy: manifests/settings manifests/v1
manifests/schema: manifests/convert/kube manifests/v1
manifests/settings: units/signals
manifests/suggest:
manifests/v1:
manifests/yaml: manifests/object manifests/suggest manifests/v1
reconcile: manifests/object manifests/v1 units units/bundle units/names
reconcile/apply: reconcile units/bundle units/names
reconcile/claims: units/bundle
reconcile/compare: reconcile units units/bundle units/names
reconcile/diff: manifests/v1 reconcile reconcile/claims reconcile/compare reconcile/history units units/bundle units/names
reconcile/history: reconcile units units/names
reconcile/reconciletest: manifests manifests/object reconcile reconcile/apply reconcile/diff reconcile/resolve units
    units/bundle
reconcile/resolve: manifests/object manifests/policy manifests/v1 reconcile units units/bundle units/names units/signals
tools/plot:
units: units/bundle units/names
units/bundle:
units/bus:
units/names:
units/signals:
units/systemd: units units/bundle units/bus units/names
`

// TestArrowsAreTheOnesWritten compares the imports of each folder with its row.
func TestArrowsAreTheOnesWritten(t *testing.T) {
	t.Parallel()
	for _, fault := range compareArrows(parseArrows(arrows), importsOf(t, ".")) {
		t.Error(fault)
	}
}

// TestAnArrowWithoutARowIsFound shows that the comparison finds a new folder, a new import and a row that nothing needs.
func TestAnArrowWithoutARowIsFound(t *testing.T) {
	t.Parallel()
	rows := parseArrows("\na: b\n    c\nb:\nc:\ngone: b\n")
	found := map[string][]string{"a": {"b", "new"}, "b": nil, "c": nil, "new": nil}
	want := []string{
		"a does not import c any more: remove it from its row",
		"a imports new, which its row does not have: add it, or find another way",
		"gone has a row and no Go files: remove the row",
		"new has no row: add one, with what it imports",
	}
	if got := compareArrows(rows, found); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// parseArrows reads rows "folder: import import"; a line that begins with a space continues the row before.
func parseArrows(text string) map[string][]string {
	rows := map[string][]string{}
	folder := ""
	for line := range strings.Lines(strings.TrimSpace(text)) {
		if name, rest, isRow := strings.Cut(line, ":"); isRow {
			folder, line = name, rest
			rows[folder] = nil
		}
		rows[folder] = append(rows[folder], strings.Fields(line)...)
	}
	return rows
}

// compareArrows lists the differences between the rows and the imports of folders, sorted.
func compareArrows(rows, found map[string][]string) []string {
	var faults []string
	for folder, imports := range found {
		row, ok := rows[folder]
		if !ok {
			faults = append(faults, folder+" has no row: add one, with what it imports")
			continue
		}
		for _, imported := range imports {
			if !slices.Contains(row, imported) {
				faults = append(faults, folder+" imports "+imported+", which its row does not have: add it, or find another way")
			}
		}
		for _, allowed := range row {
			if !slices.Contains(imports, allowed) {
				faults = append(faults, folder+" does not import "+allowed+" any more: remove it from its row")
			}
		}
	}
	for folder := range rows {
		if _, ok := found[folder]; !ok {
			faults = append(faults, folder+" has a row and no Go files: remove the row")
		}
	}
	slices.Sort(faults)
	return faults
}

// importsOf are the packages of the project that each folder below a directory imports, without its tests.
func importsOf(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string]map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "build" || path == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		if found[folder] == nil {
			found[folder] = map[string]bool{}
		}
		for _, spec := range file.Imports {
			if imported, own := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module); own {
				found[folder][imported] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string][]string{}
	for folder, imported := range found {
		folders[folder] = slices.Sorted(maps.Keys(imported))
	}
	return folders
}
