package main

import (
	"path/filepath"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// curve is a picture: how a figure grows with a number.
type curve struct {
	Measure, File, Title string
	// prefix is the common prefix of all its variants; the number follows.
	prefix string
	by     string
}

var curves = []curve{
	{Measure: "change", File: "change.svg", Title: "One change, by number of manifests", prefix: "change/manifests=", by: "manifests"},
	{Measure: "reconcile", File: "reconcile.svg", Title: "Nothing to do, by number of manifests", prefix: "reconcile/manifests=", by: "manifests"},
	{Measure: "growth", File: "growth.svg", Title: "A start, by number of running containers", prefix: "growth/running=", by: "running containers"},
}

// curvesOf are the curves of a measure that there is something to draw of.
func curvesOf(f *findings, measure string) []curve {
	var drawn []curve
	for _, c := range curves {
		if c.Measure == measure && len(c.points(f, davit)) > 0 {
			drawn = append(drawn, c)
		}
	}
	return drawn
}

// drawCurves draws all curves into a directory.
func drawCurves(f *findings, directory string) error {
	for _, c := range curves {
		if len(c.points(f, davit)) == 0 {
			continue
		}
		if err := c.draw(f, filepath.Join(directory, c.File)); err != nil {
			return err
		}
	}
	return nil
}

func (c curve) draw(f *findings, path string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.by, "ms"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	var lines []any
	for _, who := range contestants {
		if points := c.points(f, who); len(points) > 0 {
			lines = append(lines, who.title, points)
		}
	}
	if err := plotutil.AddLinePoints(p, lines...); err != nil {
		return err
	}
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, path)
}

// points are a contestant's medians in milliseconds by the number, in the order they were measured in.
func (c curve) points(f *findings, who contestant) plotter.XYs {
	var points plotter.XYs
	for _, s := range f.Series {
		number, ok := strings.CutPrefix(string(s.Variant), c.prefix)
		if !ok || s.By != who.name || s.Unit != wallTime {
			continue
		}
		x, err := strconv.ParseFloat(number, 64)
		if err != nil {
			continue
		}
		points = append(points, plotter.XY{X: x, Y: figureOf(f, s.Variant, who, wallTime) / 1e6})
	}
	return points
}
