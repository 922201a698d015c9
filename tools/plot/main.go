// Command plot draws the curves of docs/benchmarks.md: pictures of lines with logarithmic axes, as SVG. It reads a JSON list of
// pictures from its standard input and writes each into its file.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// picture is a set of lines that share their axes.
type picture struct {
	File, Title, X, Y string
	Lines             []line
}

type line struct {
	Name   string
	Points plotter.XYs
}

func main() {
	var pictures []picture
	err := json.NewDecoder(os.Stdin).Decode(&pictures)
	for i := 0; err == nil && i < len(pictures); i++ {
		err = pictures[i].draw()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func (drawn picture) draw() error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = drawn.Title, drawn.X, drawn.Y
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	var lines []any
	for _, line := range drawn.Lines {
		lines = append(lines, line.Name, line.Points)
	}
	if err := plotutil.AddLinePoints(p, lines...); err != nil {
		return fmt.Errorf("%s: %w", drawn.File, err)
	}
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, drawn.File)
}
