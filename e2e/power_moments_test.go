package e2e

import (
	"regexp"
	"strings"
	"time"
)

// phase is a part of an update, or of the time after it.
type phase string

// The phases in which power is lost.
const (
	phasePull    phase = "pull"
	phaseStage   phase = "stage"
	phaseWrite   phase = "write" // unit files, until systemd has read them
	phaseSwitch  phase = "switch"
	phaseVerify  phase = "verify"
	phasePrune   phase = "prune"
	phaseRecover phase = "recover" // the agent's work after a boot
	phaseBoot    phase = "boot"
)

// weights say how many moments of a hundred lie where.
var weights = []struct {
	phase    phase
	newImage bool
	weight   int
}{
	{phasePull, true, 20}, {phaseStage, false, 8}, {phaseWrite, true, 7}, {phaseWrite, false, 7},
	{phaseSwitch, true, 9}, {phaseSwitch, false, 9}, {phaseVerify, true, 3}, {phaseVerify, false, 3},
	{phasePrune, true, 7}, {phasePrune, false, 7}, {phaseRecover, false, 14}, {phaseBoot, false, 6},
}

// moment is when power is lost, and how the machine then boots.
type moment struct {
	phase phase
	// fraction is where in the phase.
	fraction float64
	// newImage is set when the update brings an image.
	newImage bool
	// agent is set when the agent comes up with the machine.
	agent bool
}

// window is where a phase is: so long after the first line of the agent's that matches, or after the
// change.
type window struct {
	line     *regexp.Regexp
	from, to time.Duration
}

func fractionOf(fraction float64, from, to time.Duration) time.Duration {
	return from + time.Duration(fraction*float64(to-from))
}

// passEnded is in the agent's line at the end of a pass. An update has two: the second one removes.
const passEnded = `"pass ended"`

var (
	atPull     = regexp.MustCompile(`action=pull `)
	atBundle   = regexp.MustCompile(`action=write-bundle `)
	atReload   = regexp.MustCompile(`action=reload `)
	atEnd      = regexp.MustCompile(passEnded + ` actions=[1-9]`)
	actionLine = regexp.MustCompile(`action=(\S+) object=("[^"]*"|\S+)`)
)

// fetched is the line that ends the fetching.
func fetched(newImage bool) *regexp.Regexp {
	if newImage {
		return atPull
	}
	return atBundle
}

// settling is how long the agent waits at first.
const settling = 300 * time.Millisecond

// measure watches an undisturbed update to its end, and says where its phases were.
func (s *series) measure(newImage bool) map[phase]window {
	s.t.Helper()
	began := time.Now()
	var fetchedAt, reloadedAt, endedAt, removedAt time.Duration
	for {
		line := s.nextLine()
		at := time.Since(began)
		switch {
		case fetchedAt == 0 && fetched(newImage).MatchString(line):
			fetchedAt = at
		case reloadedAt == 0 && atReload.MatchString(line):
			reloadedAt = at
		case endedAt == 0 && atEnd.MatchString(line):
			endedAt = at
		case endedAt > 0 && removedAt == 0:
			removedAt = at
		case endedAt > 0 && atEnd.MatchString(line):
			s.log <- line // for whoever waits for it
			fetching := window{nil, settling, fetchedAt}
			return map[phase]window{
				phasePull: fetching, phaseStage: fetching,
				phaseWrite:  {fetched(newImage), 0, reloadedAt - fetchedAt},
				phaseSwitch: {atReload, 0, endedAt - reloadedAt},
				phaseVerify: {atEnd, 0, removedAt - endedAt},
				phasePrune:  {atEnd, (removedAt - endedAt) / 2, at - endedAt},
			}
		}
	}
}

// nextLine waits for the agent's next line.
func (s *series) nextLine() string {
	s.t.Helper()
	select {
	case line, up := <-s.log:
		if up {
			return line
		}
		s.t.Fatal("the machine ended")
	case <-time.After(recoveryTimeout):
		s.t.Fatal("the agent says nothing more")
	}
	return ""
}

// await waits for a moment of an update, and notes the agent's action at it.
func (s *series) await(r *round) {
	s.t.Helper()
	w := s.windows[r.newImage][r.phase]
	began := time.Now()
	var due <-chan time.Time
	if w.line == nil {
		due = time.After(fractionOf(r.fraction, w.from, w.to))
	}
	p := progress{newImage: r.newImage}
	for {
		select {
		case line, up := <-s.log:
			if !up {
				s.t.Fatal("the machine ended")
			}
			p.note(line)
			if due == nil && w.line.MatchString(line) {
				due = time.After(fractionOf(r.fraction, w.from, w.to))
			}
		case <-due:
			p.asked = strings.Contains(strings.Join(s.Registry.Requests(), "\n"), "/blobs/")
			r.after, r.when, r.last = time.Since(began), p.phase(), shorten(p.last)
			return
		}
	}
}

// progress is how far an update has come, as far as one can see.
type progress struct {
	newImage bool
	last     string
	verb     string
	pulled   bool
	ended    int
	// asked is set when the registry gave something.
	asked bool
}

func (p *progress) note(line string) {
	p.last = line
	if atEnd.MatchString(line) {
		p.ended++
	}
	if action := actionLine.FindStringSubmatch(line); action != nil {
		p.verb, p.pulled = action[1], p.pulled || action[1] == "pull"
	}
}

func (p *progress) phase() string {
	switch {
	case p.ended > 1:
		return "ended"
	case p.ended == 1 && atEnd.MatchString(p.last):
		return string(phaseVerify)
	case p.ended == 1:
		return string(phasePrune)
	case p.verb == "write-unit":
		return string(phaseWrite)
	case p.verb == "reload", p.verb == "start", p.verb == "restart", p.verb == "stop":
		return string(phaseSwitch)
	case p.newImage && p.asked && !p.pulled:
		return string(phasePull)
	case p.verb != "":
		return string(phaseStage)
	}
	return "plan"
}

// shorten is a short form of a line of the agent, for a table.
func shorten(line string) string {
	if action := actionLine.FindStringSubmatch(line); action != nil {
		return action[1] + " " + strings.Trim(action[2], `"`)
	}
	if strings.Contains(line, passEnded) {
		return "pass ended"
	}
	return line
}
