package reconcile_test

import (
	"strings"
	"testing"

	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

func TestAChangeOfLimitsRestartsNothing(t *testing.T) {
	t.Parallel()
	const pod = reconciletest.Header + `Pod
metadata: {name: app}
spec:
  resources: {limits: {pids: 10}}
  containers:
    - {name: web, image: example.com/app:1, resources: {limits: {memory: 64Mi}}}
    - {name: worker, image: example.com/app:1}
`
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, pod, reconciletest.Command))
	for change, text := range map[string]string{
		"a container's limit": strings.Replace(pod, "64Mi", "128Mi", 1),
		"the pod's limit":     strings.Replace(pod, "pids: 10", "pids: 20", 1),
		"no limit any more":   strings.Replace(pod, ", resources: {limits: {memory: 64Mi}}", "", 1),
	} {
		plan := diff.Diff(reconciletest.Resolve(t, text, reconciletest.Command), n.Actual, diff.Options{})
		if got := strings.Join(reconciletest.Verbs(plan), ", "); got != "write-unit Pod/app, reload systemd" {
			t.Errorf("%s: %s", change, got)
		}
	}
}

func TestSystemdStartsTheLauncherInItsGroupWhereItCan(t *testing.T) {
	t.Parallel()
	objects := reconciletest.Load(t, reconciletest.Container("web"))
	for version, want := range map[int]bool{252: false, 254: true} {
		node := reconciletest.TestNode
		node.Systemd = version
		desired := resolve.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: node})
		if got := strings.Contains(desired.Workloads["web.service"].UnitText, "\nDelegateSubgroup=launcher\n"); got != want {
			t.Errorf("systemd %d: got %v, want %v", version, got, want)
		}
	}
}
