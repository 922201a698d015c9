package schedule

import "testing"

func TestTheFirstUnitThatDoesNotRunIsFree(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		states []string
		want   int
	}{
		{[]string{"inactive", "inactive"}, 0},
		{[]string{"failed", "inactive"}, 0},
		{[]string{"activating", "inactive"}, 1},
		{[]string{"active", "deactivating", "failed"}, 2},
		{[]string{"activating", "active"}, -1},
		{nil, -1},
	} {
		if got := free(test.states); got != test.want {
			t.Errorf("%v: got %d, want %d", test.states, got, test.want)
		}
	}
}
