package reconcile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAChangedFileReloads what says how it reloads, and restarts the rest.
func TestAChangedFileReloads(t *testing.T) {
	t.Parallel()
	const (
		mount  = "volumes: [{name: conf, configMap: {name: conf}}]"
		mounts = "volumeMounts: [{name: conf, mountPath: /etc/app}]"
		hup    = "reload: {signal: SIGHUP}"
	)
	config := func(text string) string {
		return header + "Config\nmetadata: {name: conf}\ndata: {app.conf: " + text + "}\n---\n"
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
		"how it reloads changes": {[]string{mount, mounts, hup}, []string{mount, mounts, "reload: {signal: SIGUSR1}"}, "restart web"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			n.mustApply(t, resolve(t, config("one")+container("web", test.before...), command))
			desired := resolve(t, config("two")+container("web", test.after...), command)
			n.mustApply(t, desired)
			if diff := cmp.Diff([]string{test.want}, services(n.calls)); diff != "" {
				t.Error(diff)
			}
			if rest := Diff(desired, n.actual, Options{}); !rest.Empty() {
				t.Errorf("a second apply would still do %v", verbs(rest))
			}
		})
	}
}

const env = "env: [{name: A, valueFrom: {configMapKeyRef: {name: conf, key: app.conf}}}]"
