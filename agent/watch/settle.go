package watch

import "time"

// Settler decides when a tree that may still be being written can be acted on: a
// truncated manifest often parses, with fewer objects than it should have. Times come in
// as arguments; the zero Settler with its windows set is ready.
type Settler struct {
	// Quiet is how long a tree must have been unchanged to be applied; Prompt is how long it must have been
	// when nobody seems to be writing it, and it was quiet before it changed.
	Quiet, Prompt time.Duration
	// PruneQuiet is how long before what it lacks may be removed; it is not shorter.
	PruneQuiet time.Duration

	fingerprint string
	since       time.Time
	rested      time.Time // when it was last quiet
	busy        bool      // its last change came soon after the one before
}

// Verdict is what may be done with a tree now.
type Verdict struct {
	// Apply and Prune say what may be done.
	Apply, Prune bool
	// Wait is how long until more may be done; 0 when all may.
	Wait time.Duration
	// Restless is how long the tree has not been quiet.
	Restless time.Duration
}

// See takes note of the tree's fingerprint at a time, and whether somebody may be writing it.
func (s *Settler) See(fingerprint string, unfinished bool, now time.Time) Verdict {
	if s.since.IsZero() {
		s.rested = now
	}
	if fingerprint != s.fingerprint || s.since.IsZero() {
		s.busy = now.Sub(s.since) < s.Quiet
		s.fingerprint, s.since = fingerprint, now
	}
	quiet := s.Quiet
	if !unfinished && !s.busy {
		quiet = min(s.Prompt, s.Quiet)
	}
	age := now.Sub(s.since)
	if age >= quiet {
		s.rested = now
	}
	switch {
	case age < quiet:
		return Verdict{Wait: quiet - age, Restless: now.Sub(s.rested)}
	case age < s.PruneQuiet:
		return Verdict{Apply: true, Wait: s.PruneQuiet - age}
	default:
		return Verdict{Apply: true, Prune: true}
	}
}
