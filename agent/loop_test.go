package agent

import (
	"testing"
	"time"
)

func TestTheAgentSleepsUntilSomethingIsPossible(t *testing.T) {
	t.Parallel()
	var never time.Time
	for name, test := range map[string]struct {
		step, pass, mayPass, look, want time.Time
	}{
		"nothing but a step":              {at(90), never, at(10), never, at(90)},
		"a pass is due":                   {at(90), at(20), at(10), never, at(20)},
		"a pass was due in the pause":     {at(90), at(5), at(10), never, at(10)},
		"a look before the pause is over": {at(90), at(5), at(10), at(8), at(8)},
		"a step before the pause is over": {at(7), at(5), at(10), at(8), at(7)},
	} {
		if got := nextWake(test.step, test.pass, test.mayPass, test.look); !got.Equal(test.want) {
			t.Errorf("%s: wakes at %s, want %s", name, got, test.want)
		}
	}
}
