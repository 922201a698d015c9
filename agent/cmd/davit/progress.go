//go:build linux

package main

import (
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/davit-project/davit/agent/images"
	"github.com/davit-project/davit/agent/terminal"
)

// pullBars shows pulls: bars on a terminal, a line when one begins and ends elsewhere.
type pullBars struct {
	w    io.Writer // for lines
	draw io.Writer // for bars; nil for none

	mu    sync.Mutex
	group *mpb.Progress
	bars  map[string]*mpb.Bar
}

func newPullBars(lines, draw io.Writer) *pullBars {
	bars := &pullBars{w: lines, bars: map[string]*mpb.Bar{}}
	if terminal.Is(draw) {
		bars.draw = terminal.Raw(draw)
	}
	return bars
}

// report is called by the image store.
func (p *pullBars) report(progress images.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bar, begun := p.bars[progress.Reference]
	if !begun {
		bar = p.begin(progress.Reference)
	}
	if bar == nil {
		if progress.Ended {
			printLine(p.w, "pulled %s: %d layers, %.1f MiB", progress.Reference, progress.LayersSeen, float64(progress.Done)/(1<<20))
		}
		return
	}
	bar.SetTotal(progress.Total, progress.Ended)
	bar.SetCurrent(progress.Done)
}

func (p *pullBars) begin(reference string) *mpb.Bar {
	p.bars[reference] = nil
	if p.draw == nil {
		printLine(p.w, "pulling %s", reference)
		return nil
	}
	if p.group == nil {
		p.group = mpb.New(mpb.WithOutput(p.draw), mpb.WithWidth(40))
	}
	p.bars[reference] = p.group.AddBar(0,
		mpb.PrependDecorators(decor.Name(terminal.Line(reference), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
	return p.bars[reference]
}

// end leaves the terminal as it was.
func (p *pullBars) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.group != nil {
		p.group.Shutdown()
		p.group = nil
	}
}
