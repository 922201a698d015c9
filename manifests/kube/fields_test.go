package kube

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
)

var update = flag.Bool("update", false, "rewrite docs/kubernetes.md")

// tables are the tables of fields, each with the type whose fields it must have.
var tables = []struct {
	name   string
	fields map[string]field
	of     reflect.Type
}{
	{"PodSpec", podSpec, reflect.TypeFor[core.PodSpec]()},
	{"Container", container, reflect.TypeFor[core.Container]()},
	{"DeploymentSpec", deploymentSpec, reflect.TypeFor[apps.DeploymentSpec]()},
	{"DaemonSetSpec", daemonSetSpec, reflect.TypeFor[apps.DaemonSetSpec]()},
	{"StatefulSetSpec", statefulSetSpec, reflect.TypeFor[apps.StatefulSetSpec]()},
	{"JobSpec", jobSpec, reflect.TypeFor[batch.JobSpec]()},
	{"CronJobSpec", cronJobSpec, reflect.TypeFor[batch.CronJobSpec]()},
	{"PersistentVolumeClaimSpec", claimSpec, reflect.TypeFor[core.PersistentVolumeClaimSpec]()},
	{"ServiceSpec", serviceSpec, reflect.TypeFor[core.ServiceSpec]()},
}

// TestEveryFieldIsTreated fails when Kubernetes has a field that davit has no word on.
func TestEveryFieldIsTreated(t *testing.T) {
	t.Parallel()
	for _, table := range tables {
		if diff := cmp.Diff(names(table.of), sorted(table.fields)); diff != "" {
			t.Errorf("%s (-Kubernetes +davit):\n%s", table.name, diff)
		}
		for name, f := range table.fields {
			if f.treatment != yes && f.reason == "" {
				t.Errorf("%s.%s: no reason", table.name, name)
			}
		}
	}
}

func names(of reflect.Type) []string {
	var names []string
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func sorted(fields map[string]field) []string {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestDocumentation keeps the list of fields in docs/kubernetes.md as the tables are.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- fields: written by go test ./manifests/kube -update -->\n", "<!-- /fields -->"
	path := filepath.Join("..", "..", "docs", "kubernetes.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no marks for the fields", path)
	}
	want := before + begin + document() + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s is stale; -update rewrites it:\n%s", path, diff)
	}
}

// document is the tables for people.
func document() string {
	words := map[treatment]string{yes: "yes", no: "no", ignored: "ignored", silent: "no meaning"}
	var text strings.Builder
	for _, table := range tables {
		fmt.Fprintf(&text, "\n### %s\n\n| field | honoured | |\n|-------|----------|---|\n", table.name)
		for _, name := range sorted(table.fields) {
			f := table.fields[name]
			fmt.Fprintf(&text, "| %s | %s | %s |\n", name, words[f.treatment], f.reason)
		}
	}
	return text.String() + "\n"
}
