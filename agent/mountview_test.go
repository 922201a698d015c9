package agent

import (
	"errors"
	"testing"
)

func TestTheAgentEndsForAFreshViewOfTheMountsOnly(t *testing.T) {
	t.Parallel()
	readOnly, denied, open := writable{}, writable{node: true}, writable{own: true, node: true}
	for name, test := range map[string]struct {
		atStart, now writable
		err          error // of the look now
		ends         bool
	}{
		"all can be written to":                                 {open, open, nil, false},
		"it is read-only, for the node too":                     {open, readOnly, nil, false},
		"it was read-only, and is so":                           {readOnly, readOnly, nil, false},
		"it was read-only, and is so in the agent's copy alone": {readOnly, denied, nil, true},
		"a read-only mount came, and was made writable":         {open, denied, nil, true},
		"the agent's unit denies it":                            {denied, denied, nil, false},
		"the node's mounts cannot be seen":                      {readOnly, denied, errors.New("permission denied"), false},
	} {
		seen, failure := test.atStart, error(nil)
		view := newMountView(func(string) (writable, error) { return seen, failure }, "/var/lib/davit")
		seen, failure = test.now, test.err
		if err := view.check(); (err != nil) != test.ends {
			t.Errorf("%s: %v", name, err)
		}
	}
}
