package agent

import (
	"errors"
	"testing"

	"github.com/davit-project/davit/units"
)

func TestAStateIsKnownUntilItsUnitChanges(t *testing.T) {
	t.Parallel()
	var known stateCache
	asked := 0
	get := func(current bool, during func(), failure error) {
		t.Helper()
		_, err := known.get("web.service", func(units.State) bool { return current }, func() (units.State, error) {
			asked++
			during()
			return units.State{}, failure
		})
		if !errors.Is(err, failure) {
			t.Error(err)
		}
	}
	nothing := func() {}
	for _, step := range []struct {
		name string
		do   func()
		want int // how often systemd was asked
	}{
		{"at first", func() { get(true, nothing, nil) }, 1},
		{"once more", func() { get(true, nothing, nil) }, 1},
		{"after another unit changed", func() { known.forget("other.service"); get(true, nothing, nil) }, 1},
		{"after it changed", func() { known.forget("web.service"); get(true, nothing, nil) }, 2},
		{"after any may have changed", func() { known.forget(""); get(true, nothing, nil) }, 3},
		{"when it is seen to have changed", func() { get(false, nothing, nil) }, 4},
		{"after a failure", func() {
			known.forget("web.service")
			get(true, nothing, errors.New("lost"))
			get(true, nothing, nil)
		}, 6},
		{"when it changes meanwhile", func() {
			known.forget("web.service")
			get(true, func() { known.forget("web.service") }, nil)
			get(true, nothing, nil)
		}, 8},
		{"when it is one of the units that there are", func() {
			known.retain(map[string]units.Own{"web.service": {}})
			get(true, nothing, nil)
			get(true, nothing, nil)
		}, 8},
		{"when it was removed and is back", func() { known.retain(nil); get(true, nothing, nil) }, 9},
	} {
		if step.do(); asked != step.want {
			t.Errorf("%s: systemd was asked %d times, want %d", step.name, asked, step.want)
		}
	}
}
