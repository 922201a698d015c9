package network

import (
	"testing"

	"github.com/davit-project/davit/units/bundle"
)

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
