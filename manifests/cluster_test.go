package manifests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/fleet"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// clusterOnly are the kinds that only a cluster has.
var clusterOnly = []struct{ apiVersion, kind string }{
	{"v1", "Namespace"},
	{"v1", "ServiceAccount"},
	{"v1", "LimitRange"},
	{"v1", "ResourceQuota"},
	{"rbac.authorization.k8s.io/v1", "Role"},
	{"rbac.authorization.k8s.io/v1", "RoleBinding"},
	{"rbac.authorization.k8s.io/v1", "ClusterRole"},
	{"rbac.authorization.k8s.io/v1", "ClusterRoleBinding"},
	{"autoscaling/v2", "HorizontalPodAutoscaler"},
	{"autoscaling/v1", "HorizontalPodAutoscaler"},
	{"policy/v1", "PodDisruptionBudget"},
	{"scheduling.k8s.io/v1", "PriorityClass"},
	{"storage.k8s.io/v1", "StorageClass"},
	{"apiextensions.k8s.io/v1", "CustomResourceDefinition"},
}

// TestKindsOfAClusterAreLeftOut wants one warning for each, a set that is complete, so that pruning goes on, and an error
// where the node's owner wants that.
func TestKindsOfAClusterAreLeftOut(t *testing.T) {
	t.Parallel()
	for _, test := range clusterOnly {
		text := fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: a, namespace: b}\nspec: {minReplicas: 1}\nrules: [{verbs: ['*']}]\n", test.apiVersion, test.kind)
		set := loadText(text)
		if !set.Complete() || len(set.Objects) > 0 || len(set.Warnings) != 1 {
			t.Errorf("%s: %v, %v", test.kind, set.Objects, set.All())
		}
		refused := Load([]File{{Path: "app.yaml", Text: []byte(text)}}, Options{RefuseUnsupported: true})
		if len(refused.Diagnostics) != 1 || refused.Complete() {
			t.Errorf("%s is not refused: %v", test.kind, refused.All())
		}
	}
	for config, want := range map[string]bool{"unsupportedKinds: error": true, "unsupportedKinds: warn": false, "{}": false} {
		if got, err := fleet.ParseConfig(File{Path: "config.yaml", Text: []byte(config)}); got.RefuseUnsupported != want || err != nil {
			t.Errorf("%s: %v, %v", config, got.RefuseUnsupported, err)
		}
	}
}

func persistentVolume(name, spec string) string {
	return "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
}

func claimNamed(name, spec string) string {
	return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: " + name + "}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}" + spec + "}\n---\n"
}

// TestClaimsAreBound has the rules by which a claim gets a PersistentVolume; want is the path of the Volume a.
func TestClaimsAreBound(t *testing.T) {
	t.Parallel()
	const (
		large = "capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce], "
		huge  = "capacity: {storage: 100Gi}, accessModes: [ReadWriteOnce], "
		small = "capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], "
	)
	for name, test := range map[string]struct{ text, want, warning string }{
		"by its size":                {persistentVolume("b", huge+"hostPath: {path: /huge}") + persistentVolume("c", large+"hostPath: {path: /large}") + claimNamed("a", ""), "/large", "metadata.name: no claim is bound to it"},
		"one too small":              {persistentVolume("b", small+"hostPath: {path: /small}") + claimNamed("a", ""), "", "spec.resources: is ignored"},
		"of another class":           {persistentVolume("b", large+"storageClassName: slow, hostPath: {path: /b}") + claimNamed("a", ""), "", "spec.resources: is ignored"},
		"of its class":               {persistentVolume("b", large+"storageClassName: slow, hostPath: {path: /b}") + claimNamed("a", ", storageClassName: slow"), "/b", ""},
		"with another access mode":   {persistentVolume("b", "capacity: {storage: 10Gi}, accessModes: [ReadOnlyMany], hostPath: {path: /b}") + claimNamed("a", ""), "", "spec.resources: is ignored"},
		"by its name":                {persistentVolume("b", small+"local: {path: /b/}") + claimNamed("a", ", volumeName: b"), "/b", ""},
		"by a name that is none":     {claimNamed("a", ", volumeName: b"), "", "spec.volumeName: is ignored: the manifests have no such PersistentVolume"},
		"by a reference to it":       {persistentVolume("b", small+"claimRef: {name: a}, hostPath: {path: /b}") + claimNamed("a", ""), "/b", ""},
		"by a reference to another":  {persistentVolume("b", large+"claimRef: {name: other}, hostPath: {path: /b}") + claimNamed("a", ""), "", "spec.resources: is ignored"},
		"in another namespace":       {persistentVolume("b", large+"claimRef: {name: a, namespace: shop}, hostPath: {path: /b}") + claimNamed("a", ""), "", "spec.resources: is ignored"},
		"one for each":               {persistentVolume("b", large+"hostPath: {path: /b}") + claimNamed("a", "") + claimNamed("z", ""), "/b", "spec.resources: is ignored"},
		"a network file system":      {persistentVolume("b", large+"nfs: {server: a, path: /b}"), "", "spec.nfs: davit cannot honour this field"},
		"no source":                  {persistentVolume("b", "capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce]"), "", "spec: want one of hostPath, local"},
		"a claim template's":         {persistentVolume("b", large+"claimRef: {name: a}, hostPath: {path: /b}") + strings.Replace(kubeClaimTemplate, "NAME", "web", 1), "", ""},
		"a disabled volume":          {strings.Replace(persistentVolume("b", large+"hostPath: {path: /b}"), "{name: b}", "{name: b, annotations: {davit.io/disabled: 'true'}}", 1) + claimNamed("a", ""), "", "spec.resources: is ignored"},
		"a volume of another node's": {persistentVolume("b", large+"local: {path: /b}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [edge-2]}]}]}}") + claimNamed("a", ""), "", "spec.resources: is ignored"},
	} {
		set := Load([]File{{Path: "app.yaml", Text: []byte(test.text)}}, Options{Node: &fleet.Node{Labels: map[string]string{"kubernetes.io/hostname": "edge-1"}}})
		got := ""
		for _, object := range set.Objects {
			if volume, ok := object.Object.(*v1.Volume); ok && volume.Metadata.Name == "a" && volume.Spec.HostPath != nil {
				got = volume.Spec.HostPath.Path
			}
		}
		if got != test.want || test.warning != "" && !strings.Contains(fmt.Sprint(set.All()), test.warning) {
			t.Errorf("%s: got %q, %v", name, got, set.All())
		}
	}
}

const kubeClaimTemplate = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: NAME}\nspec:\n  selector: {matchLabels: {app: a}}\n" +
	"  template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: nginx, volumeMounts: [{name: data, mountPath: /data}]}], volumes: [{name: data, emptyDir: {}}]}}\n" +
	"  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]\n"

// TestNamespaces shows the rule of docs/kubernetes.md: a name is one object's, whatever its namespace; services select
// within theirs.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	const config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: NAMESPACE}\n"
	one, two := strings.Replace(config, "NAMESPACE", "shop", 1), strings.Replace(config, "NAMESPACE", "till", 1)
	wantErrors(t, one+"---\n"+two,
		"app.yaml:3:18: metadata.name: Config/a is defined twice, also in app.yaml:5:1 (namespaces keep nothing apart here: give one of them another name)",
		"app.yaml:7:18: metadata.name: Config/a is defined twice, also in app.yaml:1:1 (namespaces keep nothing apart here: give one of them another name)")
	set := Load([]File{
		{Path: "base/a.yaml", Name: "base/a.yaml", Text: []byte(one)},
		{Path: "nodes/edge-1/a.yaml", Name: "nodes/edge-1/a.yaml", Text: []byte(two)},
	}, Options{Node: &fleet.Node{Hostname: "edge-1"}})
	if len(set.Diagnostics) == 0 || !strings.Contains(set.Diagnostics[0].Message, "is in another namespace") {
		t.Errorf("an overlay patched an object of another namespace: %v", set.Diagnostics)
	}
	service := strings.ReplaceAll(kubeService("selector: {app: web}", "ports: [{port: 8080}]"), "{name: front}", "{name: front, namespace: shop}")
	if set := loadText(service); len(set.Warnings) != 1 || set.Warnings[0].Message != "selects no pod" {
		t.Errorf("the service selects a pod of another namespace: %v", set.All())
	}
	set = loadText(strings.ReplaceAll(service, "{name: web, labels", "{name: web, namespace: shop, labels"))
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	pod := set.Objects[0].Object.(*v1.Pod)
	want := []v1.NetworkAttachment{{Name: "default", Aliases: []string{"front", "front.shop", "front.shop.svc", "front.shop.svc.cluster.local"}}}
	if diff := cmp.Diff(want, pod.Spec.Networks); diff != "" || pod.Metadata.Namespace != "shop" {
		t.Error(pod.Metadata, diff)
	}
}

// TestNamesLoseTheirDots shows that a name with dots, which Kubernetes allows, is one without here, where it is referred to
// too; two that come to the same are refused.
func TestNamesLoseTheirDots(t *testing.T) {
	t.Parallel()
	text := claimNamed("my.data", "") + strings.Replace(kubePod("volumes: [{name: v, persistentVolumeClaim: {claimName: my.data}}]"), "{name: web,", "{name: my.web,", 1)
	set := loadText(text)
	if err := set.Diagnostics.Err(); err != nil || len(set.Objects) != 2 {
		t.Fatal(err, set.Objects)
	}
	if got := set.Objects[0].Ref().String() + " " + set.Objects[1].Ref().String(); got != "Pod/my-web Volume/my-data" {
		t.Errorf("got %s", got)
	}
	wantErrors(t, claimNamed("my.data", "")+claimNamed("my-data", ""),
		"app.yaml:3:18: metadata.name: Volume/my-data is defined twice, also in app.yaml:6:1",
		"app.yaml:8:18: metadata.name: Volume/my-data is defined twice, also in app.yaml:1:1")
}
