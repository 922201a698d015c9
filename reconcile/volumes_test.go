package reconcile_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

const dataVolume = reconciletest.Header + "Volume\nmetadata: {name: data}\nspec: {reclaimPolicy: Delete}\n---\n"

// other is the Volume as another kind.
func other(source string) string {
	return reconciletest.Header + "Volume\nmetadata: {name: data}\nspec: {" + source + "}\n---\n"
}

// TestAVolumeOfAnotherKindIsHeld preserves running containers and their data, whatever the Volume becomes, until a person
// confirms the change, and deletes nothing while a Volume of the name exists.
func TestAVolumeOfAnotherKindIsHeld(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{"data": true}
	for name, mount := range map[string]string{
		"the volume":      "volumeMounts: [{name: data, mountPath: /d}]",
		"a part of it":    "volumeMounts: [{name: data, mountPath: /d, subPath: part}]",
		"only to read it": "volumeMounts: [{name: data, mountPath: /d, readOnly: true}]",
	} {
		for _, source := range []string{"hostPath: {path: /srv/data}", "emptyDir: {}", "emptyDir: {medium: Memory}"} {
			if source == "emptyDir: {medium: Memory}" && name == "a part of it" {
				continue // a tmpfs has no subPath
			}
			t.Run(name+" becomes "+source, func(t *testing.T) {
				t.Parallel()
				n := reconciletest.NewNode()
				n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", mount)+dataVolume, reconciletest.Command))
				before := n.Actual.Workloads["web.service"]
				desired := reconciletest.Resolve(t, reconciletest.Container("web", mount)+other(source), reconciletest.Command)
				plan, calls, err := n.Apply(t, desired, diff.Options{Volumes: declared})
				if err != nil || len(calls) > 0 || n.Actual.Workloads["web.service"].RunningDir != before.RunningDir {
					t.Errorf("%v: %v", calls, err)
				}
				if !slices.ContainsFunc(plan.Held, func(h reconcile.Held) bool {
					return h.Object == "Container/web" && strings.Contains(h.Reason, "/var/lib/davit/volumes/data") && strings.Contains(h.Reason, "--confirm-prune")
				}) {
					t.Errorf("held: %v", plan.Held)
				}
				for range 2 {
					if _, calls, err = n.Apply(t, desired, diff.Options{Volumes: declared, Confirmed: len(calls) == 0}); err != nil {
						t.Fatal(err)
					}
					if slices.Contains(calls, "remove-volume data") {
						t.Errorf("the data is deleted: %v", calls)
					}
				}
				if current := n.Actual.Workloads["web.service"]; current.RunningDir != desired.Workloads["web.service"].BundleDir {
					t.Errorf("it runs %s once it is confirmed", current.RunningDir)
				}
				if rest := diff.Diff(desired, n.Actual, diff.Options{Volumes: declared}); !rest.Empty() || len(rest.Held) > 0 {
					t.Errorf("a second apply would still do %v, held %v", reconciletest.Verbs(rest), rest.Held)
				}
				if _, calls, err = n.Apply(t, reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command), diff.Options{}); err != nil || !slices.Contains(calls, "remove-volume data") {
					t.Errorf("once no manifest has the Volume: %v %v", calls, err)
				}
			})
		}
	}
}

// TestAVolumesDataOutlivesEdits deletes nothing of a Volume that the manifests have, though it is not desired: it is
// not for this node, say, or the node is rolled back.
func TestAVolumesDataOutlivesEdits(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web")+dataVolume, reconciletest.Command))
	without := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	if plan := diff.Diff(without, n.Actual, diff.Options{Volumes: map[string]bool{"data": true}}); !plan.Empty() {
		t.Errorf("a manifest has it: %v", reconciletest.Verbs(plan))
	}
	if plan := diff.Diff(history.Restore(without), n.Actual, diff.Options{Restored: true, Confirmed: true}); !plan.Empty() {
		t.Errorf("the node is rolled back, and what manifests have cannot all be read: %v", reconciletest.Verbs(plan))
	}
	if plan := diff.Diff(without, n.Actual, diff.Options{}); !slices.Contains(reconciletest.Verbs(plan), "remove-volume Volume/data") {
		t.Errorf("no manifest has it: %v", reconciletest.Verbs(plan))
	}
}

// TestAVolumeInUseIsNotDeleted counts a part of a volume as a use of it.
func TestAVolumeInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	for _, mount := range []string{"mountPath: /d", "mountPath: /d, subPath: part"} {
		n := reconciletest.NewNode()
		n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", "volumeMounts: [{name: data, "+mount+"}]")+dataVolume, reconciletest.Command))
		current := n.Actual.Workloads["web.service"]
		current.Keep = true
		n.Actual.Workloads["web.service"] = current
		if plan := diff.Diff(reconcile.Desired{}, n.Actual, diff.Options{}); slices.Contains(reconciletest.Verbs(plan), "remove-volume Volume/data") {
			t.Errorf("%s: %v", mount, reconciletest.Verbs(plan))
		}
	}
}

// TestAPortHasOneObject holds an object back that wants a port which another one keeps, and lets it have the port
// once it is free.
func TestAPortHasOneObject(t *testing.T) {
	t.Parallel()
	const port = "ports: [{containerPort: 80, hostPort: 8080}]"
	for name, test := range map[string]struct {
		wants   string
		options diff.Options
		before  func(*reconciletest.Node)
		held    bool
	}{
		"its removal is held":        {port, diff.Options{HoldPrune: "a manifest has errors"}, nil, true},
		"it is to stay":              {port, diff.Options{}, keepOld, true},
		"it is suspended":            {port, diff.Options{Suspended: map[string]string{"Container/old": "suspended"}}, nil, true},
		"it goes":                    {port, diff.Options{}, nil, false},
		"another port":               {"ports: [{containerPort: 80, hostPort: 8081}]", diff.Options{HoldPrune: "errors"}, nil, false},
		"another protocol":           {"ports: [{containerPort: 80, hostPort: 8080, protocol: UDP}]", diff.Options{HoldPrune: "errors"}, nil, false},
		"one of its addresses":       {"ports: [{containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1}]", diff.Options{HoldPrune: "errors"}, nil, true},
		"any address, written as so": {"ports: [{containerPort: 80, hostPort: 8080, hostIP: '0.0.0.0'}]", diff.Options{HoldPrune: "errors"}, nil, true},
		"it is down":                 {port, diff.Options{HoldPrune: "errors"}, stopOld, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("old", port)+reconciletest.Container("web"), reconciletest.Command))
			if test.before != nil {
				test.before(n)
			}
			desired := reconciletest.Resolve(t, reconciletest.Container("web", test.wants)+reconciletest.Container("new"), reconciletest.Command)
			plan, calls, err := n.Apply(t, desired, test.options)
			isHeld := slices.ContainsFunc(plan.Held, func(h reconcile.Held) bool { return h.Object == "Container/web" && h.By == reconcile.ByTaken })
			if err != nil || isHeld != test.held || slices.Contains(calls, "restart web.service") == test.held {
				t.Errorf("held %v, want %v: %v %v", plan.Held, test.held, calls, err)
			}
			if !slices.Contains(calls, "start new.service") {
				t.Errorf("another object waits too: %v", calls)
			}
			current := n.Actual.Workloads["old.service"]
			current.Keep = false
			n.Actual.Workloads["old.service"] = current
			n.MustApply(t, desired)
			if current := n.Actual.Workloads["web.service"]; current.RunningDir != desired.Workloads["web.service"].BundleDir {
				t.Errorf("it runs %s once the port is free", current.RunningDir)
			}
		})
	}
}

func keepOld(n *reconciletest.Node) {
	current := n.Actual.Workloads["old.service"]
	current.Keep = true
	n.Actual.Workloads["old.service"] = current
}

func stopOld(n *reconciletest.Node) {
	current := n.Actual.Workloads["old.service"]
	current.Active, current.RunningDir = "inactive", ""
	n.Actual.Workloads["old.service"] = current
}

// TestAPortOfWhatIsTakenBackIsNotGivenAway has one object in an earlier version, with a port that another one is to
// have by now.
func TestAPortOfWhatIsTakenBackIsNotGivenAway(t *testing.T) {
	t.Parallel()
	const port = "ports: [{containerPort: 80, hostPort: 8080}]"
	n := reconciletest.NewNode()
	first := reconciletest.Resolve(t, reconciletest.Container("a", port)+reconciletest.Container("b"), reconciletest.Command)
	n.MustApply(t, first)
	second := reconciletest.Resolve(t, reconciletest.Container("a")+reconciletest.Container("b", port), reconciletest.Command)
	back := history.FallBack(second, map[string]bool{"Container/a": true}, first)
	plan, calls, err := n.Apply(t, back, diff.Options{Now: time.Now()})
	if err != nil || len(services(calls)) > 0 || !slices.ContainsFunc(plan.Held, func(h reconcile.Held) bool { return h.Object == "Container/b" }) {
		t.Errorf("%v, held %v: %v", calls, plan.Held, err)
	}
	n.MustApply(t, second)
	if current := n.Actual.Workloads["b.service"]; current.RunningDir != second.Workloads["b.service"].BundleDir {
		t.Errorf("b runs %s", current.RunningDir)
	}
}

// TestANameHasOneKindAtATime holds a Pod back while the Container of its name stays.
func TestANameHasOneKindAtATime(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, shapes["Container"], reconciletest.Command))
	desired := reconciletest.Resolve(t, shapes["Pod"], reconciletest.Command)
	_, calls, err := n.Apply(t, desired, diff.Options{HoldPrune: "a manifest has errors"})
	if err != nil || len(services(calls)) > 0 {
		t.Errorf("while its removal is held: %v %v", calls, err)
	}
	n.MustApply(t, desired)
	checkTaken(t, n, reconciletest.Resolve(t, shapes["Container"], reconciletest.Command), desired)
}
