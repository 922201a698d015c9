package main

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

//go:embed report.md.tmpl
var reportText string

// report prints the table and writes the document with it and its curves.
func report(ctx context.Context, f *findings, docs string) error {
	fmt.Print("\n", table(f, ""), "\n", goalTable(f))
	if err := drawCurves(ctx, f, filepath.Join(docs, "benchmarks")); err != nil {
		return fmt.Errorf("draw curves: %w", err)
	}
	page, err := template.New("report").Funcs(template.FuncMap{
		"table":  func(m measure) string { return table(f, m.Name) },
		"goals":  func() string { return goalTable(f) },
		"missed": func() []string { return missed(f) },
		"on":     func(m measure) string { return onWhat(f.Machines[m.Name]) },
		"ran":    func(m measure) bool { _, ran := f.Machines[m.Name]; return ran },
		"fails":  func(m measure) []string { return failuresOf(f, m.Name) },
		"curves": func(m measure) []curve { return curvesOf(f, m.Name) },
	}).Parse(reportText)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := page.Execute(&text, measures); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(docs, "benchmarks.md"), []byte(text.String()), 0o644)
}

// row is a line of the table.
type row struct {
	variant variant
	unit    unit
}

// table has the medians of all contestants, and in parentheses how many times davit's each peer's is.
func table(f *findings, measure string) string {
	var rows []row
	for _, s := range f.Series {
		if r := (row{s.Variant, s.Unit}); (measure == "" || s.Variant.measure() == measure) && !slices.Contains(rows, r) {
			rows = append(rows, r)
		}
	}
	columns := columnsOf(rows, f)
	lines := [][]string{{"", "rounds"}}
	for _, c := range columns {
		lines[0] = append(lines[0], c.title)
	}
	for _, r := range rows {
		lines = append(lines, cells(f, r, columns))
	}
	return markdown(lines)
}

// columnsOf are the contestants with a figure in one of the rows.
func columnsOf(rows []row, f *findings) []contestant {
	return slices.DeleteFunc(append(slices.Clone(contestants), skopeo), func(c contestant) bool {
		return !slices.ContainsFunc(rows, func(r row) bool { return f.find(r.variant, c.name, r.unit) != nil })
	})
}

func cells(f *findings, r row, columns []contestant) []string {
	own := figureOf(f, r.variant, davit, r.unit)
	line := []string{fmt.Sprintf("%s, %s", r.variant, forms[r.unit].title), ""}
	for _, c := range columns {
		s := f.find(r.variant, c.name, r.unit)
		if s == nil {
			line = append(line, "-")
			continue
		}
		line[1] = fmt.Sprint(len(s.Values))
		figure := figureOf(f, r.variant, c, r.unit)
		cell := forms[r.unit].form(figure)
		if c.name != davit.name && own > 0 && !math.IsNaN(own) {
			cell += fmt.Sprintf(" (%.2f×)", figure/own)
		}
		line = append(line, cell)
	}
	return line
}

func goalTable(f *findings) string {
	lines := [][]string{{"goal", "at most", "is", ""}}
	for _, g := range goals {
		is := "-"
		if figure := g.figure(f); !math.IsNaN(figure) {
			is = g.form(figure)
		}
		lines = append(lines, []string{g.title, g.form(g.most), is, g.verdict(f)})
	}
	return markdown(lines)
}

// missed gives the reasons of goals that are missed, those with the same reason together.
func missed(f *findings) []string {
	var limits []string
	figures := map[string][]string{}
	for _, g := range goals {
		figure := g.figure(f)
		if !(figure > g.most) { // nor where it was not measured
			continue
		}
		limit := cmp.Or(g.limits, "the cause is not known yet")
		if figures[limit] == nil {
			limits = append(limits, limit)
		}
		figures[limit] = append(figures[limit], fmt.Sprintf("%s, %s", g.title, g.form(figure)))
	}
	said := make([]string, len(limits))
	for i, limit := range limits {
		said[i] = strings.Join(figures[limit], "; ") + ": " + limit
	}
	return said
}

func failuresOf(f *findings, measure string) []string {
	var said []string
	for _, x := range f.Failures {
		if x.Variant.measure() == measure {
			why, _, _ := strings.Cut(x.Why, "\n")
			said = append(said, fmt.Sprintf("%s, %s: %s", x.Variant, x.By, why))
		}
	}
	return said
}

// markdown writes a table with its columns aligned.
func markdown(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var text strings.Builder
	for i, line := range lines {
		for j, cell := range line {
			fmt.Fprintf(&text, "| %-*s ", widths[j], cell)
		}
		text.WriteString("|\n")
		if i == 0 {
			for _, width := range widths {
				text.WriteString("|" + strings.Repeat("-", width+2))
			}
			text.WriteString("|\n")
		}
	}
	return text.String()
}
