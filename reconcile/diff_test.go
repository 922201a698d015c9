package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFirstApplyBringsEverythingAndTheSecondNothing(t *testing.T) {
	t.Parallel()
	n := newNode()
	desired := resolve(t, container("web", "volumeMounts: [{name: data, mountPath: /data}]")+
		header+"Volume\nmetadata: {name: data}\n", command)
	want := []string{
		"pull example.com/app:1", "make-network Network/default", "make-volume Volume/data",
		"write-bundle Container/web", "write-unit Container/web", "reload systemd", "start Container/web",
	}
	if diff := cmp.Diff(want, verbs(n.mustApply(t, desired))); diff != "" {
		t.Error(diff)
	}
	if second := Diff(desired, n.actual, Options{}); !second.Empty() || second.Unchanged != 1 {
		t.Errorf("the second plan is not empty: %v", verbs(second))
	}
}

func TestEditRestartsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("web")+container("db"), command))
	old := n.actual.Workloads["web.service"].BundleDir
	plan := n.mustApply(t, resolve(t, container("web", "env: [{name: A, value: secret}]")+container("db"), command))
	want := []string{
		"write-bundle Container/web", "write-unit Container/web", "restart Container/web", "remove-bundle " + old,
	}
	if diff := cmp.Diff(want, verbs(plan)); diff != "" {
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
		verb   Verb // what else than write-unit must happen, or ""
	}{
		"arguments":           {[]string{"args: [other]"}, "arguments changed", Restart},
		"user":                {[]string{"user: nobody"}, "user changed", Restart},
		"ports":               {[]string{"ports: [{containerPort: 80, hostPort: 80}]"}, "ports changed", Restart},
		"memory in place":     {[]string{"resources: {limits: {memory: 1Gi}}"}, "MemoryMax= changed", ""},
		"dependency in place": {[]string{"unit: {After: db.service}"}, "After= changed", ""},
		"a service setting":   {[]string{"service: {LimitNOFILE: 4096}"}, "LimitNOFILE= changed", Restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			n.mustApply(t, resolve(t, container("web"), command))
			plan := n.mustApply(t, resolve(t, container("web", test.change...), command))
			var write, run *Action
			for i, action := range plan.Actions {
				switch action.Verb {
				case WriteUnit:
					write = &plan.Actions[i]
				case Start, Restart:
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
	n := newNode()
	objects := load(t, container("web"))
	images := resolved(objects, command)
	n.mustApply(t, Resolve(Input{Objects: objects, Images: images, Node: testNode}))
	for request, result := range images {
		result.Image.Digest, result.Image.ID = "sha256:"+strings.Repeat("b", 64), strings.Repeat("b", 64)
		images[request] = result
	}
	plan := n.mustApply(t, Resolve(Input{Objects: objects, Images: images, Node: testNode}))
	for _, action := range plan.Actions {
		if action.Verb == Restart {
			if want := "image digest changed sha256:000000000000 → sha256:bbbbbbbbbbbb"; action.Reason != want {
				t.Errorf("got %q, want %q", action.Reason, want)
			}
			return
		}
	}
	t.Errorf("no restart in %v", verbs(plan))
}

func TestRemovedManifestIsPrunedAndItsVolumeKept(t *testing.T) {
	t.Parallel()
	n := newNode()
	volume := header + "Volume\nmetadata: {name: data}\n---\n"
	n.mustApply(t, resolve(t, volume+container("web", "volumeMounts: [{name: data, mountPath: /d}]")+container("db", "hostNetwork: true"), command))
	plan := n.mustApply(t, resolve(t, container("db", "hostNetwork: true"), command))
	got := verbs(plan)
	for _, want := range []string{"stop Container/web", "remove-unit Container/web", "reload systemd", "remove-network Network/default"} {
		if !slices.Contains(got, want) {
			t.Errorf("%v lacks %q", got, want)
		}
	}
	if _, kept := n.actual.Volumes["data"]; !kept {
		t.Error("the volume is gone")
	}
	if _, gone := n.actual.Workloads["web.service"]; gone {
		t.Error("the unit is still there")
	}
}

func TestHeldPruneRemovesNothingAtAll(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("web")+container("db", "hostNetwork: true"), command))
	plan := Diff(resolve(t, container("db", "hostNetwork: true"), command), n.actual, Options{HoldPrune: "a file has errors"})
	if !plan.Empty() {
		t.Errorf("plan %v", verbs(plan))
	}
	if diff := cmp.Diff([]Held{{Object: "Container/web", Reason: "not removed: a file has errors", By: ByPruneGuard}}, plan.Held); diff != "" {
		t.Error(diff)
	}
}

func TestProblemKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("web")+container("db", "hostNetwork: true"), command))
	objects := load(t, container("web")+strings.Replace(container("db", "hostNetwork: true"), "app:1", "db:1", 1))
	images := resolved(objects, command)
	for request := range images {
		if request.Reference == "example.com/app:1" {
			images[request] = ImageResult{Err: errors.New("registry.example: connection refused")}
		}
	}
	plan := n.mustApply(t, Resolve(Input{Objects: objects, Images: images, Node: testNode}))
	for _, action := range plan.Actions {
		if action.Object == "Container/web" || action.Verb == RemoveNetwork {
			t.Errorf("%s %s touches what must stay", action.Verb, action.Object)
		}
	}
	if web := n.actual.Workloads["web.service"]; web.Active != "active" || n.actual.Images[web.Bundle.Image.ID] == nil {
		t.Errorf("web is %s, its image %v", web.Active, n.actual.Images[web.Bundle.Image.ID])
	}
}

func TestForeignUnitIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.actual.Foreign["dbus.service"] = "/lib/systemd/system/dbus.service"
	plan := n.mustApply(t, resolve(t, container("dbus")+container("web"), command))
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
	n := newNode()
	n.actual.Foreign["postgresql.service"] = "/lib/systemd/system/postgresql.service"
	text := container("postgresql") + container("web", "unit: {Conflicts: 'a.service \"postgresql.service\"'}") + container("db", "unit: {After: a.service}")
	plan := n.mustApply(t, resolve(t, text, command))
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
		change func(*ActualWorkload)
		want   Verb
	}{
		"stopped by hand":             {nil, func(w *ActualWorkload) { w.Active, w.RunningDir = "inactive", "" }, ""},
		"stopped by hand, and killed": {nil, func(w *ActualWorkload) { w.Active, w.Result, w.RunningDir = "failed", "timeout", "" }, ""},
		"disabled by hand": {nil, func(w *ActualWorkload) {
			w.Active, w.Enabled, w.Started, w.RunningDir = "inactive", "disabled", false, ""
		}, ""},
		"not started since boot":             {nil, func(w *ActualWorkload) { w.Active, w.Started, w.RunningDir = "inactive", false, "" }, Start},
		"could not be restarted":             {nil, func(w *ActualWorkload) { w.Active, w.Result, w.RunningDir = "failed", "resources", "" }, Start},
		"gave up as asked":                   {[]string{"maxRestarts: 2"}, func(w *ActualWorkload) { w.Active, w.Result, w.RunningDir = "failed", "exit-code", "" }, ""},
		"masked":                             {nil, func(w *ActualWorkload) { w.Active, w.Enabled, w.RunningDir = "inactive", "masked", "" }, ""},
		"ran to its end":                     {[]string{"restartPolicy: Never"}, func(w *ActualWorkload) { w.Active, w.RunningDir = "inactive", "" }, ""},
		"never ran":                          {[]string{"restartPolicy: Never"}, func(w *ActualWorkload) { w.Active, w.RunningDir, w.Started = "inactive", "", false }, Start},
		"oneshot done":                       {[]string{"oneshot: true"}, func(w *ActualWorkload) { w.RunningDir = "" }, ""},
		"runs an older bundle than the unit": {nil, func(w *ActualWorkload) { w.RunningDir = "web-old" }, Restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			desired := resolve(t, container("web", test.spec...), command)
			n.mustApply(t, desired)
			workload := n.actual.Workloads["web.service"]
			test.change(&workload)
			n.actual.Workloads["web.service"] = workload
			var got Verb
			for _, action := range Diff(desired, n.actual, Options{}).Actions {
				if action.Verb == Start || action.Verb == Restart {
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
	n := newNode()
	n.mustApply(t, resolve(t, container("web"), command))
	running := n.actual.Workloads["web.service"].RunningDir
	n.fail["pull example.com/new:1"] = errors.New("image example.com/new:1: no space")
	desired := resolve(t, strings.Replace(container("web"), "app:1", "new:1", 1)+
		strings.Replace(container("db"), "app:1", "data:12", 1), command)
	_, _, err := n.apply(t, desired, Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "image example.com/new:1: no space") {
		t.Errorf("error %v", err)
	}
	if got := n.actual.Workloads["web.service"]; got.RunningDir != running || got.BundleDir != running {
		t.Errorf("web was touched: %+v", got)
	}
	if n.actual.Workloads["db.service"].Active != "active" {
		t.Error("db does not run")
	}
	if !slices.Contains(n.actual.Bundles, running) {
		t.Error("the bundle that runs is gone")
	}
	delete(n.fail, "pull example.com/new:1")
	n.mustApply(t, desired)
	if plan := Diff(desired, n.actual, Options{}); !plan.Empty() {
		t.Errorf("does not converge: %v", verbs(plan))
	}
}

func TestOneReloadForManyChanges(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("a")+container("b")+container("c"), command))
	_, calls, err := n.apply(t, resolve(t, container("a", "args: [x]")+container("b", "args: [x]")+container("d"), command), Options{})
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

// TestOnlyWhatIsUnsettledIsKept removes what has been missing for long beside manifests that keep changing.
func TestOnlyWhatIsUnsettledIsKept(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("gone")+container("moved")+container("changing")+header+"Volume\nmetadata: {name: data}\nspec: {reclaimPolicy: Delete}\n", command))
	for unit, path := range map[string]string{"gone.service": "/m/gone.yaml", "moved.service": "/m/moved.yaml", "changing.service": "/m/changing.yaml"} {
		current := n.actual.Workloads[unit]
		current.SourcePath = path
		n.actual.Workloads[unit] = current
	}
	unsettled := Unsettled{Sources: map[string]bool{"/m/changing.yaml": true}, Objects: map[string]bool{"Container/moved": true}}
	plan := Diff(resolve(t, container("other"), command), n.actual, Options{Unsettled: unsettled})
	var removed, held []string
	for _, action := range plan.Actions {
		if action.Verb == RemoveUnit || action.Verb == RemoveVolume {
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
			n := newNode()
			n.mustApply(t, resolve(t, container("web"), command))
			plan := n.mustApply(t, resolve(t, container("web", test.spec), command))
			if got := slices.Contains(verbs(plan), "reload systemd"); got != test.want {
				t.Errorf("got %t: %v", got, verbs(plan))
			}
		})
	}
}
