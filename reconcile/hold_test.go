package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const dataVolume = header + "Volume\nmetadata: {name: data}\nspec: {reclaimPolicy: Delete}\n---\n"

// other is the Volume as another kind.
func other(source string) string {
	return header + "Volume\nmetadata: {name: data}\nspec: {" + source + "}\n---\n"
}

// TestAVolumeOfAnotherKindIsHeld keeps what runs with its data, whatever the Volume becomes, until a person
// confirms it, and deletes nothing while a Volume of the name is there.
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
				n := newNode()
				n.mustApply(t, resolve(t, container("web", mount)+dataVolume, command))
				before := n.actual.Workloads["web.service"]
				desired := resolve(t, container("web", mount)+other(source), command)
				plan, calls, err := n.apply(t, desired, Options{Volumes: declared})
				if err != nil || len(calls) > 0 || n.actual.Workloads["web.service"].RunningDir != before.RunningDir {
					t.Errorf("%v: %v", calls, err)
				}
				if !slices.ContainsFunc(plan.Held, func(h Held) bool {
					return h.Object == "Container/web" && strings.Contains(h.Reason, "/var/lib/davit/volumes/data") && strings.Contains(h.Reason, "--confirm-prune")
				}) {
					t.Errorf("held: %v", plan.Held)
				}
				for range 2 {
					if _, calls, err = n.apply(t, desired, Options{Volumes: declared, Confirmed: len(calls) == 0}); err != nil {
						t.Fatal(err)
					}
					if slices.Contains(calls, "remove-volume data") {
						t.Errorf("the data is deleted: %v", calls)
					}
				}
				if current := n.actual.Workloads["web.service"]; current.RunningDir != desired.Workloads["web.service"].BundleDir {
					t.Errorf("it runs %s once it is confirmed", current.RunningDir)
				}
				if rest := Diff(desired, n.actual, Options{Volumes: declared}); !rest.Empty() || len(rest.Held) > 0 {
					t.Errorf("a second apply would still do %v, held %v", verbs(rest), rest.Held)
				}
				if _, calls, err = n.apply(t, resolve(t, container("web"), command), Options{}); err != nil || !slices.Contains(calls, "remove-volume data") {
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
	n := newNode()
	n.mustApply(t, resolve(t, container("web")+dataVolume, command))
	without := resolve(t, container("web"), command)
	if plan := Diff(without, n.actual, Options{Volumes: map[string]bool{"data": true}}); !plan.Empty() {
		t.Errorf("a manifest has it: %v", verbs(plan))
	}
	if plan := Diff(Restore(without), n.actual, Options{Restored: true, Confirmed: true}); !plan.Empty() {
		t.Errorf("the node is rolled back, and what manifests have cannot all be read: %v", verbs(plan))
	}
	if plan := Diff(without, n.actual, Options{}); !slices.Contains(verbs(plan), "remove-volume Volume/data") {
		t.Errorf("no manifest has it: %v", verbs(plan))
	}
}

// TestAVolumeInUseIsNotDeleted counts a part of a volume as a use of it.
func TestAVolumeInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	for _, mount := range []string{"mountPath: /d", "mountPath: /d, subPath: part"} {
		n := newNode()
		n.mustApply(t, resolve(t, container("web", "volumeMounts: [{name: data, "+mount+"}]")+dataVolume, command))
		current := n.actual.Workloads["web.service"]
		current.Keep = true
		n.actual.Workloads["web.service"] = current
		if plan := Diff(Desired{}, n.actual, Options{}); slices.Contains(verbs(plan), "remove-volume Volume/data") {
			t.Errorf("%s: %v", mount, verbs(plan))
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
		options Options
		before  func(*node)
		held    bool
	}{
		"its removal is held":        {port, Options{HoldPrune: "a manifest has errors"}, nil, true},
		"it is to stay":              {port, Options{}, keepOld, true},
		"it is suspended":            {port, Options{Suspended: map[string]string{"Container/old": "suspended"}}, nil, true},
		"it goes":                    {port, Options{}, nil, false},
		"another port":               {"ports: [{containerPort: 80, hostPort: 8081}]", Options{HoldPrune: "errors"}, nil, false},
		"another protocol":           {"ports: [{containerPort: 80, hostPort: 8080, protocol: UDP}]", Options{HoldPrune: "errors"}, nil, false},
		"one of its addresses":       {"ports: [{containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1}]", Options{HoldPrune: "errors"}, nil, true},
		"any address, written as so": {"ports: [{containerPort: 80, hostPort: 8080, hostIP: '0.0.0.0'}]", Options{HoldPrune: "errors"}, nil, true},
		"it is down":                 {port, Options{HoldPrune: "errors"}, stopOld, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			n.mustApply(t, resolve(t, container("old", port)+container("web"), command))
			if test.before != nil {
				test.before(n)
			}
			desired := resolve(t, container("web", test.wants)+container("new"), command)
			plan, calls, err := n.apply(t, desired, test.options)
			isHeld := slices.ContainsFunc(plan.Held, func(h Held) bool { return h.Object == "Container/web" && h.By == ByTaken })
			if err != nil || isHeld != test.held || slices.Contains(calls, "restart web.service") == test.held {
				t.Errorf("held %v, want %v: %v %v", plan.Held, test.held, calls, err)
			}
			if !slices.Contains(calls, "start new.service") {
				t.Errorf("another object waits too: %v", calls)
			}
			current := n.actual.Workloads["old.service"]
			current.Keep = false
			n.actual.Workloads["old.service"] = current
			n.mustApply(t, desired)
			if current := n.actual.Workloads["web.service"]; current.RunningDir != desired.Workloads["web.service"].BundleDir {
				t.Errorf("it runs %s once the port is free", current.RunningDir)
			}
		})
	}
}

func keepOld(n *node) {
	current := n.actual.Workloads["old.service"]
	current.Keep = true
	n.actual.Workloads["old.service"] = current
}

func stopOld(n *node) {
	current := n.actual.Workloads["old.service"]
	current.Active, current.RunningDir = "inactive", ""
	n.actual.Workloads["old.service"] = current
}

// TestAPortOfWhatIsTakenBackIsNotGivenAway has one object in an earlier version, with a port that another one is to
// have by now.
func TestAPortOfWhatIsTakenBackIsNotGivenAway(t *testing.T) {
	t.Parallel()
	const port = "ports: [{containerPort: 80, hostPort: 8080}]"
	n := newNode()
	first := resolve(t, container("a", port)+container("b"), command)
	n.mustApply(t, first)
	second := resolve(t, container("a")+container("b", port), command)
	back := fallBack(second, map[string]bool{"Container/a": true}, first)
	plan, calls, err := n.apply(t, back, Options{Now: time.Now()})
	if err != nil || len(services(calls)) > 0 || !slices.ContainsFunc(plan.Held, func(h Held) bool { return h.Object == "Container/b" }) {
		t.Errorf("%v, held %v: %v", calls, plan.Held, err)
	}
	n.mustApply(t, second)
	if current := n.actual.Workloads["b.service"]; current.RunningDir != second.Workloads["b.service"].BundleDir {
		t.Errorf("b runs %s", current.RunningDir)
	}
}

// TestANameHasOneKindAtATime holds a Pod back while the Container of its name stays.
func TestANameHasOneKindAtATime(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, shapes["Container"], command))
	desired := resolve(t, shapes["Pod"], command)
	_, calls, err := n.apply(t, desired, Options{HoldPrune: "a manifest has errors"})
	if err != nil || len(services(calls)) > 0 {
		t.Errorf("while its removal is held: %v %v", calls, err)
	}
	n.mustApply(t, desired)
	checkTaken(t, n, resolve(t, shapes["Container"], command), desired)
}
