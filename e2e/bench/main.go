// bench measures davit beside its peers on throwaway nodes over Debian 13, and writes the results into
// docs/benchmarks.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/davit-project/davit/e2e"
)

var measures = []measure{
	starts, restarts, memories, idles, execs, probes, changes, reconciles, applies, boots, growths, validations, pulls,
}

func main() {
	rounds := flag.Int("rounds", 20, "how often each contestant has its turn")
	run := flag.String("run", ".*", "only measures whose whole name a regular expression `matches`")
	peers := flag.String("peers", "", "only these contestants, with commas between")
	docs := flag.String("docs", "docs", "the `directory` of documents")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, *rounds, *run, *peers, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func bench(ctx context.Context, rounds int, run, peers, docs string) (err error) {
	pattern, err := regexp.Compile("^(?:" + run + ")$")
	if err != nil {
		return err
	}
	found, err := load(resultsPath(docs))
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "davit-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	kit, err := newKit(ctx, scratch)
	if err != nil {
		return err
	}
	on, err := thisMachine(ctx, kit.Root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(resultsPath(docs)), 0o755); err != nil {
		return err
	}
	found.log = os.Stdout
	s := &suite{kit: kit, rounds: rounds, peers: pick(peers), beds: map[string]*bed{}, found: found}
	for _, m := range measures {
		if !pattern.MatchString(m.Name) {
			continue
		}
		// Results before a failure are kept too; the page names the missing ones.
		err := errors.Join(s.measure(ctx, m, on), found.save(resultsPath(docs)))
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return report(ctx, found, docs)
}

// measure runs a measure on nodes of its own.
func (s *suite) measure(ctx context.Context, m measure, on machine) (err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	fmt.Fprintf(s.found.log, "\n# %s\n", m.Name)
	began := time.Now()
	s.found.begin(m.Name, on)
	if err := m.run(ctx, s); err != nil {
		return err
	}
	fmt.Fprintf(s.found.log, "# %s took %s\n", m.Name, time.Since(began).Round(time.Second))
	return nil
}

func resultsPath(docs string) string { return filepath.Join(docs, "benchmarks", "results.json") }

// pick are the contestants named, all where none is.
func pick(names string) []contestant {
	if names == "" {
		return contestants
	}
	wanted := strings.Split(names, ",")
	return can(func(c contestant) bool { return slices.Contains(wanted, c.name) })
}

// newKit makes the material of nodes below a directory: the tree with the peers, davit, the workload.
func newKit(ctx context.Context, directory string) (*e2e.Kit, error) {
	installation := filepath.Join(directory, "installation")
	kit, err := e2e.NewKit(ctx, installation)
	if err != nil {
		return nil, err
	}
	if kit.Root, err = tree(ctx); err != nil {
		return nil, err
	}
	program, err := compilePayload(ctx, directory)
	if err != nil {
		return nil, err
	}
	if err := os.Link(program, filepath.Join(installation, "usr/local/bin", payloadName)); err != nil {
		return nil, err
	}
	if kit.Images, err = writeImages(directory, program); err != nil {
		return nil, err
	}
	return kit, nil
}
