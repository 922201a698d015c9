package kube

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1 "github.com/davit-project/davit/manifests/v1"
)

var update = flag.Bool("update", false, "rewrite docs/kubernetes.md")

// table is a table of fields, and the type of Kubernetes whose fields are in it. Fields that are not in it are fields of own, if
// there is one.
type table struct {
	fields  map[string]field
	of, own reflect.Type
}

// tables are all tables of fields.
var tables = []table{
	{objectMeta, reflect.TypeFor[meta.ObjectMeta](), nil},
	{podSpec, reflect.TypeFor[core.PodSpec](), nil},
	{container, reflect.TypeFor[core.Container](), nil},
	{deploymentSpec, reflect.TypeFor[apps.DeploymentSpec](), nil},
	{daemonSetSpec, reflect.TypeFor[apps.DaemonSetSpec](), nil},
	{replicaSetSpec, reflect.TypeFor[apps.ReplicaSetSpec](), nil},
	{controllerSpec, reflect.TypeFor[core.ReplicationControllerSpec](), nil},
	{persistentVolumeSpec, reflect.TypeFor[core.PersistentVolumeSpec](), reflect.TypeFor[struct{}]()},
	{volumeResources, reflect.TypeFor[core.VolumeResourceRequirements](), nil},
	{localVolume, reflect.TypeFor[core.LocalVolumeSource](), nil},
	{claimRef, reflect.TypeFor[core.ObjectReference](), nil},
	{podVolume, reflect.TypeFor[core.Volume](), reflect.TypeFor[v1.PodVolume]()},
	{statefulSetSpec, reflect.TypeFor[apps.StatefulSetSpec](), nil},
	{jobSpec, reflect.TypeFor[batch.JobSpec](), nil},
	{cronJobSpec, reflect.TypeFor[batch.CronJobSpec](), nil},
	{claimSpec, reflect.TypeFor[core.PersistentVolumeClaimSpec](), nil},
	{serviceSpec, reflect.TypeFor[core.ServiceSpec](), nil},
	{servicePort, reflect.TypeFor[core.ServicePort](), nil},
	{configMap, reflect.TypeFor[core.ConfigMap](), nil},
	{secret, reflect.TypeFor[core.Secret](), nil},
	{podSecurity, reflect.TypeFor[core.PodSecurityContext](), reflect.TypeFor[v1.PodSecurityContext]()},
	{containerSecurity, reflect.TypeFor[core.SecurityContext](), reflect.TypeFor[v1.ContainerSecurityContext]()},
	{lifecycle, reflect.TypeFor[core.Lifecycle](), reflect.TypeFor[v1.Lifecycle]()},
	{statefulRolling, reflect.TypeFor[apps.RollingUpdateStatefulSetStrategy](), nil},
	{volumeMount, reflect.TypeFor[core.VolumeMount](), reflect.TypeFor[v1.VolumeMount]()},
}

// TestEveryFieldIsTreated fails when Kubernetes has a field that davit has no word on.
func TestEveryFieldIsTreated(t *testing.T) {
	t.Parallel()
	for _, table := range tables {
		if diff := cmp.Diff(names(table.of), sorted(table.fields)); diff != "" && table.own == nil {
			t.Errorf("%s (-Kubernetes +davit):\n%s", table.of.Name(), diff)
		}
		for name, f := range table.fields {
			if f.treatment != yes && f.reason == "" {
				t.Errorf("%s.%s: no reason", table.of.Name(), name)
			}
		}
	}
}

func names(of reflect.Type) []string {
	var names []string
	for _, f := range fieldsOf(of) {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return names
}

func sorted(fields map[string]field) []string { return slices.Sorted(maps.Keys(fields)) }

// member is a field of a type of Kubernetes'.
type member struct {
	name string
	of   reflect.Type
}

// fieldsOf lists fields, those of inlined structs in their place, without those of every document.
func fieldsOf(of reflect.Type) []member {
	var all []member
	_, isDocument := of.FieldByName("TypeMeta")
	for f := range of.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Type == reflect.TypeFor[meta.TypeMeta](), isDocument && (name == "status" || name == "metadata"):
		case strings.Contains(options, "inline"), name == "":
			all = append(all, fieldsOf(f.Type)...)
		default:
			all = append(all, member{name, element(f.Type)})
		}
	}
	return all
}

// element returns the type that lists and pointers lead to.
func element(of reflect.Type) reflect.Type {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8 {
		of = of.Elem()
	}
	return of
}

// section is a type with davit's treatment of each of its fields.
type section struct {
	name   string
	fields map[string]field
}

// sections are all types that a document can have something of.
func sections() []section {
	w := walker{seen: map[string]bool{}}
	w.add("ObjectMeta", reflect.TypeFor[meta.ObjectMeta](), nil, objectMeta)
	for _, version := range APIVersions() {
		for _, kind := range Kinds(version) {
			of, _ := Type(version, kind)
			if spec, ok := of.FieldByName("Spec"); ok {
				of = spec.Type
			}
			w.visit(of, nil)
		}
	}
	return w.sections
}

type walker struct {
	seen     map[string]bool
	sections []section
}

// owners are the types of davit that a type of Kubernetes is converted to, unless it is a part of another converted type.
var owners = map[reflect.Type]reflect.Type{reflect.TypeFor[core.PodSpec](): reflect.TypeFor[v1.PodSpec]()}

func (w *walker) visit(of, own reflect.Type) {
	leaf := of.Kind() != reflect.Struct || of == reflect.TypeFor[resource.Quantity]() || of == reflect.TypeFor[intstr.IntOrString]() || of == reflect.TypeFor[meta.Time]()
	if leaf {
		return
	}
	own = cmpOr(owners[of], own)
	for _, t := range tables {
		if t.of == of {
			w.add(of.Name(), of, cmpOr(t.own, own), t.fields)
			return
		}
	}
	w.add(of.Name(), of, own, nil)
}

func cmpOr(a, b reflect.Type) reflect.Type {
	if a != nil {
		return a
	}
	return b
}

func (w *walker) add(name string, of, own reflect.Type, listed map[string]field) {
	if w.seen[name] {
		return
	}
	w.seen[name] = true
	at := len(w.sections)
	w.sections = append(w.sections, section{name, map[string]field{}})
	for _, f := range fieldsOf(of) {
		into, owned := v1.Field{}, false
		if own != nil {
			into, owned = fieldOf(own, f.name)
		}
		treated, ok := listed[f.name]
		switch {
		case ok:
		case own == nil || owned:
			treated = field{treatment: yes}
		default:
			treated = field{no, "a node has no such thing, or a Container has another field", nil}
		}
		w.sections[at].fields[f.name] = treated
		switch {
		case treated.treatment != yes:
		case f.of == reflect.TypeFor[meta.ObjectMeta]() && of != reflect.TypeFor[core.PersistentVolumeClaim]():
			w.add("ObjectMeta of a template", f.of, nil, templateMeta)
		case f.of == reflect.TypeFor[meta.ObjectMeta]():
		default:
			var next reflect.Type
			if owned {
				next = element(into.Type)
			}
			w.visit(f.of, next)
		}
	}
}

// TestExamplesAreComplete fails when no example of testdata/complete has a field that is read: [TestNothingIsLost] would
// not notice its loss.
func TestExamplesAreComplete(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/complete/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	covered := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\n---\n") {
			var document map[string]any
			if err := yaml.Unmarshal([]byte(part), &document); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			of, ok := Type(textAt(document, "apiVersion"), textAt(document, "kind"))
			if !ok {
				t.Fatalf("%s: %v", file, document["kind"])
			}
			cover(covered, "ObjectMeta", reflect.TypeFor[meta.ObjectMeta](), document["metadata"])
			cover(covered, of.Name(), of, document)
		}
	}
	for _, section := range sections() {
		for _, name := range sorted(section.fields) {
			treated := section.fields[name].treatment
			if (treated == yes || treated == ignored) && !covered[section.name+"."+name] {
				t.Errorf("no example has %s.%s", section.name, name)
			}
		}
	}
}

// cover notes the fields that a value has.
func cover(covered map[string]bool, name string, of reflect.Type, value any) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			cover(covered, name, of, item)
		}
	case map[string]any:
		if of.Kind() != reflect.Struct {
			return
		}
		for _, f := range fieldsOf(of) {
			inside, ok := value[f.name]
			if !ok {
				continue
			}
			covered[name+"."+f.name] = true
			next := f.of.Name()
			if f.of == reflect.TypeFor[meta.ObjectMeta]() && of != reflect.TypeFor[core.PersistentVolumeClaim]() {
				next = "ObjectMeta of a template"
			}
			cover(covered, next, f.of, inside)
		}
	}
}

// TestDocumentation keeps the list of fields in docs/kubernetes.md as the tables are.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- fields: written by go test ./manifests/convert/kube -update -->\n", "<!-- /fields -->"
	path := filepath.Join("..", "..", "..", "docs", "kubernetes.md")
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

// document describes davit's treatment of each field, for people.
func document() string {
	words := map[treatment]string{yes: "yes", no: "no", ignored: "warned of", silent: "no meaning"}
	var text strings.Builder
	for _, section := range sections() {
		fmt.Fprintf(&text, "\n### %s\n\n| field | honoured | |\n|-------|----------|---|\n", section.name)
		for _, name := range sorted(section.fields) {
			f := section.fields[name]
			fmt.Fprintf(&text, "| %s | %s | %s |\n", name, words[f.treatment], f.reason)
		}
	}
	return text.String() + "\n"
}
