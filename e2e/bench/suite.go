package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/davit-project/davit/e2e"
)

// measure is one thing that is measured, of all contestants that can do it.
type measure struct {
	// Name picks it, and begins the names of its benchmarks.
	Name string
	// About describes it, for the document.
	About string
	run   func(ctx context.Context, s *suite) error
}

// suite runs measures and records their results.
type suite struct {
	kit    *e2e.Kit
	rounds int
	// peers are the contestants asked for.
	peers []contestant
	beds  map[string]*bed
	found *findings
}

// among are the contestants asked for that can do something.
func (s *suite) among(does func(contestant) bool) []contestant {
	return slices.DeleteFunc(slices.Clone(s.peers), func(c contestant) bool { return !does(c) })
}

// many are those that manage sets of workloads.
func many(c contestant) bool { return c.many }

// shared returns the node that all contestants are set up on.
func (s *suite) shared(ctx context.Context) (*bed, error) { return s.bed(ctx, "shared", s.peers...) }

// own returns a node that a contestant has to itself.
func (s *suite) own(ctx context.Context, c contestant) (*bed, error) { return s.bed(ctx, c.name, c) }

func (s *suite) bed(ctx context.Context, name string, users ...contestant) (*bed, error) {
	if b, ok := s.beds[name]; ok {
		return b, nil
	}
	b, err := newBed(ctx, s.kit)
	if err != nil {
		return nil, err
	}
	s.beds[name] = b
	for _, c := range users {
		if err := b.run(ctx, "sh", "-ec", c.setup); err != nil {
			return nil, fmt.Errorf("set up %s: %w", c.name, err)
		}
	}
	return b, nil
}

// close ends all nodes.
func (s *suite) close() error {
	var errs []error
	for _, b := range s.beds {
		errs = append(errs, b.Close())
	}
	clear(s.beds)
	return errors.Join(errs...)
}

// interleave calls a function for each contestant in each round, so that other work of the machine meets all of them.
// Each round begins with another one, and a first round is not counted: it warms up. A contestant that fails is
// excluded, and marked in the table.
func (s *suite) interleave(of variant, rounds int, peers []contestant, f func(c contestant) (map[unit]float64, error)) {
	peers = slices.Clone(peers)
	for round := range rounds + 1 {
		for i := range peers {
			c := peers[(i+round)%len(peers)]
			if s.found.failed(of, c) {
				continue
			}
			values, err := f(c)
			s.note(of, round, c, values, err)
		}
	}
}

// abreast is interleave for contestants that wait for most of a round, each on its own node: they do so at once.
func (s *suite) abreast(of variant, rounds int, peers []contestant, f func(c contestant) (map[unit]float64, error)) {
	type result struct {
		values map[unit]float64
		err    error
	}
	for round := range rounds + 1 {
		left := slices.DeleteFunc(slices.Clone(peers), func(c contestant) bool { return s.found.failed(of, c) })
		results := make([]result, len(left))
		var all sync.WaitGroup
		for i, c := range left {
			all.Go(func() { results[i].values, results[i].err = f(c) })
		}
		all.Wait()
		for i, c := range left {
			s.note(of, round, c, results[i].values, results[i].err)
		}
	}
}

// note records the result of a contestant's round.
func (s *suite) note(of variant, round int, c contestant, values map[unit]float64, err error) {
	if err != nil {
		s.found.fail(of, c, err)
	} else if round > 0 {
		s.found.add(of, c, values)
	}
}

// costs are the figures of a cost.
func costs(c cost) map[unit]float64 {
	return map[unit]float64{wallTime: float64(c.wall), cpuTime: float64(c.cpu)}
}
