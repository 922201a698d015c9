package agent

import (
	"testing"

	"github.com/davit-project/davit/reconcile"
)

func TestWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	got := underway(map[string]flight{
		"web.service":    {reconcile.Action{Verb: reconcile.Start, Object: "Container/web", Target: "web.service"}},
		"broker.service": {reconcile.Action{Verb: reconcile.Stop, Object: "Container/broker", Target: "broker.service"}},
	})
	if want := "Container/broker: stop of broker.service is under way"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
