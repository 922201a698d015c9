package reconcile_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/davit-project/davit/e2e/arbitrary"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

var drawnSets = flag.Int("sets", 1000, "how many sets of manifests TestWhatIsAcceptedCanBeRun draws")

// drawnImages are the images of the containers of drawn manifests.
var drawnImages = []string{"example.com/app:1", "example.com/app@sha256:" + strings.Repeat("c", 64), "docker://example.com:5000/a/b:x", "oci:/srv/image", "containers-storage:example.com/c:1"}

// TestWhatIsAcceptedCanBeRun draws sets of manifests. Where davit validate finds no error in one, a node resolves it,
// davit reads each of its units back as it was written, and systemd has nothing to say against any of them.
func TestWhatIsAcceptedCanBeRun(t *testing.T) {
	t.Parallel()
	var drawn, accepted int
	checks := 100 // rapid's
	if testing.Short() {
		checks = 20
	}
	rapid.Check(t, func(t *rapid.T) {
		texts := map[string]string{}
		seed := rapid.Uint64().Draw(t, "seed")
		for n := range uint64(max(*drawnSets/checks, 1)) {
			text := arbitrary.Set(seed+n, fmt.Sprintf("w%d", n), drawnImages)
			drawn++
			set := manifests.Load([]manifests.File{{Path: "/etc/davit/manifests/app.yaml", Text: []byte(text)}}, manifests.Options{Rehearse: resolve.Rehearse})
			if !set.Complete() {
				continue
			}
			accepted++
			for unit, rendered := range renderedUnits(t, set.Objects, text) {
				texts[unit] = rendered
			}
		}
		verifyUnits(t, texts)
	})
	t.Logf("%d of %d drawn sets were accepted", accepted, drawn)
	if accepted*10 < drawn {
		t.Errorf("%d of %d drawn sets were accepted: too few to show anything", accepted, drawn)
	}
}

// nodeNetworks are the networks that workloads name and no Network object defines: the node may have them.
func nodeNetworks(objects []object.Object) map[string]json.RawMessage {
	networks := map[string]json.RawMessage{}
	for _, object := range objects {
		for _, container := range v1.ContainersOf(object.Object) {
			for _, network := range container.Networks {
				networks[network.Name] = json.RawMessage("{}")
			}
		}
	}
	for _, object := range objects {
		if network, ok := object.Object.(*v1.Network); ok {
			delete(networks, network.Metadata.Name)
		}
	}
	return networks
}

// renderedUnits returns the files of the units of objects on a node which has the things that they name, by unit.
func renderedUnits(t *rapid.T, objects []object.Object, manifest string) map[string]string {
	in := resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: reconciletest.TestNode, NodeNetworks: nodeNetworks(objects)}
	in.Node.Launcher = "/usr/bin/true" // one that systemd finds
	in.Node.Runtimes = map[string]string{"crun": "/usr/bin/crun", "/usr/bin/runc": "/usr/bin/runc"}
	in.Node.SeccompProfiles = map[string][]byte{"a.json": []byte("{}"), "profiles/b.json": []byte("{}")}
	desired := resolve.Resolve(in)
	for _, problem := range desired.Problems {
		t.Fatalf("validate takes what is a problem on a node: %s: %v\n%s", problem.Ref, problem.Err, manifest)
	}
	texts := map[string]string{}
	for name, workload := range desired.All() {
		own, err := units.ParseOwn(workload.UnitText)
		if err != nil || own.Object != workload.Ref.String() || own.SourcePath != "/etc/davit/manifests/app.yaml" {
			t.Fatalf("%s is read back as %+v: %v\n%s", name, own, err, manifest)
		}
		if workload.Bundle != nil && own.Bundle != bundle.Path(workload.BundleDir) {
			t.Fatalf("%s starts %s: want %s\n%s", name, own.Bundle, workload.BundleDir, manifest)
		}
		texts[name] = workload.UnitText
	}
	return texts
}

// verifyUnits has systemd read units.
func verifyUnits(t *rapid.T, texts map[string]string) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	if len(texts) == 0 {
		return
	}
	dir, err := os.MkdirTemp("", "units")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	arguments := []string{"verify", "--man=no", "--recursive-errors=no"}
	for name, text := range texts {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, file)
	}
	verify := exec.Command(analyze, arguments...)
	verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":", "LC_ALL=C")
	output, err := verify.CombinedOutput()
	if err != nil || strings.Contains(string(output), dir) {
		t.Fatalf("systemd-analyze: %v\n%s", err, output)
	}
}
