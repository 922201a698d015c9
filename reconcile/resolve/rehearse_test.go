package resolve_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// validated returns the output of davit validate for manifests.
func validated(text string) object.Diagnostics {
	return manifests.Load([]manifests.File{{Path: "app.yaml", Text: []byte(text)}}, manifests.Options{Rehearse: resolve.Rehearse}).Diagnostics
}

// TestRehearsal has a row for each fault that only resolving an object shows, and the place that it is reported at.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	const (
		data = reconciletest.Header + "Config\nmetadata: {name: settings}\ndata: {level: debug, \"nul\": \"a\\0b\"}\nbinaryData: {blob: /v8=}\n---\n" +
			reconciletest.Header + "Secret\nmetadata: {name: login}\ndata: {key: /v8=}\nstringData: {user: root}\n---\n"
		fromConfig = "configMapKeyRef: {name: settings, key: %s}"
	)
	big := reconciletest.Header + "Config\nmetadata: {name: big}\ndata:\n"
	for key := range 10 {
		big += fmt.Sprintf("  k%d: %s\n", key, strings.Repeat("x", 100_000))
	}
	big += "---\n"
	variable := func(from string) string { return "env: [{name: A, valueFrom: {" + from + "}}]" }
	volume := func(source string, mount ...string) string {
		return "volumes: [{name: v, " + source + "}]\n  volumeMounts: [{name: v, mountPath: /v" + strings.Join(mount, "") + "}]"
	}
	for name, test := range map[string]struct{ text, want string }{
		"a key that a Config lacks": {reconciletest.Container("a", variable(fmt.Sprintf(fromConfig, "leve"))),
			`spec.env[0].valueFrom.configMapKeyRef.key: Config/settings has no key "leve": add it, or set optional: true`},
		"a key that a Config lacks, optional": {reconciletest.Container("a", variable("configMapKeyRef: {name: settings, key: leve, optional: true}")), ""},
		"a key that a Secret lacks": {reconciletest.Container("a", variable("secretKeyRef: {name: login, key: pass}")),
			`spec.env[0].valueFrom.secretKeyRef.key: Secret/login has no key "pass"`},
		"a variable with a NUL": {reconciletest.Container("a", variable(fmt.Sprintf(fromConfig, "nul"))),
			`spec.env[0].valueFrom.configMapKeyRef.key: the value of key "nul" of Config/settings has a NUL character`},
		"a variable that is not text": {reconciletest.Container("a", variable("secretKeyRef: {name: login, key: key}")),
			`spec.env[0].valueFrom.secretKeyRef.key: the value of key "key" of Secret/login is not text in UTF-8: mount it as a file`},
		"variables that are not text": {reconciletest.Container("a", "env: [{name: B, value: b}]", "envFrom: [{secretRef: {name: login}}]"),
			`spec.envFrom[0]: the value of key "key" of Secret/login is not text`},
		"a file of a key that a Config lacks": {reconciletest.Container("a", volume("configMap: {name: settings, items: [{key: level, path: a}, {key: leve, path: b}]}")),
			`spec.volumes[0].configMap.items[1].key: Config/settings has no key "leve"`},
		"a file of a key that a Secret lacks, of several sources": {reconciletest.Container("a", volume("projected: {sources: [{configMap: {name: settings}}, {secret: {name: login, items: [{key: pass, path: p}]}}]}")),
			`spec.volumes[0].projected.sources[1].secret.items[0].key: Secret/login has no key "pass"`},
		"two files of one name": {reconciletest.Container("a", volume("configMap: {name: settings, items: [{key: level, path: a}, {key: blob, path: a}]}")),
			`spec.volumes[0].configMap.items[1]: two sources make the file a`},
		"a file that is a directory too": {reconciletest.Container("a", volume("configMap: {name: settings, items: [{key: level, path: a/b}, {key: blob, path: a}]}")),
			`spec.volumes[0].configMap.items[1]: a/b and a cannot both be files`},
		"a path in a volume that it lacks": {reconciletest.Container("a", volume("configMap: {name: settings}", ", subPath: leve")),
			`spec.volumeMounts[0]: mount /v: the volume has no file leve`},
		"a secret as an argument": {reconciletest.Container("a", variable("secretKeyRef: {name: login, key: user}"), "args: [run, '--as=$(A)']"),
			`spec.args[1]: argument "--as=$(A)" has the value of a secret`},
		"an argument that gets too long": {reconciletest.Container("a", "env: [{name: A, value: "+strings.Repeat("a", 1000)+"}]", "command: [run, '"+strings.Repeat("$(A)", 132)+"']"),
			`spec.command[1]: argument 1 has 132000 bytes: the kernel takes at most 131071`},
		"variables that are too many together": {big + reconciletest.Container("a", "envFrom: [{prefix: A, configMapRef: {name: big}}, {prefix: B, configMapRef: {name: big}}, {prefix: C, configMapRef: {name: big}}]"),
			`spec: arguments and environment have 30`},
		"variables that are too many for a small stack": {big + reconciletest.Container("a", "envFrom: [{configMapRef: {name: big}}]", "ulimits: [{name: stack, soft: 1048576}]"),
			`spec: arguments and environment have 10`},
		"variables that are many for a stack without a limit": {big + reconciletest.Container("a", "envFrom: [{prefix: A, configMapRef: {name: big}}, {prefix: B, configMapRef: {name: big}}, {prefix: C, configMapRef: {name: big}}]",
			"ulimits: [{name: stack, soft: -1}]"), ""},
		"an address outside of its network": {reconciletest.Header + "Network\nmetadata: {name: back}\nspec: {subnets: [{subnet: 10.1.0.0/24}]}\n---\n" +
			reconciletest.Container("a", "networks: [{name: back, addresses: [10.2.0.5]}]"),
			`spec.networks[0].addresses: address 10.2.0.5 is in no subnet of network back (10.1.0.0/24)`},
		"a network that the node may have":               {reconciletest.Container("a", "networks: [{name: lan}]"), ""},
		"a runtime and a profile that the node may have": {reconciletest.Container("a", "runtime: crun", "securityContext: {seccompProfile: {type: Localhost, localhostProfile: a.json}}"), ""},
		"a limit that is not there": {reconciletest.Container("a", variable("resourceFieldRef: {resource: limits.cpu}")),
			`spec.env[0].valueFrom.resourceFieldRef: the container has no resources.limits.cpu`},
		"hooks of what runs to its end": {reconciletest.Container("a", "oneshot: true", "lifecycle: {preStop: {sleep: {seconds: 1}}}"),
			`spec.lifecycle: a container that runs to its end has no hooks: leave lifecycle out`},
		"a pod of Kubernetes": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: one, image: nginx}\n" +
			"  - {name: two, image: nginx, env: [{name: A, valueFrom: {secretKeyRef: {name: login, key: pass}}}]}\n",
			`spec.containers[1].env[0].valueFrom.secretKeyRef.key: Secret/login has no key "pass"`},
		"a CronJob of several pods": {"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: '@daily', jobTemplate: {spec: {completions: 2, template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}\n",
			`spec.jobTemplate.spec: davit does not run several pods of a CronJob's job`},
		"two containers of one unit": {reconciletest.Header + "Pod\nmetadata: {name: a}\nspec: {containers: [{name: b, image: example.com/a:1}, {name: pod, image: example.com/a:1}]}\n", `spec.containers[1].name: its unit a-pod`},
	} {
		diagnostics := validated(data + test.text)
		switch {
		case test.want == "" && len(diagnostics) > 0:
			t.Errorf("%s: %v", name, diagnostics)
		case test.want != "" && len(diagnostics) == 0:
			t.Errorf("%s: no error: want %s", name, test.want)
		case test.want != "" && !strings.HasPrefix(diagnostics[0].Text(), test.want):
			t.Errorf("%s:\ngot  %s\nwant %s", name, diagnostics[0].Text(), test.want)
		}
	}
}

// TestRehearsalOfSeveralNodes has objects that no node gets together.
func TestRehearsalOfSeveralNodes(t *testing.T) {
	t.Parallel()
	const berlin, paris = "Config\nmetadata: {name: site, nodeSelector: {site: berlin}}\n", "Config\nmetadata: {name: site, nodeSelector: {site: paris}}\n"
	user := reconciletest.Container("a", "env: [{name: A, valueFrom: {configMapKeyRef: {name: site, key: name}}}]")
	for name, test := range map[string]struct {
		text string
		want int
	}{
		"both have what is needed": {reconciletest.Header + berlin + "data: {name: b}\n---\n" + reconciletest.Header + paris + "data: {name: p}\n---\n" + user, 0},
		"one lacks it":             {reconciletest.Header + berlin + "data: {name: b}\n---\n" + reconciletest.Header + paris + "---\n" + user, 1},
		"networks that overlap": {reconciletest.Header + "Network\nmetadata: {name: a, nodeSelector: {site: berlin}}\nspec: {subnets: [{subnet: 10.1.0.0/24}]}\n---\n" +
			reconciletest.Header + "Network\nmetadata: {name: b, nodeSelector: {site: paris}}\nspec: {subnets: [{subnet: 10.1.0.0/24}]}\n", 0},
	} {
		if diagnostics := validated(test.text); len(diagnostics) != test.want {
			t.Errorf("%s: %v", name, diagnostics)
		}
	}
}
