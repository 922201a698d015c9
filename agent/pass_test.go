package agent

import (
	"testing"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile/history"
)

func TestManifestsOlderThanThoseAppliedAreFound(t *testing.T) {
	t.Parallel()
	set := &manifests.Set{}
	own, err := digestOf(set)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		before int
		kept   []history.Generation
		want   bool
	}{
		"nothing was applied":                                   {0, nil, false},
		"the first pass":                                        {0, []history.Generation{{Number: 4, Manifests: "other"}}, false},
		"nothing was applied since":                             {4, []history.Generation{{Number: 4, Manifests: "other"}}, false},
		"another one has applied the same":                      {4, []history.Generation{{Number: 5, Manifests: own}}, false},
		"another one has applied others":                        {4, []history.Generation{{Number: 5, Manifests: "other"}}, true},
		"generations were lost, and others were applied since":  {4, []history.Generation{{Number: 2, Manifests: "other"}}, true},
		"generations were lost, and the same was applied since": {4, []history.Generation{{Number: 2, Manifests: own}}, false},
		"generations were lost":                                 {4, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReconciler(&Node{}, false)
			r.newest = test.before
			v := &view{set: set, kept: test.kept}
			if err := r.outdated(v); (err != nil) != test.want {
				t.Errorf("got %v", err)
			}
			if err := r.outdated(v); err != nil {
				t.Errorf("the next pass: %v", err)
			}
		})
	}
}
