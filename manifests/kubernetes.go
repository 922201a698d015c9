package manifests

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/davit-project/davit/manifests/kube"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// decodeKubernetes makes davit's objects of a document of Kubernetes'. Its fields are checked
// against Kubernetes' own type first, which tells a slip from what davit does not do.
func (d *document) decodeKubernetes(apiVersion, kind string, of reflect.Type) {
	d.kubernetes = true
	tree, _ := d.value(d.root, of, "").(map[string]any)
	if len(d.diagnostics) > 0 {
		return
	}
	result := kube.Convert(apiVersion, kind, tree)
	d.reportAll(result.Problems)
	if len(d.diagnostics) > 0 {
		return // what it came to would only say the same again
	}
	d.service, d.persistent, d.about = result.Service, result.PersistentVolume, result.Meta
	for i, object := range result.Objects {
		made := d
		if i > 0 {
			made = &document{file: d.file, files: d.files, root: d.root, nodes: d.nodes, open: d.open, kubernetes: true}
			d.others = append(d.others, made)
		}
		made.object, made.from, made.to, made.claim = object.Object, object.From, object.To, object.Claim
		made.checkEnums(reflect.ValueOf(object.Object).Elem(), "")
	}
}

// reportAll reports what the conversion has to say.
func (d *document) reportAll(problems []kube.Problem) {
	for _, problem := range problems {
		node := d.nodeAt(problem.Path)
		if problem.Warning {
			d.warnings = append(d.warnings, object.Diagnostic{
				Position: d.position(node), Path: problem.Path, Message: problem.Message, Hint: problem.Hint, Severity: object.SeverityWarning,
			})
			continue
		}
		d.report(node, problem.Path, problem.Message, problem.Hint)
	}
}

// sourcePath is the path in the document of a field of its object.
func (d *document) sourcePath(field string) string {
	if rest, ok := strings.CutPrefix(field, d.from); ok {
		return d.to + rest
	}
	return field
}

// clusterOnly reports whether a document is of a kind that only a cluster has, and warns of it, or refuses it. It becomes
// nothing, and does not keep the set from being complete.
func (d *document) clusterOnly(version, kind *yaml.Node, refuse bool) bool {
	reason, ok := kube.ClusterKind(version.Value, kind.Value)
	if !ok {
		return false
	}
	if refuse {
		d.report(kind, "kind", "davit has no "+kind.Value, reason)
	} else {
		d.warnings = append(d.warnings, object.Diagnostic{
			Position: d.position(kind), Path: "kind", Message: "davit has no " + kind.Value + ", and leaves it out: " + reason, Severity: object.SeverityWarning,
		})
	}
	return true
}

// unknownAPI reports an apiVersion or kind that davit does not know.
func (d *document) unknownAPI(version, kind *yaml.Node) {
	if instead := kube.Instead(version.Value, kind.Value); instead != "" {
		d.report(kind, "kind", "davit has no "+kind.Value, instead)
		return
	}
	known := append(kube.APIVersions(), v1.APIVersion)
	if !slices.Contains(known, version.Value) {
		hint := didYouMean(version.Value, known)
		if hint == "" {
			hint = "davit knows " + strings.Join(known, ", ")
		}
		d.report(version, "apiVersion", fmt.Sprintf("unknown apiVersion %q", version.Value), hint)
		return
	}
	kinds := kube.Kinds(version.Value)
	hint := didYouMean(kind.Value, kinds)
	if hint == "" {
		hint = "of " + version.Value + " it knows " + strings.Join(kinds, ", ")
	}
	d.report(kind, "kind", fmt.Sprintf("davit does not know the kind %q", kind.Value), hint)
}

// listed are the documents of a List, each with its own place; nil when the document is none.
func (d *document) listed() ([]*document, bool) {
	kind, items := d.scalar("kind"), d.entry("items")
	if kind == nil || kind.Value != "List" || items == nil || items.Kind != yaml.SequenceNode {
		return nil, false
	}
	documents := make([]*document, 0, len(items.Content))
	for _, item := range items.Content {
		documents = append(documents, &document{file: d.file, root: item, nodes: map[string]*yaml.Node{"": item}})
	}
	return documents, true
}

// kubernetesValue checks a node against the types of Kubernetes' that are more than their
// fields; ok is false for any other type.
func (d *document) kubernetesValue(node *yaml.Node, want reflect.Type, path string) (value any, ok bool) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return nil, true // not set
	case want == reflect.TypeFor[intstr.IntOrString]():
		if node.Tag == "!!int" {
			return d.integer(node, reflect.TypeFor[int32](), path), true
		}
		return d.value(node, reflect.TypeFor[string](), path), true
	case want == reflect.TypeFor[resource.Quantity]():
		return d.value(node, quantityType, path), true
	case want == reflect.TypeFor[meta.Time](), want == reflect.TypeFor[meta.MicroTime]():
		if node.Kind != yaml.ScalarNode {
			return d.mistyped(node, path, "a time", ""), true
		}
		return node.Value, true
	case want == reflect.TypeFor[meta.FieldsV1](), want == reflect.TypeFor[runtime.RawExtension]():
		return d.any(node, path), true
	case isInteger(want) && node.Tag == "!!int" && len(node.Value) > 1 && node.Value[0] == '0':
		// kubectl reads YAML 1.1, in which 0644 is octal.
		number, err := strconv.ParseInt(strings.TrimPrefix(node.Value, "0o"), 8, want.Bits())
		if err != nil {
			return d.mistyped(node, path, "a number", ""), true
		}
		return number, true
	}
	return nil, false
}

func isInteger(of reflect.Type) bool {
	return of.Kind() == reflect.Int32 || of.Kind() == reflect.Int64
}

// checkEnums checks the fields that have a set of values. The decoder does so for davit's own
// kinds.
func (d *document) checkEnums(value reflect.Value, path string) {
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			d.checkEnums(value.Elem(), path)
		}
	case reflect.Slice:
		for i := range value.Len() {
			d.checkEnums(value.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Struct:
		for _, field := range v1.Fields(value.Type()) {
			member := value.FieldByIndex(field.Index)
			if member.IsZero() {
				continue // as most are
			}
			at := join(path, field.Name)
			if text := member; field.Enum != nil && text.Kind() == reflect.String && !slices.Contains(field.Enum, text.String()) {
				hint := didYouMean(text.String(), field.Enum)
				if hint == "" {
					hint = "one of " + v1.EnumText(field.Enum)
				}
				if field.Name != "apiVersion" {
					d.errorHint(at, hint, "unknown value %q", text.String())
				}
				continue
			}
			d.checkEnums(member, at)
		}
	}
}

// bindClaims makes volumes paths of the node where a PersistentVolume says so.
func bindClaims(documents, here []*document, node *Node) {
	var claims []*kube.Claim
	var volumes []*kube.PersistentVolume
	sources := map[*kube.PersistentVolume]*document{}
	for _, d := range here {
		if d.claim != nil {
			claims = append(claims, d.claim)
		}
	}
	for _, d := range documents {
		if d.persistent != nil && len(d.diagnostics) == 0 && leftOut(d.about, node) == "" {
			volumes, sources[d.persistent] = append(volumes, d.persistent), d
		}
	}
	bound, unused := kube.Bind(claims, volumes)
	for _, d := range here {
		switch volume := bound[d.claim]; {
		case d.claim == nil:
		case volume == nil:
			d.reportAll(d.claim.Unbound())
		default:
			path := volume.Path
			d.object.(*v1.Volume).Spec = v1.VolumeSpec{HostPath: &path}
		}
	}
	for _, volume := range unused {
		sources[volume].warn("metadata.name", "no claim is bound to it")
	}
}

// connectServices gives the pods of a node what services ask for them.
func connectServices(documents, here []*document, node *Node) {
	var pods []*v1.Pod
	for _, d := range here {
		if pod, ok := d.object.(*v1.Pod); ok {
			pods = append(pods, pod)
		}
	}
	index := kube.IndexPods(pods)
	for _, d := range documents {
		if d.service != nil && len(d.diagnostics) == 0 && leftOut(d.about, node) == "" {
			d.reportAll(kube.Connect(d.service, index))
		}
	}
	for _, d := range here {
		d.limitSurge()
	}
}

// surgePaths are where a manifest says how many pods may be started beside those that run.
var surgePaths = []string{"spec.strategy.rollingUpdate.maxSurge", "spec.updateStrategy.rollingUpdate.maxSurge"}

// limitSurge takes the surge from a pod that there cannot be one more of, now that services have published its ports, and
// says so where the manifest asks for one.
func (d *document) limitSurge() {
	pod, ok := d.object.(*v1.Pod)
	if !ok || !d.kubernetes {
		return
	}
	surges := pod.Spec.UpdatePolicy.MaxSurge
	reason := kube.WithinMeans(&pod.Spec)
	if reason == "" || surges == nil || *surges == 0 {
		return
	}
	for _, path := range surgePaths {
		if node, asked := d.nodes[path]; asked {
			d.warnings = append(d.warnings, object.Diagnostic{
				Position: d.position(node), Path: path, Message: "is ignored: " + reason, Severity: object.SeverityWarning,
			})
		}
	}
}
