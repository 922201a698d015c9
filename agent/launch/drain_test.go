package launch

import (
	"testing"
	"time"

	"github.com/davit-project/davit/units/bundle"
)

func TestHowLongAReplicaServesBeforeItStops(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grace time.Duration
		hook  *bundle.Hook
		want  time.Duration
	}{
		"as long as clients need":          {10 * time.Second, nil, time.Second},
		"a part of a short grace period":   {time.Second, nil, 250 * time.Millisecond},
		"a hook that sleeps does the same": {10 * time.Second, &bundle.Hook{SleepSeconds: 1}, 0},
		"another hook comes afterwards":    {10 * time.Second, &bundle.Hook{Check: bundle.Check{Exec: []string{"x"}}}, time.Second},
	} {
		if got := drainOf(test.grace, test.hook); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestOthersThatAnswerForAReplica(t *testing.T) {
	t.Parallel()
	all := func(others ...neighbour) neighbours {
		return append(neighbours{{ID: "web@1", Endpoint: bundle.Endpoint{Names: []string{"web-1", "web"}}, Unready: true}}, others...)
	}
	for name, test := range map[string]struct {
		all  neighbours
		want bool
	}{
		"none":                {all(), false},
		"one that is ready":   {all(neighbour{ID: "web@2", Endpoint: bundle.Endpoint{Names: []string{"web-2", "web"}}}), true},
		"one that is not":     {all(neighbour{ID: "web@2", Endpoint: bundle.Endpoint{Names: []string{"web-2", "web"}}, Unready: true}), false},
		"one of another name": {all(neighbour{ID: "db", Endpoint: bundle.Endpoint{Names: []string{"db"}}}), false},
	} {
		if got := test.all.answerFor("web@1"); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
