package main

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// kept are findings that were saved and read again.
func kept(t *testing.T, f *findings) *findings {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.json")
	if err := f.save(path); err != nil {
		t.Fatal(err)
	}
	again, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	again.log = io.Discard
	return again
}

func found(t *testing.T) *findings {
	t.Helper()
	f := &findings{Machines: map[string]machine{}, log: io.Discard}
	for _, ms := range []float64{30, 10, 20} {
		f.add("start/network=none", davit, map[unit]float64{wallTime: ms * 1e6})
		f.add("exec/network=none", davit, map[unit]float64{wallTime: ms * 1e6})
		f.add("start/network=none", quadlet, map[unit]float64{wallTime: 10 * ms * 1e6})
	}
	return f
}

func TestARunReplacesWhatItMeasuresAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	f := kept(t, found(t))
	f.begin("start", machine{})
	f.add("start/network=none", davit, map[unit]float64{wallTime: 5e6})
	f = kept(t, f)
	if got, _ := f.median("start/network=none", davit.name, wallTime); got != 5e6 {
		t.Errorf("start: got %v, want the new figure alone", got)
	}
	if got, _ := f.median("exec/network=none", davit.name, wallTime); got != 20e6 {
		t.Errorf("exec: got %v, want the median of the kept ones", got)
	}
	if _, ok := f.median("start/network=none", quadlet.name, wallTime); ok {
		t.Error("start: a peer's figure is left of an earlier run")
	}
}

func TestAContestantThatFailsHasNoFigures(t *testing.T) {
	t.Parallel()
	f := found(t)
	f.fail("start/network=none", quadlet, errors.New("no such thing"))
	if _, ok := f.median("start/network=none", quadlet.name, wallTime); ok {
		t.Error("it has a figure")
	}
	if got := failuresOf(kept(t, f), "start"); len(got) != 1 || !strings.Contains(got[0], "no such thing") {
		t.Errorf("got %q, want one failure with its reason", got)
	}
}

func TestTheTableHasRatios(t *testing.T) {
	t.Parallel()
	if got := table(found(t), "start"); !strings.Contains(got, "20.0 ms") || !strings.Contains(got, "200.0 ms (10.00×)") {
		t.Errorf("got\n%s", got)
	}
}
