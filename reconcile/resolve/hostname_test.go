package resolve_test

import (
	"strings"
	"testing"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

func TestHostNamesFitTheKernel(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 63)
	for name, test := range map[string]struct{ declared, name, want string }{
		"the manifest's":              {"web.example.com", "web-1", "web.example.com"},
		"as it is":                    {"", "web-1", "web-1"},
		"64 bytes":                    {"", long[1:] + "-1", long[1:] + "-1"},
		"65 bytes":                    {"", long + "-1", long[1:] + "-1"},
		"a long number":               {"", long + "-1000", long[4:] + "-1000"},
		"cut at the end of a word":    {"", strings.Repeat("n", 60) + "-ab-10", strings.Repeat("n", 60) + "-10"},
		"a name of 63 without number": {"", long, long},
	} {
		if got := resolve.HostnameOf(v1.SandboxFields{Hostname: test.declared}, test.name); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// TestLongNamesOfSeveralFit resolves objects with the longest names, each of several containers.
func TestLongNamesOfSeveralFit(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("n", 63)
	const pod = "containers: [{name: main, image: 'example.com/app:1'}]"
	for kind, text := range map[string]string{
		"replicas":        reconciletest.Header + "Pod\nmetadata: {name: " + name + "}\nspec: {replicas: 10, " + pod + "}\n",
		"replicas of two": reconciletest.Header + "Pod\nmetadata: {name: " + name + "}\nspec: {replicas: 10, containers: [{name: a, image: 'example.com/app:1'}, {name: b, image: 'example.com/app:1'}]}\n",
		"an indexed Job":  reconciletest.Header + "Job\nmetadata: {name: " + name + "}\nspec: {completions: 11, template: {spec: {restartPolicy: Never, " + pod + "}}}\n",
		"a CronJob":       reconciletest.Header + "CronJob\nmetadata: {name: " + name + "}\nspec: {schedule: '* * * * *', concurrencyPolicy: Allow, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, " + pod + "}}}}}\n",
	} {
		desired := reconciletest.Resolve(t, text, reconciletest.Command)
		names := map[string]bool{}
		for unit, workload := range desired.Workloads {
			if workload.Bundle == nil || workload.Bundle.Spec.Hostname == "" {
				continue
			}
			hostname := workload.Bundle.Spec.Hostname
			if len(hostname) > 64 || names[hostname] {
				t.Errorf("%s: %s has the host name %s", kind, unit, hostname)
			}
			names[hostname] = true
		}
		if len(names) < 2 {
			t.Errorf("%s: %d host names", kind, len(names))
		}
	}
}
