package reconcile

import (
	"strings"
	"testing"
)

func TestAChangeOfLimitsRestartsNothing(t *testing.T) {
	t.Parallel()
	const pod = header + `Pod
metadata: {name: app}
spec:
  resources: {limits: {pids: 10}}
  containers:
    - {name: web, image: example.com/app:1, resources: {limits: {memory: 64Mi}}}
    - {name: worker, image: example.com/app:1}
`
	n := newNode()
	n.mustApply(t, resolve(t, pod, command))
	for change, text := range map[string]string{
		"a container's limit": strings.Replace(pod, "64Mi", "128Mi", 1),
		"the pod's limit":     strings.Replace(pod, "pids: 10", "pids: 20", 1),
		"no limit any more":   strings.Replace(pod, ", resources: {limits: {memory: 64Mi}}", "", 1),
	} {
		plan := Diff(resolve(t, text, command), n.actual, Options{})
		if got := strings.Join(verbs(plan), ", "); got != "write-unit Pod/app, reload systemd" {
			t.Errorf("%s: %s", change, got)
		}
	}
}

func TestSystemdStartsTheLauncherInItsGroupWhereItCan(t *testing.T) {
	t.Parallel()
	objects := load(t, container("web"))
	for version, want := range map[int]bool{252: false, 254: true} {
		node := testNode
		node.Systemd = version
		desired := Resolve(Input{Objects: objects, Images: resolved(objects, command), Node: node})
		if got := strings.Contains(desired.Workloads["web.service"].UnitText, "\nDelegateSubgroup=launcher\n"); got != want {
			t.Errorf("systemd %d: got %v, want %v", version, got, want)
		}
	}
}
