package reconcile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// TestAChangedFileReloads reloads containers with a reload action, and restarts the others.
func TestAChangedFileReloads(t *testing.T) {
	t.Parallel()
	const (
		mount  = "volumes: [{name: conf, configMap: {name: conf}}]"
		mounts = "volumeMounts: [{name: conf, mountPath: /etc/app}]"
		below  = "volumes: [{name: conf, configMap: {name: conf}}, {name: data, emptyDir: {}}]"
		belows = "volumeMounts: [{name: conf, mountPath: /etc/app}, {name: data, mountPath: /etc/app/data}]"
		hup    = "reload: {signal: SIGHUP}"
	)
	config := func(text string) string {
		return reconciletest.Header + "Config\nmetadata: {name: conf}\ndata: {app.conf: " + text + "}\n---\n"
	}
	for name, test := range map[string]struct {
		before, after []string
		want          string
	}{
		"a file":                 {[]string{mount, mounts, hup}, []string{mount, mounts, hup}, "reload-unit web"},
		"nobody says how":        {[]string{mount, mounts}, []string{mount, mounts}, "restart web"},
		"arguments too":          {[]string{mount, mounts, hup}, []string{mount, mounts, hup, "args: [x]"}, "restart web"},
		"a variable":             {[]string{hup, env}, []string{hup, env}, "restart web"},
		"a setting of the unit":  {[]string{mount, mounts, hup}, []string{mount, mounts, hup, "service: {LimitNOFILE: 4096}"}, "restart web"},
		"files of other owners":  {[]string{mount, mounts, hup, "hostUsers: false"}, []string{mount, mounts, hup, "hostUsers: false"}, "restart web"},
		"a volume below them":    {[]string{below, belows, hup}, []string{below, belows, hup}, "restart web"},
		"how it reloads changes": {[]string{mount, mounts, hup}, []string{mount, mounts, "reload: {signal: SIGUSR1}"}, "restart web"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, config("one")+reconciletest.Container("web", test.before...), reconciletest.Command))
			desired := reconciletest.Resolve(t, config("two")+reconciletest.Container("web", test.after...), reconciletest.Command)
			n.MustApply(t, desired)
			if diff := cmp.Diff([]string{test.want}, services(n.Calls)); diff != "" {
				t.Error(diff)
			}
			if rest := diff.Diff(desired, n.Actual, diff.Options{}); !rest.Empty() {
				t.Errorf("a second apply would still do %v", reconciletest.Verbs(rest))
			}
		})
	}
}

const env = "env: [{name: A, valueFrom: {configMapKeyRef: {name: conf, key: app.conf}}}]"

// TestWhatAFailedReloadLeftIsRestarted when it is of a version that davit goes back to.
func TestWhatAFailedReloadLeftIsRestarted(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, reconciletest.Container("web", "reload: {signal: SIGHUP}"), reconciletest.Command)
	n.MustApply(t, desired)
	web := n.Actual.Workloads["web.service"]
	web.Run = &reconcile.Run{ReloadFailed: true}
	n.Actual.Workloads["web.service"] = web
	if plan := diff.Diff(desired, n.Actual, diff.Options{}); !plan.Empty() {
		t.Errorf("what its own reload left is judged, not changed: %v", reconciletest.Verbs(plan))
	}
	n.MustApply(t, history.Restore(desired))
	if diff := cmp.Diff([]string{"restart web"}, services(n.Calls)); diff != "" {
		t.Error(diff)
	}
}
