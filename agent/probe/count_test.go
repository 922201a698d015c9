package probe

import (
	"testing"

	"github.com/davit-project/davit/units/bundle"
)

func TestThresholds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		successes, failures int32
		passing             bool
		// results are checks that pass (+) and fail (-), want is their result: undecided (.),
		// or decided well (Y) or badly (N).
		results, want string
	}{
		"one of each":                         {1, 1, false, "+-+--", "YNYNN"},
		"failures in a row":                   {1, 3, true, "--+---+", "..Y..NY"},
		"successes in a row":                  {2, 1, false, "+-++-++", ".N.YN.Y"},
		"the first failures of a new one":     {1, 2, false, "--", ".N"},
		"more than enough stay decided":       {2, 2, false, "++++----", ".YYY.NNN"},
		"a row is broken by the other result": {2, 2, true, "-+-+-+", "......"},
	} {
		counter := Counter{Probe: bundle.Probe{Successes: test.successes, Failures: test.failures}, Passing: test.passing}
		got := ""
		for _, result := range test.results {
			switch {
			case !counter.Count(result == '+'):
				got += "."
			case counter.Passing:
				got += "Y"
			default:
				got += "N"
			}
		}
		if got != test.want {
			t.Errorf("%s: %s comes to %s, want %s", name, test.results, got, test.want)
		}
	}
}
