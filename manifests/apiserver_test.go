package manifests

import (
	"strings"
	"testing"
)

// kubeDeployment is a Deployment that is right, with a specification of its own beside selector and template.
func kubeDeployment(lines ...string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n" +
		"  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: nginx}]}}\n  " + strings.Join(lines, "\n  ") + "\n"
}

func kubeClaim(spec string) string {
	return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: " + spec + "\n"
}

func kubeCronJob(name, spec string) string {
	return "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: " + name + "}\nspec: {schedule: '0 0 * * *', " + spec +
		"jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}\n"
}

func kubeInit(fields string) string {
	return kubePod("initContainers: [{name: i, image: busybox, " + fields + "}]")
}

// TestAsStrictAsTheAPIServer has a row for each fault that kube-apiserver 1.37 refuses with strict field validation: what
// it says, and what davit says; and for what it takes though it looks wrong.
func TestAsStrictAsTheAPIServer(t *testing.T) {
	t.Parallel()
	const (
		labels = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, "
		secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"
		taken  = ""
	)
	for _, test := range []struct{ fault, text, server, davit string }{
		{"a label's key", labels + "labels: {'a b': c}}\n",
			`metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.'`,
			`metadata.labels.a b: "a b" is not a label: want NAME or example.com/NAME`},
		{"a label's value", labels + "labels: {a: 'b c'}}\n",
			`metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters`,
			`metadata.labels.a: "b c" is not a label's value`},
		{"a label's value of 64 characters", labels + "labels: {a: " + strings.Repeat("x", 64) + "}}\n",
			`metadata.labels: Invalid value: "xxx…": must be no more than 63 bytes`,
			`metadata.labels.a: "xxx`},
		{"an annotation's key", labels + "annotations: {'a/b/c': d}}\n",
			`metadata.annotations: Invalid value: "a/b/c": a valid label key must consist of alphanumeric characters`,
			`metadata.annotations.a/b/c: "a/b/c" is not the name of an annotation`},
		{"a template's label", strings.Replace(kubeDeployment(), "{app: web}}, spec", "{app: web, x: 'a b'}}, spec", 1),
			`spec.template.labels: Invalid value: "a b": a valid label must be`,
			`spec.template.metadata.labels.x: "a b" is not a label's value`},
		{"a port's name of 16 characters", kubeContainer("ports: [{name: abcdefghijklmnop, containerPort: 80}]"),
			`spec.template.spec.containers[0].ports[0].name: Invalid value: "abcdefghijklmnop": must be no more than 15 characters`,
			`spec.template.spec.containers[0].ports[0].name: "abcdefghijklmnop": want at most 15`},
		{"a port's name in upper case", kubeContainer("ports: [{name: HTTP, containerPort: 80}]"),
			`spec.template.spec.containers[0].ports[0].name: Invalid value: "HTTP": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`,
			`spec.template.spec.containers[0].ports[0].name: "HTTP": want at most 15`},
		{"a port's name twice", kubeContainer("ports: [{name: a, containerPort: 80}, {name: a, containerPort: 81}]"),
			`spec.template.spec.containers[0].ports[1].name: Duplicate value: "a"`,
			`spec.template.spec.containers[0].ports[1].name: port a appears twice`},
		{"a limit below its request", kubeContainer("resources: {limits: {cpu: 1}, requests: {cpu: 1500m}}"),
			`spec.template.spec.containers[0].resources.requests: Invalid value: "1500m": must be less than or equal to cpu limit of 1`,
			`spec.template.spec.containers[0].resources.requests.cpu: 1500m is more than the limit of 1`},
		{"privileged without escalation", kubeContainer("securityContext: {privileged: true, allowPrivilegeEscalation: false}"),
			"spec.template.spec.containers[0].securityContext: Invalid value: …: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
			`spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation: false goes not with privileged: true`},
		{"CAP_SYS_ADMIN without escalation", kubeContainer("securityContext: {capabilities: {add: [CAP_SYS_ADMIN]}, allowPrivilegeEscalation: false}"),
			"spec.template.spec.containers[0].securityContext: Invalid value: …: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
			`spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation: false goes not with the capability CAP_SYS_ADMIN`},
		{"a readiness probe of an init container", kubeInit("readinessProbe: {tcpSocket: {port: 80}}"),
			`spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always`,
			`spec.initContainers[0].readinessProbe: an init container runs to its end`},
		{"a liveness probe of an init container", kubeInit("livenessProbe: {tcpSocket: {port: 80}}"),
			`spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always`,
			`spec.initContainers[0].livenessProbe: an init container runs to its end`},
		{"a startup probe of an init container", kubeInit("startupProbe: {tcpSocket: {port: 80}}"),
			`spec.initContainers[0].startupProbe: Forbidden: may not be set for init containers without restartPolicy=Always`,
			`spec.initContainers[0].startupProbe: an init container runs to its end`},
		{"a hook of an init container", kubeInit("lifecycle: {preStop: {sleep: {seconds: 1}}}"),
			`spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always`,
			`spec.initContainers[0].lifecycle: an init container runs to its end`},
		{"a probe of a sidecar", kubeInit("restartPolicy: Always, readinessProbe: {tcpSocket: {port: 80}}"), taken, taken},
		{"no selector", strings.Replace(kubeDeployment(), "  selector: {matchLabels: {app: web}}\n", "", 1),
			`spec.selector: Required value`, `spec.selector: missing`},
		{"a selector that is empty", strings.Replace(kubeDeployment(), "{matchLabels: {app: web}}", "{matchLabels: {}}", 1),
			`spec.selector: Invalid value: {}: empty selector is invalid for deployment`, `spec.selector: selects nothing`},
		{"a selector that does not match", strings.Replace(kubeDeployment(), "{matchLabels: {app: web}}", "{matchLabels: {app: other}}", 1),
			"spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`",
			`spec.selector: does not match the labels of the template`},
		{"an operator that is none", strings.Replace(kubeDeployment(), "{matchLabels: {app: web}}", "{matchExpressions: [{key: app, operator: Is, values: [web]}]}", 1),
			`spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator`,
			`spec.selector: "Is" is not a valid label selector operator`},
		{"no surge and none missing", kubeDeployment("strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}"),
			"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
			`spec.strategy.rollingUpdate.maxUnavailable: 0 together with maxSurge: 0 lets nothing be replaced`},
		{"no surge and none missing, in percent", kubeDeployment("strategy: {rollingUpdate: {maxSurge: 0%, maxUnavailable: 0}}"),
			"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
			`spec.strategy.rollingUpdate.maxUnavailable: 0 together with maxSurge: 0 lets nothing be replaced`},
		{"a deadline below the time to be ready", kubeDeployment("minReadySeconds: 600", "progressDeadlineSeconds: 600"),
			`spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds`,
			`spec.progressDeadlineSeconds: 600: want more than minReadySeconds, 600`},
		{"another restart policy", strings.Replace(kubeDeployment(), "spec: {containers", "spec: {restartPolicy: Never, containers", 1),
			`spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`,
			`spec.template.spec.restartPolicy: a Deployment restarts its pods always`},
		{"a time zone that is none", kubeCronJob("a", "timeZone: Europe/Berlim, "),
			`spec.timeZone: Invalid value: "Europe/Berlim": unknown time zone Europe/Berlim`,
			`spec.timeZone: "Europe/Berlim": want the name of a time zone such as Europe/Berlin (did you mean "Europe/Berlin"?)`},
		{"the time zone Local", kubeCronJob("a", "timeZone: Local, "),
			`spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones`,
			`spec.timeZone: "Local": want the name of a time zone`},
		{"an empty time zone", kubeCronJob("a", "timeZone: '', "),
			`spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string`, `spec.timeZone: is empty`},
		{"a CronJob's name of 53 characters", kubeCronJob(strings.Repeat("x", 53), ""),
			`metadata.name: Invalid value: "xxx…": must be no more than 52 characters`,
			`metadata.name: 53 characters are more than the name of a CronJob may have (52)`},
		{"a CronJob's name of 52 characters", kubeCronJob(strings.Repeat("x", 52), ""), taken, taken},
		{"a TLS Secret without its key", secret + "type: kubernetes.io/tls\nstringData: {tls.crt: a}\n",
			`data[tls.key]: Required value`, `data: a Secret of type kubernetes.io/tls has tls.key`},
		{"a TLS Secret without its certificate", secret + "type: kubernetes.io/tls\ndata: {tls.key: YQ==}\n",
			`data[tls.crt]: Required value`, `data: a Secret of type kubernetes.io/tls has tls.crt`},
		{"a Secret of an SSH key without it", secret + "type: kubernetes.io/ssh-auth\n",
			`data[ssh-privatekey]: Required value`, `data: a Secret of type kubernetes.io/ssh-auth has ssh-privatekey`},
		{"a Secret of a login without one", secret + "type: kubernetes.io/basic-auth\n",
			`data[username]: Required value, data[password]: Required value`, `data: a Secret of type kubernetes.io/basic-auth has username or password`},
		{"a Secret of a registry that is no JSON", secret + "type: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: a}\n",
			`data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid character 'a'`, `stringData..dockerconfigjson: is not JSON`},
		{"a claim without a size", kubeClaim("{accessModes: [ReadWriteOnce]}"),
			`spec.resources[storage]: Required value`, `spec.resources.requests.storage: missing`},
		{"a claim without an access mode", kubeClaim("{resources: {requests: {storage: 1Gi}}}"),
			`spec.accessModes: Required value: at least 1 access mode is required`, `spec.accessModes: missing`},
		{"a claim with another access mode", kubeClaim("{accessModes: [RWO], resources: {requests: {storage: 1Gi}}}"),
			`spec.accessModes: Unsupported value: "RWO"`, `spec.accessModes[0]: "RWO": want ReadWriteOnce`},
		{"a claim of nothing", kubeClaim("{accessModes: [ReadWriteOnce], resources: {requests: {storage: 0}}}"),
			`spec.resources[storage]: Invalid value: "0": must be greater than zero`, `spec.resources.requests.storage: 0: want more than nothing`},
		{"a service without a port", kubeService("selector: {app: web}"), `spec.ports: Required value`, `spec.ports: missing`},
		{"a service with two ports without names", kubeService("selector: {app: web}", "ports: [{port: 80}, {port: 81}]"),
			`spec.ports[0].name: Required value`, `spec.ports[0].name: missing: there are several ports`},
		{"a node port without its type", kubeService("selector: {app: web}", "ports: [{port: 80, nodePort: 30080}]"),
			"spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'", `spec.ports[0].nodePort: goes not with type ClusterIP`},
		{"a selector of a service", kubeService("selector: {app: 'a b'}", "ports: [{port: 80}]"),
			`spec.selector: Invalid value: "a b": a valid label must be`, `spec.selector.app: "a b" is not a label's value`},
		{"a field that is none", kubePod("hostNetwrk: true"),
			`strict decoding error: unknown field "spec.hostNetwrk"`, `spec.hostNetwrk: unknown field`},
		{"a field twice", kubePod("hostPID: true", "hostPID: true"),
			`error converting YAML to JSON: yaml: line 7: key "hostPID" already set in map`, `spec.hostPID: appears twice`},
		{"a negative grace period", kubePod("terminationGracePeriodSeconds: -1"), taken, taken},
		{"a grace period of 0", kubePod("terminationGracePeriodSeconds: 0"), taken, taken},
		{"a selector of several expressions", strings.Replace(kubeDeployment(), "{matchLabels: {app: web}}", "{matchExpressions: [{key: app, operator: Exists}, {key: old, operator: DoesNotExist}]}", 1), taken, taken},
	} {
		diagnostics := loadText(test.text).Diagnostics
		switch {
		case test.server == taken && len(diagnostics) > 0:
			t.Errorf("%s: the server takes it, davit says %v", test.fault, diagnostics)
		case test.server != taken && len(diagnostics) == 0:
			t.Errorf("%s: the server says %s, davit takes it", test.fault, test.server)
		case test.server != taken && !strings.HasPrefix(diagnostics[0].Text(), test.davit):
			t.Errorf("%s:\ngot  %s\nwant %s", test.fault, diagnostics[0].Text(), test.davit)
		}
	}
}
