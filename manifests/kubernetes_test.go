package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/fleet"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// kubePod is a Kubernetes Pod with further lines of its spec, which begin at line 6.
func kubePod(lines ...string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec:\n  containers: [{name: c, image: nginx, ports: [{name: http, containerPort: 8080}]}]\n  " +
		strings.Join(lines, "\n  ") + "\n"
}

// kubeContainer is a Deployment with further fields of its container, from line 8.
func kubeContainer(lines ...string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {app: web}}, spec: {containers: [{\n    name: c, image: nginx,\n    " +
		strings.Join(lines, "\n    ") + "\n  }]}}\n"
}

func kubeService(lines ...string) string {
	return kubePod() + "---\napiVersion: v1\nkind: Service\nmetadata: {name: front}\nspec:\n  " + strings.Join(lines, "\n  ") + "\n"
}

func TestKubernetesErrorsPoint(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{kubePod("hostNetwrk: true"), `app.yaml:6:3: spec.hostNetwrk: unknown field (did you mean "hostNetwork"?)`},
		{kubePod("hostNetwork: x"), `app.yaml:6:16: spec.hostNetwork: want true or false, got "x"`},
		{kubePod("os: {name: windows}"), `app.yaml:6:7: spec.os: davit cannot honour this field (davit runs Linux containers)`},
		{kubePod("restartPolicy: Sometimes"), `app.yaml:6:18: spec.restartPolicy: unknown value "Sometimes" (one of Always, OnFailure, Never)`},
		{kubePod("volumes: [{name: v, nfs: {server: a, path: /b}}]"), `app.yaml:6:28: spec.volumes[0].nfs: davit cannot honour this field`},
		{kubePod("volumes: [{name: v, configMap: {name: nowhere}}]"), `app.yaml:6:41: spec.volumes[0].configMap.name: there is no Config "nowhere"`},
		{kubePod("securityContext: {seLinuxOptions: {level: 's0,\"x'}}"), `app.yaml:6:45: spec.securityContext.seLinuxOptions.level: "s0,\"x": want a level such as s0:c123,c456`},
		{kubeContainer("imagee: x"), `app.yaml:8:5: spec.template.spec.containers[0].imagee: unknown field (did you mean "image"?)`},
		{kubeContainer("workingDir: app"), `app.yaml:8:17: spec.template.spec.containers[0].workingDir: "app": want an absolute path without . and ..`},
		{kubeContainer("resources: {limits: {gpu: 1}}"), `app.yaml:8:31: spec.template.spec.containers[0].resources.limits.gpu: unknown resource: want cpu, memory, hugepages-2Mi, hugepages-1Gi, or a limit of swap, pids or ephemeral-storage`},
		{kubeContainer("livenessProbe: {httpGet: {port: web}}"), `app.yaml:8:37: spec.template.spec.containers[0].livenessProbe.httpGet.port: the container has no port "web"`},
		{kubeContainer("env: [{name: A, valueFrom: {fileKeyRef: {key: a, path: b, volumeName: c}}}]"), `app.yaml:8:45: spec.template.spec.containers[0].env[0].valueFrom.fileKeyRef: davit cannot honour this field`},
		{kubeContainer("volumeMounts: [{name: v, mountPath: /v, bindMountOptions: [nodev]}]"), `app.yaml:8:63: spec.template.spec.containers[0].volumeMounts[0].bindMountOptions: davit cannot honour this field (mounts are nosuid and nodev)`},
		{"apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\nspec: {containers: []}\n", `app.yaml:3:26: metadata.generateName: davit makes up no names (write name)`},
		{"apiVersion: apps/v2\nkind: Deployment\n", `app.yaml:1:13: apiVersion: unknown apiVersion "apps/v2" (did you mean "apps/v1"?)`},
		{"apiVersion: networking.k8s.io/v1\nkind: Ingress\n", `app.yaml:2:7: kind: davit has no Ingress (publish a port with hostPort or a Service of type LoadBalancer, or run a proxy as a Container)`},
		{"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n", `app.yaml:2:7: kind: davit has no NetworkPolicy (put the workloads that may reach each other on a Network of its own: networks are kept apart)`},
		{"apiVersion: example.com/v1\nkind: Own\n", `app.yaml:1:13: apiVersion: unknown apiVersion "example.com/v1" (davit knows apps/v1, batch/v1, v1, davit/v1)`},
		{"apiVersion: v1\nkind: ConfigMp\n", `app.yaml:2:7: kind: davit does not know the kind "ConfigMp" (did you mean "ConfigMap"?)`},
		{"apiVersion: v1\nkind: Node\n", `app.yaml:2:7: kind: davit does not know the kind "Node" (of v1 it knows ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, ReplicationController, Secret, Service)`},
		{"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n  dat: {}\n", `app.yaml:7:3: dat: unknown field (did you mean "data"?)`},
		{"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: '* * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}\n", `app.yaml:4:18: spec.schedule: "* * *": expected exactly 5 fields, found 3: [* * *]`},
		{kubeService("selector: {app: web}", "ports: [{port: 80, targetPort: web}]"), `app.yaml:13:34: spec.ports[0].targetPort: no container of Pod/web has the port "web"`},
		{kubeService("type: ExternalName", "externalName: a.example"), `app.yaml:12:9: spec.type: davit has no services of type ExternalName`},
		{kubeService("ports: [{port: 80}]", "loadBalancerSourceRanges: [10.0.0.0/8]"), `app.yaml:13:29: spec.loadBalancerSourceRanges: davit cannot honour this field (davit filters no addresses: use the node's firewall)`},
	} {
		set := loadText(test.text)
		if len(set.Diagnostics) == 0 {
			t.Errorf("no error: want %s", test.want)
			continue
		}
		if got := set.Diagnostics[0].String(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestKubernetesFieldsThatOnlyAClusterNeeds(t *testing.T) {
	t.Parallel()
	set := loadText(kubePod("serviceAccountName: web", "affinity: {nodeAffinity: {}}", "tolerations: [{operator: Exists}]",
		"priorityClassName: high", "schedulerName: default-scheduler", "topologySpreadConstraints: []", "enableServiceLinks: true"))
	if err := set.Diagnostics.Err(); err != nil || len(set.Objects) != 1 {
		t.Fatalf("%v, %d objects", err, len(set.Objects))
	}
	var got []string
	for _, warning := range set.Warnings {
		got = append(got, warning.Path)
	}
	if diff := cmp.Diff([]string{"spec.serviceAccountName", "spec.affinity", "spec.tolerations", "spec.priorityClassName"}, got); diff != "" {
		t.Error(diff)
	}
	if want := "app.yaml:7:13: warning: spec.affinity: is ignored: there is one node to run on"; set.Warnings[1].String() != want {
		t.Errorf("got  %s\nwant %s", set.Warnings[1], want)
	}
}

func TestServicesNameAndPublish(t *testing.T) {
	t.Parallel()
	set := loadText(kubeService("type: NodePort", "selector: {app: web}", "ports: [{port: 80, targetPort: http, nodePort: 30080}]"))
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	pod := set.Objects[0].Object.(*v1.Pod)
	if diff := cmp.Diff([]v1.NetworkAttachment{{Name: "default", Aliases: []string{"front"}}}, pod.Spec.Networks); diff != "" {
		t.Error(diff)
	}
	if port := pod.Spec.Containers[0].Ports[0]; port.HostPort != 30080 || port.ContainerPort != 8080 {
		t.Errorf("got %+v", port)
	}
	chosen := loadText(kubeService("type: NodePort", "selector: {app: web}", "ports: [{port: 80, targetPort: http}]"))
	if port := chosen.Objects[0].Object.(*v1.Pod).Spec.Containers[0].Ports[0]; chosen.Diagnostics.Err() != nil || port.HostPort != 0 || !port.AutoHostPort {
		t.Errorf("got %+v, %v", port, chosen.Diagnostics)
	}
	if warnings := loadText(kubeService("selector: {app: other}", "ports: [{port: 80}]")).Warnings; len(warnings) != 1 || warnings[0].Message != "selects no pod" {
		t.Errorf("got %v", warnings)
	}
}

func TestKubernetesObjectsAreLeftOut(t *testing.T) {
	t.Parallel()
	node := &fleet.Node{Labels: map[string]string{"site": "berlin", "kubernetes.io/hostname": "edge-1"}}
	for spec, taken := range map[string]bool{
		"nodeSelector: {site: berlin}": true, "nodeSelector: {site: rome}": false,
		"nodeName: edge-1": true, "nodeName: edge-2": false,
	} {
		set := Load([]File{{Path: "app.yaml", Text: []byte(kubePod(spec))}}, Options{Node: node})
		if got := len(set.Objects) == 1; got != taken || !set.Complete() {
			t.Errorf("%s: taken is %v, %v", spec, got, set.Diagnostics)
		}
	}
	const config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {ANNOTATION}}\n"
	for annotation, taken := range map[string]bool{
		`davit.io/node-selector: "site=berlin"`: true, `davit.io/node-selector: "site=rome"`: false,
		`davit.io/disabled: "true"`: false, `davit.io/disabled: "false"`: true,
	} {
		text := strings.Replace(config, "ANNOTATION", annotation, 1)
		set := Load([]File{{Path: "app.yaml", Text: []byte(text)}}, Options{Node: node})
		if got := len(set.Objects) == 1; got != taken {
			t.Errorf("%s: taken is %v, %v", annotation, got, set.Diagnostics)
		}
	}
}

func TestKubernetesObjectsCanBePatched(t *testing.T) {
	t.Parallel()
	patch := "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: c, image: 'nginx:2'}]\n"
	set := Load([]File{
		{Path: "base/web.yaml", Name: "base/web.yaml", Text: []byte(kubePod())},
		{Path: "nodes/edge-1/web.yaml", Name: "nodes/edge-1/web.yaml", Text: []byte(patch)},
	}, Options{Node: &fleet.Node{Hostname: "edge-1"}})
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	container := set.Objects[0].Object.(*v1.Pod).Spec.Containers[0]
	if container.Image != "docker.io/library/nginx:2" || len(container.Ports) != 1 {
		t.Errorf("got %+v", container)
	}
}
