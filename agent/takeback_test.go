package agent

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/davit-project/davit/agent/generations"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
)

const web = "Container/web"

// version is the desired state of a container in a version.
func version(text string) reconcile.Desired {
	return reconcile.Desired{Workloads: map[string]reconcile.Workload{
		"web.service": {Ref: v1.Ref{Kind: v1.KindContainer, Name: "web"}, UnitText: text},
	}}
}

// attempted is a store in which a version was confirmed, and the next one begun.
func attempted(t *testing.T) (store generations.Store, dir string) {
	t.Helper()
	dir = t.TempDir()
	store = generations.In(dir)
	for _, text := range []string{"one", "two"} {
		_, err := store.Begin(list(t, store), version(text), generations.Origin{Manifests: text}, time.Unix(1, 0), func(g *history.Generation) {
			if text == "one" {
				g.Confirm(web)
				g.Settle()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return store, dir
}

func list(t *testing.T, store generations.Store) []history.Generation {
	t.Helper()
	kept, err := store.List()
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// TestATakeBackIsNotMissed decides the rollback before it stores the reason, and makes up for a missing decision.
//
// fault: it cannot be written down that a change is taken back | it is taken back as soon as it can
func TestATakeBackIsNotMissed(t *testing.T) {
	t.Parallel()
	store, dir := attempted(t)
	r := newReconciler(&Node{generations: store}, true)
	look := func() *view {
		decided, err := store.Decisions()
		if err != nil {
			t.Fatal(err)
		}
		return &view{kept: list(t, store), desired: version("two"), decided: decided}
	}
	obstacle := filepath.Join(dir, "quarantine.json")
	if err := os.MkdirAll(filepath.Join(obstacle, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	v := &view{kept: list(t, store), desired: version("two")}
	newest := v.kept[0]
	newest.Fail(web, "it ended")
	if _, err := r.write(v, newest); err == nil {
		t.Error("no error, though the decision cannot be written")
	}
	if failed := list(t, store)[0].Failed; len(failed) > 0 {
		t.Errorf("noted as failed before it is taken back: %v", failed)
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := store.Finish(newest); err != nil { // as a pass did that noted it, and decided nothing
		t.Fatal(err)
	}
	var broken []Failure
	if again, err := r.judge(context.Background(), look(), Pass{}, &broken); err != nil || !again {
		t.Errorf("again %v, error %v", again, err)
	}
	if v := look(); v.decided.Quarantine[web].Version != v.kept[0].Objects[web] {
		t.Errorf("in quarantine: %v", v.decided.Quarantine)
	}
	if again, err := r.judge(context.Background(), look(), Pass{}, &broken); err != nil || again {
		t.Errorf("once it is in quarantine: again %v, error %v", again, err)
	}
}

// TestResumeForgetsThatAVersionFailed leaves the verdict to the next passes.
func TestResumeForgetsThatAVersionFailed(t *testing.T) {
	t.Parallel()
	for _, object := range []string{"", web} {
		store, _ := attempted(t)
		newest := list(t, store)[0]
		newest.Fail(web, "it ended")
		newest.Settle()
		if err := store.Finish(newest); err != nil {
			t.Fatal(err)
		}
		n := &Node{generations: store}
		if err := n.Resume("Container/other"); err != nil || list(t, store)[0].Failed[web] == "" {
			t.Errorf("another one is resumed: %v %v", err, list(t, store)[0].Failed)
		}
		if err := n.Resume(object); err != nil {
			t.Fatal(err)
		}
		if resumed := list(t, store)[0]; len(resumed.Failed) > 0 || resumed.State != history.Applying {
			t.Errorf("resumed %q: %s, failed %v", object, resumed.State, resumed.Failed)
		}
	}
}
