package convert

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/davit-project/davit/manifests/check"
	"github.com/davit-project/davit/manifests/convert/kube"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/manifests/yaml"
)

// decodeKubernetes makes davit's objects of a document of Kubernetes'. Its fields are checked against Kubernetes' own type first,
// which distinguishes a slip from a field that davit lacks.
func (d *Document) decodeKubernetes(apiVersion, kind string, of reflect.Type) (others []*Document) {
	d.kubernetes = true
	tree, _ := d.Read(of, yaml.Dialect{Value: kubernetesValue, Optional: true}).(map[string]any)
	if len(d.Diagnostics) > 0 {
		return nil
	}
	result := kube.Convert(apiVersion, kind, tree)
	d.reportAll(result.Problems)
	if len(d.Diagnostics) > 0 {
		return nil // its result would only repeat the same
	}
	d.service, d.persistent, d.about = result.Service, result.PersistentVolume, result.Meta
	for i, object := range result.Objects {
		made := d
		if i > 0 {
			made = newDocument(d.Twin())
			made.kubernetes = true
			others = append(others, made)
		}
		made.Object, made.from, made.to, made.claim = object.Object, object.From, object.To, object.Claim
		check.Enums(&made.Subject)
		made.Settle()
	}
	return others
}

// reportAll reports the messages of the conversion.
func (d *Document) reportAll(problems []kube.Problem) {
	for _, problem := range problems {
		found := object.Diagnostic{Path: problem.Path, Message: problem.Message, Hint: problem.Hint}
		if problem.Warning {
			found.Severity = object.SeverityWarning
		}
		d.Add(found)
	}
}

// sourcePath is the path in the document of a field of its object.
func (d *Document) sourcePath(field string) string {
	if rest, ok := strings.CutPrefix(field, d.from); ok {
		return d.to + rest
	}
	return field
}

// clusterOnly reports whether a document is of a kind that only a cluster has, and warns of it, or refuses it. It becomes
// nothing, and does not keep the set from being complete.
func (d *Document) clusterOnly(version, kind *yaml.Node, refuse bool) bool {
	reason, ok := kube.ClusterKind(version.Value, kind.Value)
	if !ok {
		return false
	}
	if refuse {
		d.Report(kind, "kind", "davit has no "+kind.Value, reason)
	} else {
		d.Warnings = append(d.Warnings, object.Diagnostic{
			Position: d.Position(kind), Path: "kind", Message: "davit has no " + kind.Value + ", and leaves it out: " + reason, Severity: object.SeverityWarning,
		})
	}
	return true
}

// unknownAPI reports an apiVersion or kind that davit does not know.
func (d *Document) unknownAPI(version, kind *yaml.Node) {
	if instead := kube.Instead(version.Value, kind.Value); instead != "" {
		d.Report(kind, "kind", "davit has no "+kind.Value, instead)
		return
	}
	known := append(kube.APIVersions(), v1.APIVersion)
	if !slices.Contains(known, version.Value) {
		hint := suggest.DidYouMean(version.Value, known)
		if hint == "" {
			hint = "davit knows " + strings.Join(known, ", ")
		}
		d.Report(version, "apiVersion", fmt.Sprintf("unknown apiVersion %q", version.Value), hint)
		return
	}
	kinds := kube.Kinds(version.Value)
	hint := suggest.DidYouMean(kind.Value, kinds)
	if hint == "" {
		hint = "of " + version.Value + " it knows " + strings.Join(kinds, ", ")
	}
	d.Report(kind, "kind", fmt.Sprintf("davit does not know the kind %q", kind.Value), hint)
}

// kubernetesValue checks a node against the types of Kubernetes' that are more than their
// fields; ok is false for any other type.
func kubernetesValue(r *yaml.Reader, node *yaml.Node, want reflect.Type, path string) (value any, ok bool) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return nil, true // not set
	case want == reflect.TypeFor[intstr.IntOrString]():
		if node.Tag == "!!int" {
			return r.Integer(node, reflect.TypeFor[int32](), path), true
		}
		return r.Value(node, reflect.TypeFor[string](), path), true
	case want == reflect.TypeFor[resource.Quantity]():
		return r.Value(node, reflect.TypeFor[v1.Quantity](), path), true
	case want == reflect.TypeFor[meta.Time](), want == reflect.TypeFor[meta.MicroTime]():
		if node.Kind != yaml.ScalarNode {
			return r.Mistyped(node, path, "a time", ""), true
		}
		return node.Value, true
	case want == reflect.TypeFor[meta.FieldsV1](), want == reflect.TypeFor[runtime.RawExtension]():
		return r.Any(node, path), true
	case isInteger(want) && node.Tag == "!!int" && len(node.Value) > 1 && node.Value[0] == '0':
		// kubectl reads YAML 1.1, in which 0644 is octal.
		number, err := strconv.ParseInt(strings.TrimPrefix(node.Value, "0o"), 8, want.Bits())
		if err != nil {
			return r.Mistyped(node, path, "a number", ""), true
		}
		return number, true
	}
	return nil, false
}

func isInteger(of reflect.Type) bool {
	return of.Kind() == reflect.Int32 || of.Kind() == reflect.Int64
}

// BindClaims makes volumes paths of the node where a PersistentVolume says so. here are the documents whose objects are for the node;
// applies reports whether a PersistentVolume is.
func BindClaims(documents, here []*Document, applies func(v1.ObjectMeta) bool) {
	var claims []*kube.Claim
	var volumes []*kube.PersistentVolume
	sources := map[*kube.PersistentVolume]*Document{}
	for _, d := range here {
		if d.claim != nil {
			claims = append(claims, d.claim)
		}
	}
	for _, d := range documents {
		if d.persistent != nil && len(d.Diagnostics) == 0 && applies(d.about) {
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
			d.Object.(*v1.Volume).Spec = v1.VolumeSpec{HostPath: &path}
		}
	}
	for _, volume := range unused {
		sources[volume].Add(object.Diagnostic{Path: "metadata.name", Message: "no claim is bound to it", Severity: object.SeverityWarning})
	}
}

// ConnectServices gives the pods of a node the names and ports of services, as [BindClaims] does with volumes.
func ConnectServices(documents, here []*Document, applies func(v1.ObjectMeta) bool) {
	var pods []*v1.Pod
	for _, d := range here {
		if pod, ok := d.Object.(*v1.Pod); ok {
			pods = append(pods, pod)
		}
	}
	index := kube.IndexPods(pods)
	for _, d := range documents {
		if d.service != nil && len(d.Diagnostics) == 0 && applies(d.about) {
			d.reportAll(kube.Connect(d.service, index))
		}
	}
	for _, d := range here {
		d.LimitSurge()
	}
}

// surgePaths are where a manifest says how many pods may be started beside those that run.
var surgePaths = []string{"spec.strategy.rollingUpdate.maxSurge", "spec.updateStrategy.rollingUpdate.maxSurge"}

// LimitSurge takes the surge from a pod that there cannot be one more of, now that services have published its ports, and
// says so where the manifest asks for one.
func (d *Document) LimitSurge() {
	pod, ok := d.Object.(*v1.Pod)
	if !ok || !d.kubernetes {
		return
	}
	surges := pod.Spec.UpdatePolicy.MaxSurge
	reason := kube.WithinMeans(&pod.Spec)
	if reason == "" || surges == nil || *surges == 0 {
		return
	}
	for _, path := range surgePaths {
		if node, asked := d.Nodes[path]; asked {
			d.Warnings = append(d.Warnings, object.Diagnostic{
				Position: d.Position(node), Path: path, Message: "is ignored: " + reason, Severity: object.SeverityWarning,
			})
		}
	}
}
