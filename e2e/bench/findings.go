package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// unit is the unit of a figure, named as in Go's benchmarks.
type unit string

const (
	wallTime  unit = "ns/op"
	cpuTime   unit = "cpu-ns/op"
	rssBytes  unit = "rss-bytes"
	pssBytes  unit = "pss-bytes"
	processes unit = "processes"
	wakeups   unit = "wakeups/min"
	cpuShare  unit = "cpu-ns/min"
	writes    unit = "writes"
)

// variant is a measure's name and its parameters, "start/network=bridge".
type variant string

func (v variant) measure() string { name, _, _ := strings.Cut(string(v), "/"); return name }

// series are the figures of one contestant in one unit, a round each.
type series struct {
	Variant variant   `json:"variant"`
	By      string    `json:"by"`
	Unit    unit      `json:"unit"`
	Values  []float64 `json:"values"`
}

// failure says why a contestant has no figures.
type failure struct {
	Variant variant `json:"variant"`
	By      string  `json:"by"`
	Why     string  `json:"why"`
}

// machine is the machine of a measure.
type machine struct {
	Date     time.Time         `json:"date"`
	Hardware string            `json:"hardware"`
	Kernel   string            `json:"kernel"`
	Versions map[string]string `json:"versions"`
}

// findings are the results of measures, by machine. They are kept as JSON, and a later run replaces those
// measures that it made.
type findings struct {
	Series   []series           `json:"series"`
	Failures []failure          `json:"failures"`
	Machines map[string]machine `json:"machines"`

	// log gets each figure as a line of Go's benchmarks.
	log io.Writer
}

// load reads kept findings; none is none.
func load(path string) (*findings, error) {
	f := &findings{Machines: map[string]machine{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

// save writes them, a series a line.
func (f *findings) save(path string) error {
	var text strings.Builder
	text.WriteString("{\"series\": [\n")
	if err := writeLines(&text, f.Series); err != nil {
		return err
	}
	text.WriteString("], \"failures\": [\n")
	if err := writeLines(&text, f.Failures); err != nil {
		return err
	}
	machines, err := json.Marshal(f.Machines)
	if err != nil {
		return err
	}
	fmt.Fprintf(&text, "], \"machines\": %s}\n", machines)
	return os.WriteFile(path, []byte(text.String()), 0o644)
}

func writeLines[T any](text *strings.Builder, values []T) error {
	for i, value := range values {
		line, err := json.Marshal(value)
		if err != nil {
			return err
		}
		text.Write(line)
		if i < len(values)-1 {
			text.WriteByte(',')
		}
		text.WriteByte('\n')
	}
	return nil
}

// begin forgets the earlier results of a measure.
func (f *findings) begin(measure string, on machine) {
	f.Series = slices.DeleteFunc(f.Series, func(s series) bool { return s.Variant.measure() == measure })
	f.Failures = slices.DeleteFunc(f.Failures, func(x failure) bool { return x.Variant.measure() == measure })
	f.Machines[measure] = on
}

func (f *findings) fail(of variant, c contestant, err error) {
	fmt.Fprintf(f.log, "# %s/by=%s: %v\n", of, c.name, err)
	f.Series = slices.DeleteFunc(f.Series, func(s series) bool { return s.Variant == of && s.By == c.name })
	f.Failures = append(f.Failures, failure{of, c.name, err.Error()})
}

func (f *findings) failed(of variant, c contestant) bool {
	return slices.ContainsFunc(f.Failures, func(x failure) bool { return x.Variant == of && x.By == c.name })
}

// add takes down the figures of a round.
func (f *findings) add(of variant, c contestant, values map[unit]float64) {
	var line strings.Builder
	for _, u := range units {
		value, ok := values[u]
		if !ok {
			continue
		}
		fmt.Fprintf(&line, " %.0f %s", value, u)
		if s := f.find(of, c.name, u); s != nil {
			s.Values = append(s.Values, value)
		} else {
			f.Series = append(f.Series, series{of, c.name, u, []float64{value}})
		}
	}
	fmt.Fprintf(f.log, "Benchmark%s%s/by=%s-%d 1%s\n", strings.ToUpper(string(of[:1])), of[1:], c.name, runtime.NumCPU(), &line)
}

// units in the order of a line.
var units = []unit{wallTime, cpuTime, rssBytes, pssBytes, processes, wakeups, cpuShare, writes}

func (f *findings) find(of variant, by string, u unit) *series {
	i := slices.IndexFunc(f.Series, func(s series) bool { return s.Variant == of && s.By == by && s.Unit == u })
	if i < 0 {
		return nil
	}
	return &f.Series[i]
}

// median is that of a series, and whether there is one.
func (f *findings) median(of variant, by string, u unit) (float64, bool) {
	s := f.find(of, by, u)
	if s == nil {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(s.Values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, true
}
