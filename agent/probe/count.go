package probe

import "github.com/davit-project/davit/units/bundle"

// Counter counts the results of a probe. The zero value, with its probe, has passed no check and
// failed none.
type Counter struct {
	Probe bundle.Probe
	// Passing is the result of the checks: it changes after as many of one result in a row as the
	// probe wants. It may be set to begin with.
	Passing bool

	last bool
	row  int32
}

// Count takes one result and reports whether as many of them came in a row as the probe wants,
// be Passing changed by it or not.
func (c *Counter) Count(passed bool) (decided bool) {
	if passed != c.last {
		c.row = 0
	}
	c.last = passed
	c.row++
	if passed && c.row < c.Probe.Successes || !passed && c.row < c.Probe.Failures {
		return false
	}
	c.Passing = passed
	return true
}
