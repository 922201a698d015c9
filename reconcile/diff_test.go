package reconcile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

func TestFirstApplyBringsEverythingAndTheSecondNothing(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, reconciletest.Container("web", "volumeMounts: [{name: data, mountPath: /data}]")+
		reconciletest.Header+"Volume\nmetadata: {name: data}\n", reconciletest.Command)
	want := []string{
		"pull example.com/app:1", "make-network Network/default", "make-volume Volume/data",
		"write-bundle Container/web", "write-unit Container/web", "reload systemd", "start Container/web",
	}
	if diff := cmp.Diff(want, reconciletest.Verbs(n.MustApply(t, desired))); diff != "" {
		t.Error(diff)
	}
	if second := diff.Diff(desired, n.Actual, diff.Options{}); !second.Empty() || second.Unchanged != 1 {
		t.Errorf("the second plan is not empty: %v", reconciletest.Verbs(second))
	}
}

func TestEditRestartsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("db"), reconciletest.Command))
	old := n.Actual.Workloads["web.service"].BundleDir
	plan := n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", "env: [{name: A, value: secret}]")+reconciletest.Container("db"), reconciletest.Command))
	want := []string{
		"write-bundle Container/web", "write-unit Container/web", "restart Container/web", "remove-bundle " + old,
	}
	if diff := cmp.Diff(want, reconciletest.Verbs(plan)); diff != "" {
		t.Error(diff)
	}
	if reason := plan.Actions[2].Reason; reason != "environment changed: A" {
		t.Errorf("reason %q", reason)
	}
}

func TestReasonsNameWhatChanged(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change []string
		want   string
		verb   reconcile.Verb // the action besides write-unit that must happen, or ""
	}{
		"arguments":           {[]string{"args: [other]"}, "arguments changed", reconcile.Restart},
		"user":                {[]string{"user: nobody"}, "user changed", reconcile.Restart},
		"ports":               {[]string{"ports: [{containerPort: 80, hostPort: 80}]"}, "ports changed", reconcile.Restart},
		"memory in place":     {[]string{"resources: {limits: {memory: 1Gi}}"}, "MemoryMax= changed", ""},
		"dependency in place": {[]string{"unit: {After: db.service}"}, "After= changed", ""},
		"a service setting":   {[]string{"service: {LimitNOFILE: 4096}"}, "LimitNOFILE= changed", reconcile.Restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command))
			plan := n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", test.change...), reconciletest.Command))
			var write, run *reconcile.Action
			for i, action := range plan.Actions {
				switch action.Verb {
				case reconcile.WriteUnit:
					write = &plan.Actions[i]
				case reconcile.Start, reconcile.Restart:
					run = &plan.Actions[i]
				}
			}
			if write == nil || write.Reason != test.want {
				t.Fatalf("write-unit: %+v, want reason %q", write, test.want)
			}
			if (run == nil) != (test.verb == "") || run != nil && run.Verb != test.verb {
				t.Errorf("run %+v, want %q", run, test.verb)
			}
		})
	}
}

func TestImageDigestIsTheReason(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	objects := reconciletest.Load(t, reconciletest.Container("web"))
	images := reconciletest.Resolved(objects, reconciletest.Command)
	n.MustApply(t, resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode}))
	for request, result := range images {
		result.Image.Digest, result.Image.ID = "sha256:"+strings.Repeat("b", 64), strings.Repeat("b", 64)
		images[request] = result
	}
	plan := n.MustApply(t, resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode}))
	for _, action := range plan.Actions {
		if action.Verb == reconcile.Restart {
			if want := "image digest changed sha256:000000000000 → sha256:bbbbbbbbbbbb"; action.Reason != want {
				t.Errorf("got %q, want %q", action.Reason, want)
			}
			return
		}
	}
	t.Errorf("no restart in %v", reconciletest.Verbs(plan))
}

func TestRemovedManifestIsPrunedAndItsVolumeKept(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	volume := reconciletest.Header + "Volume\nmetadata: {name: data}\n---\n"
	n.MustApply(t, reconciletest.Resolve(t, volume+reconciletest.Container("web", "volumeMounts: [{name: data, mountPath: /d}]")+reconciletest.Container("db", "hostNetwork: true"), reconciletest.Command))
	plan := n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("db", "hostNetwork: true"), reconciletest.Command))
	got := reconciletest.Verbs(plan)
	for _, want := range []string{"stop Container/web", "remove-unit Container/web", "reload systemd", "remove-network Network/default"} {
		if !slices.Contains(got, want) {
			t.Errorf("%v lacks %q", got, want)
		}
	}
	if _, kept := n.Actual.Volumes["data"]; !kept {
		t.Error("the volume is gone")
	}
	if _, gone := n.Actual.Workloads["web.service"]; gone {
		t.Error("the unit is still there")
	}
}

func TestHeldPruneRemovesNothingAtAll(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("db", "hostNetwork: true"), reconciletest.Command))
	plan := diff.Diff(reconciletest.Resolve(t, reconciletest.Container("db", "hostNetwork: true"), reconciletest.Command), n.Actual, diff.Options{HoldPrune: "a file has errors"})
	if !plan.Empty() {
		t.Errorf("plan %v", reconciletest.Verbs(plan))
	}
	if diff := cmp.Diff([]reconcile.Held{{Object: "Container/web", Reason: "not removed: a file has errors", By: reconcile.ByPruneGuard}}, plan.Held); diff != "" {
		t.Error(diff)
	}
}

func TestProblemKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("db", "hostNetwork: true"), reconciletest.Command))
	objects := reconciletest.Load(t, reconciletest.Container("web")+strings.Replace(reconciletest.Container("db", "hostNetwork: true"), "app:1", "db:1", 1))
	images := reconciletest.Resolved(objects, reconciletest.Command)
	for request := range images {
		if request.Reference == "example.com/app:1" {
			images[request] = resolve.ImageResult{Err: errors.New("registry.example: connection refused")}
		}
	}
	plan := n.MustApply(t, resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode}))
	for _, action := range plan.Actions {
		if action.Object == "Container/web" || action.Verb == reconcile.RemoveNetwork {
			t.Errorf("%s %s touches what must stay", action.Verb, action.Object)
		}
	}
	if web := n.Actual.Workloads["web.service"]; web.Active != "active" || n.Actual.Images[web.Bundle.Image.ID] == nil {
		t.Errorf("web is %s, its image %v", web.Active, n.Actual.Images[web.Bundle.Image.ID])
	}
}

func TestForeignUnitIsRefused(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.Actual.Foreign["dbus.service"] = "/lib/systemd/system/dbus.service"
	plan := n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("dbus")+reconciletest.Container("web"), reconciletest.Command))
	for _, action := range plan.Actions {
		if action.Object == "Container/dbus" {
			t.Errorf("%s %s", action.Verb, action.Object)
		}
	}
	if len(plan.Held) != 1 || !strings.Contains(plan.Held[0].Reason, "/lib/systemd/system/dbus.service") {
		t.Errorf("held %v", plan.Held)
	}
}

func TestWhatNamesAForeignUnitIsRefused(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.Actual.Foreign["postgresql.service"] = "/lib/systemd/system/postgresql.service"
	text := reconciletest.Container("postgresql") + reconciletest.Container("web", "unit: {Conflicts: 'a.service \"postgresql.service\"'}") + reconciletest.Container("db", "unit: {After: a.service}")
	plan := n.MustApply(t, reconciletest.Resolve(t, text, reconciletest.Command))
	for _, action := range plan.Actions {
		if action.Object == "Container/web" {
			t.Errorf("%s %s", action.Verb, action.Object)
		}
	}
	const want = "Conflicts=postgresql.service names a unit that is not davit's, /lib/systemd/system/postgresql.service: rename the object of that name"
	if len(plan.Held) != 2 || plan.Held[1].Object != "Container/web" || plan.Held[1].Reason != want {
		t.Errorf("held %v", plan.Held)
	}
}

func TestActivity(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spec   []string
		change func(*reconcile.ActualWorkload)
		want   reconcile.Verb
	}{
		"stopped by hand":             {nil, func(w *reconcile.ActualWorkload) { w.Active, w.RunningDir = "inactive", "" }, ""},
		"stopped by hand, and killed": {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Result, w.RunningDir = "failed", "timeout", "" }, ""},
		"disabled by hand": {nil, func(w *reconcile.ActualWorkload) {
			w.Active, w.Enabled, w.Started, w.RunningDir = "inactive", "disabled", false, ""
		}, ""},
		"not started since boot":             {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Started, w.RunningDir = "inactive", false, "" }, reconcile.Start},
		"could not be restarted":             {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Result, w.RunningDir = "failed", "resources", "" }, reconcile.Start},
		"gave up as asked":                   {[]string{"maxRestarts: 2"}, func(w *reconcile.ActualWorkload) { w.Active, w.Result, w.RunningDir = "failed", "exit-code", "" }, ""},
		"masked":                             {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Enabled, w.RunningDir = "inactive", "masked", "" }, ""},
		"ran to its end":                     {[]string{"restartPolicy: Never"}, func(w *reconcile.ActualWorkload) { w.Active, w.RunningDir = "inactive", "" }, ""},
		"never ran":                          {[]string{"restartPolicy: Never"}, func(w *reconcile.ActualWorkload) { w.Active, w.RunningDir, w.Started = "inactive", "", false }, reconcile.Start},
		"oneshot done":                       {[]string{"oneshot: true"}, func(w *reconcile.ActualWorkload) { w.RunningDir = "" }, ""},
		"runs an older bundle than the unit": {nil, func(w *reconcile.ActualWorkload) { w.RunningDir = "web-old" }, reconcile.Restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			desired := reconciletest.Resolve(t, reconciletest.Container("web", test.spec...), reconciletest.Command)
			n.MustApply(t, desired)
			workload := n.Actual.Workloads["web.service"]
			test.change(&workload)
			n.Actual.Workloads["web.service"] = workload
			var got reconcile.Verb
			for _, action := range diff.Diff(desired, n.Actual, diff.Options{}).Actions {
				if action.Verb == reconcile.Start || action.Verb == reconcile.Restart {
					got = action.Verb
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestFailureStopsOnlyWhatNeedsIt(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command))
	running := n.Actual.Workloads["web.service"].RunningDir
	n.Fail["pull example.com/new:1"] = errors.New("image example.com/new:1: no space")
	desired := reconciletest.Resolve(t, strings.Replace(reconciletest.Container("web"), "app:1", "new:1", 1)+
		strings.Replace(reconciletest.Container("db"), "app:1", "data:12", 1), reconciletest.Command)
	_, _, err := n.Apply(t, desired, diff.Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "image example.com/new:1: no space") {
		t.Errorf("error %v", err)
	}
	if got := n.Actual.Workloads["web.service"]; got.RunningDir != running || got.BundleDir != running {
		t.Errorf("web was touched: %+v", got)
	}
	if n.Actual.Workloads["db.service"].Active != "active" {
		t.Error("db does not run")
	}
	if !slices.Contains(n.Actual.Bundles, running) {
		t.Error("the bundle that runs is gone")
	}
	delete(n.Fail, "pull example.com/new:1")
	n.MustApply(t, desired)
	if plan := diff.Diff(desired, n.Actual, diff.Options{}); !plan.Empty() {
		t.Errorf("does not converge: %v", reconciletest.Verbs(plan))
	}
}

func TestOneReloadForManyChanges(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("a")+reconciletest.Container("b")+reconciletest.Container("c"), reconciletest.Command))
	_, calls, err := n.Apply(t, reconciletest.Resolve(t, reconciletest.Container("a", "args: [x]")+reconciletest.Container("b", "args: [x]")+reconciletest.Container("d"), reconciletest.Command), diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reloads := 0
	for _, call := range calls {
		if call == "reload " {
			reloads++
		}
	}
	if reloads != 1 {
		t.Errorf("%d reloads in %v", reloads, calls)
	}
}

// TestOnlyWhatIsUnsettledIsKept removes objects that have been missing for long beside manifests that keep changing.
func TestOnlyWhatIsUnsettledIsKept(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("gone")+reconciletest.Container("moved")+reconciletest.Container("changing")+reconciletest.Header+"Volume\nmetadata: {name: data}\nspec: {reclaimPolicy: Delete}\n", reconciletest.Command))
	for unit, path := range map[string]string{"gone.service": "/m/gone.yaml", "moved.service": "/m/moved.yaml", "changing.service": "/m/changing.yaml"} {
		current := n.Actual.Workloads[unit]
		current.SourcePath = path
		n.Actual.Workloads[unit] = current
	}
	unsettled := diff.Unsettled{Sources: map[string]bool{"/m/changing.yaml": true}, Objects: map[string]bool{"Container/moved": true}}
	plan := diff.Diff(reconciletest.Resolve(t, reconciletest.Container("other"), reconciletest.Command), n.Actual, diff.Options{Unsettled: unsettled})
	var removed, held []string
	for _, action := range plan.Actions {
		if action.Verb == reconcile.RemoveUnit || action.Verb == reconcile.RemoveVolume {
			removed = append(removed, action.Target)
		}
	}
	for _, h := range plan.Held {
		held = append(held, h.Object)
	}
	if diff := cmp.Diff([][]string{{"gone.service"}, {"Container/changing", "Container/moved"}}, [][]string{removed, held}); diff != "" {
		t.Error(diff)
	}
}

// systemd reads the files of all units again where one has changed, and not where a unit only starts another bundle.
func TestSystemdReadsOnlyFilesThatChange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spec string
		want bool
	}{
		"arguments":             {"args: [other]", false},
		"variables":             {"env: [{name: A, value: a}]", false},
		"a setting of the unit": {"service: {Nice: 5}", true},
		"a stop signal":         {"stopSignal: SIGUSR1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command))
			plan := n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", test.spec), reconciletest.Command))
			if got := slices.Contains(reconciletest.Verbs(plan), "reload systemd"); got != test.want {
				t.Errorf("got %t: %v", got, reconciletest.Verbs(plan))
			}
		})
	}
}
