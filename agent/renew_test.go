package agent

import "testing"

func TestAnAgentRenewsItselfOnceFewUnitsAreLeft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		units []int
		want  bool
	}{
		"none yet":                   {nil, false},
		"as many as before":          {[]int{2000, 2000}, false},
		"half of them":               {[]int{2000, 1000}, false},
		"a quarter of them":          {[]int{10, 2000, 500}, true},
		"a quarter, and then more":   {[]int{2000, 500, 900}, false},
		"a node that was never full": {[]int{399, 1}, false},
	} {
		var g growth
		for _, units := range test.units {
			g.note(units)
		}
		if got := g.outgrown(); got != test.want {
			t.Errorf("%s: outgrown() = %t, want %t", name, got, test.want)
		}
	}
}
