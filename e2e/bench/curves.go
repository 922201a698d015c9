package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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

// picture is what the drawing program of tools/plot reads of a curve.
type picture struct {
	File, Title, X, Y string
	Lines             []line
}

type line struct {
	Name   string
	Points []point
}

type point struct{ X, Y float64 }

// drawCurves draws all curves into a directory.
func drawCurves(ctx context.Context, f *findings, directory string) error {
	directory, err := filepath.Abs(directory) // the program runs in another one
	if err != nil {
		return err
	}
	var pictures []picture
	for _, c := range curves {
		if len(c.points(f, davit)) > 0 {
			pictures = append(pictures, c.picture(f, filepath.Join(directory, c.File)))
		}
	}
	input, err := json.Marshal(pictures)
	if err != nil {
		return err
	}
	draw := exec.CommandContext(ctx, "go", "run", "-C", "tools", "./plot")
	draw.Stdin = bytes.NewReader(input)
	if output, err := draw.CombinedOutput(); err != nil {
		return fmt.Errorf("tools/plot: %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}

func (c curve) picture(f *findings, file string) picture {
	drawn := picture{File: file, Title: c.Title, X: c.by, Y: "ms"}
	for _, who := range contestants {
		if points := c.points(f, who); len(points) > 0 {
			drawn.Lines = append(drawn.Lines, line{who.title, points})
		}
	}
	return drawn
}

// points are a contestant's medians in milliseconds by the number, in the order they were measured in.
func (c curve) points(f *findings, who contestant) []point {
	var points []point
	for _, s := range f.Series {
		number, ok := strings.CutPrefix(string(s.Variant), c.prefix)
		if !ok || s.By != who.name || s.Unit != wallTime {
			continue
		}
		x, err := strconv.ParseFloat(number, 64)
		if err != nil {
			continue
		}
		points = append(points, point{X: x, Y: figureOf(f, s.Variant, who, wallTime) / 1e6})
	}
	return points
}
