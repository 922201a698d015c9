package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/e2e"
)

// sizes of sets of workloads. Compose is not asked for the largest: it alone would take an hour.
var sizes = []int{10, 100, 1000}

const composeMost = 100

func manages(size int) func(contestant) bool {
	return func(c contestant) bool { return c.many && (c.name != compose.name || size <= composeMost) }
}

// onOwn calls a function for each contestant with a node of its own that has a number of workloads, with no
// network, running. Nodes last as long as the measure, so sets grow from one size to the next.
func (s *suite) onOwn(ctx context.Context, of variant, size int, peers []contestant, f func(ctx context.Context, c contestant, b *bed, ws []workload) error) []contestant {
	var ready []contestant
	for _, c := range peers {
		b, err := s.own(ctx, c)
		ws := fleet("w", size, none)
		if err == nil {
			err = b.deploy(ctx, c, ws...)
		}
		if err == nil {
			err = f(ctx, c, b, ws)
		}
		if err != nil {
			s.found.fail(of, c, err)
			continue
		}
		ready = append(ready, c)
	}
	return ready
}

var changes = measure{
	Name: "change", run: measureChanges,
	About: "One of that many files changes while all workloads run: from the write until the new process has started. davit's agent sees the file; " +
		"the peers need a command: `systemctl daemon-reload` and `restart`, `docker compose up`.",
}

func measureChanges(ctx context.Context, s *suite) error {
	for _, size := range sizes {
		of := variant(fmt.Sprintf("change/manifests=%d", size))
		peers := s.onOwn(ctx, of, size, s.among(manages(size)), startAgent)
		revision := 0
		s.interleave(of, s.rounds, peers, func(c contestant) (map[unit]float64, error) {
			revision++
			ws := fleet("w", size, none)
			ws[0].revision = revision
			took, err := change(ctx, s.beds[c.name], c, ws)
			return map[unit]float64{wallTime: float64(took)}, err
		})
		if err := s.stopAgent(ctx); err != nil {
			return err
		}
	}
	return nil
}

// startAgent has davit's agent run, as others' daemons do.
func startAgent(ctx context.Context, c contestant, b *bed, _ []workload) error {
	if c.name != davit.name {
		return nil
	}
	return b.run(ctx, "systemctl", "start", "davit")
}

// stopAgent ends it, where it runs, so that it does not act while workloads are deployed.
func (s *suite) stopAgent(ctx context.Context) error {
	b, ok := s.beds[davit.name]
	if !ok {
		return nil
	}
	return b.run(ctx, "systemctl", "stop", "davit")
}

// changeLimit is how long a changed workload may take to run.
const changeLimit = time.Minute

// change changes the first of the workloads and says how long its new process took to be ready. The times
// are systemd's and Docker's own, so that nothing depends on how often one looks.
func change(ctx context.Context, b *bed, c contestant, ws []workload) (time.Duration, error) {
	files := c.files(ws[:1])
	if c.name == compose.name {
		files = c.files(ws) // one file has them all
	}
	began := now(c)
	if err := b.put(files); err != nil {
		return 0, err
	}
	if script := told(c, ws); script != "" {
		if err := b.run(ctx, "sh", "-ec", script); err != nil {
			return 0, err
		}
	}
	var took time.Duration
	err := e2e.Until(ctx, changeLimit, func(ctx context.Context) error {
		output, err := b.Output(ctx, "sh", "-c", readyAt(ws[0], c))
		if err != nil {
			return fmt.Errorf("look at %s: %w: %s", ws[0].name, err, output)
		}
		var at int64
		if _, err := fmt.Sscan(output, &at); err != nil {
			return err
		}
		if took = time.Duration(at) - began; took <= 0 {
			return fmt.Errorf("%s was not restarted", ws[0].name)
		}
		return nil
	})
	return took, err
}

// now is the time as the contestant's times are: since the boot, or for Docker since 1970.
func now(c contestant) time.Duration {
	if c.name == compose.name {
		return time.Duration(time.Now().UnixNano())
	}
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
		panic(err) // the clock is always there
	}
	return time.Duration(clock.Nano())
}

// readyAt is a script that prints since when a workload is ready, in nanoseconds.
func readyAt(w workload, c contestant) string {
	if c.name == compose.name {
		return `date -d "$(docker inspect --format '{{.State.StartedAt}}' ` + w.name + `)" +%s%N`
	}
	return "systemctl is-active --quiet " + w.name + " && echo $(systemctl show -P ActiveEnterTimestampMonotonic " + w.name + ")000"
}

// told returns the command that a contestant needs after a change of a file.
func told(c contestant, ws []workload) string {
	switch c.name {
	case davit.name:
		return ""
	case compose.name:
		return c.apply(ws)
	default:
		return "systemctl daemon-reload; systemctl restart " + ws[0].name
	}
}

var reconciles = measure{
	Name: "reconcile", run: measureReconciles,
	About: "Each contestant reconciles the node when nothing has changed: davit's agent after a signal (the agent reports the duration), `systemctl daemon-reload` " +
		"(Quadlet then reads all its files), `docker compose up`. With 1,000 workloads other commands are measured too: `davit apply`, which starts without a cache, a plain " +
		"`systemctl daemon-reload`, and a list of all workloads.",
}

func measureReconciles(ctx context.Context, s *suite) error {
	for _, size := range sizes {
		of := variant(fmt.Sprintf("reconcile/manifests=%d", size))
		peers := s.onOwn(ctx, of, size, s.among(manages(size)), startAgent)
		s.interleave(of, s.rounds, peers, func(c contestant) (map[unit]float64, error) {
			b := s.beds[c.name]
			if c.name == davit.name {
				return pass(ctx, b)
			}
			took, err := b.measure(ctx, "sh", "-c", again(c, fleet("w", size, none)))
			return costs(took), err
		})
		if size == sizes[len(sizes)-1] {
			measureLarge(ctx, s, peers)
		}
		if err := s.stopAgent(ctx); err != nil {
			return err
		}
	}
	return nil
}

// again is the command by which a contestant brings the node into the desired state.
func again(c contestant, ws []workload) string {
	if c.name == compose.name {
		return c.apply(ws)
	}
	return "systemctl daemon-reload"
}

// passed is how the agent's status ends.
var passed = regexp.MustCompile(` in (\S+)\n$`)

// pass has the agent look at a node where all is as it should be. How long it took, the agent says.
func pass(ctx context.Context, b *bed) (map[unit]float64, error) {
	before, err := written(ctx, b)
	if err != nil {
		return nil, err
	}
	status := func() (string, error) { return b.Output(ctx, "systemctl", "show", "-P", "StatusText", "davit") }
	said, err := status()
	if err != nil {
		return nil, err
	}
	// It tells the second, so that of the next pass has to be another.
	err = e2e.Until(ctx, 2*time.Second, func(context.Context) error {
		if strings.Contains(said, time.Now().Format(time.TimeOnly)) {
			return errors.New("the agent has passed in this second")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	took, err := b.measure(ctx, "systemctl", "reload", "davit")
	if err != nil {
		return nil, err
	}
	now, err := status()
	if err != nil {
		return nil, err
	}
	if now == said {
		return nil, errors.New("the agent did not pass")
	}
	match := passed.FindStringSubmatch(now)
	if match == nil {
		return nil, fmt.Errorf("the agent says %q", now)
	}
	if took.wall, err = time.ParseDuration(match[1]); err != nil {
		return nil, err
	}
	values := costs(took)
	after, err := written(ctx, b)
	values[writes] = 0
	if before != after {
		values[writes] = 1
	}
	return values, err
}

// written returns a checksum of the state of davit's files and units.
func written(ctx context.Context, b *bed) (string, error) {
	return b.Output(ctx, "sh", "-c", `find /var/lib/davit /etc/systemd/system.attached -printf '%p %C@ %s\n' 2>/dev/null | sort | sha256sum`)
}

// measureLarge measures other operations that take longer with as many workloads as there are now.
func measureLarge(ctx context.Context, s *suite, peers []contestant) {
	commands := map[string]string{
		davit.name: "davit status", quadlet.name: "podman ps", plain.name: "systemctl list-units 'w*'",
	}
	own := slices.DeleteFunc(slices.Clone(peers), func(c contestant) bool { return c.name != davit.name })
	s.interleave("reconcile/apply", s.rounds, own, func(c contestant) (map[unit]float64, error) {
		took, err := s.beds[c.name].measure(ctx, "davit", "apply")
		return costs(took), err
	})
	s.interleave("reconcile/daemon-reload", s.rounds, peers, func(c contestant) (map[unit]float64, error) {
		took, err := s.beds[c.name].measure(ctx, "systemctl", "daemon-reload")
		return costs(took), err
	})
	s.interleave("reconcile/status", s.rounds, peers, func(c contestant) (map[unit]float64, error) {
		took, err := s.beds[c.name].measure(ctx, "sh", "-c", commands[c.name])
		return costs(took), err
	})
}

var applies = measure{
	Name: "apply", run: measureApplies,
	About: "The first apply of 100 workloads without a network, the image present, until all are ready; then they are removed.",
}

func measureApplies(ctx context.Context, s *suite) error {
	ws := fleet("w", 100, none)
	s.interleave("apply/first=100", s.rounds, s.among(many), func(c contestant) (map[unit]float64, error) {
		b, err := s.own(ctx, c)
		if err != nil {
			return nil, err
		}
		if err := b.put(c.files(ws)); err != nil {
			return nil, err
		}
		took, err := b.measure(ctx, "sh", "-ec", c.apply(ws))
		return costs(took), errors.Join(err, b.withdraw(ctx, c, ws...))
	})
	return nil
}

var boots = measure{
	Name: "boot", run: measureBoots,
	About: "A node with 100 workloads, without a network, loses its power: from the start of its systemd until all are ready. This includes the boot of the node, " +
		"which the row without workloads shows.",
}

func measureBoots(ctx context.Context, s *suite) error {
	empty, err := s.bed(ctx, "empty")
	if err != nil {
		return err
	}
	s.interleave("boot/workloads=0", s.rounds, s.among(func(c contestant) bool { return c.name == plain.name }), func(contestant) (map[unit]float64, error) {
		took, err := boot(ctx, empty, "true")
		return costs(took), err
	})
	const of = variant("boot/workloads=100")
	peers := s.onOwn(ctx, of, 100, s.among(many), func(ctx context.Context, c contestant, b *bed, _ []workload) error {
		if c.name == compose.name {
			return b.run(ctx, "systemctl", "enable", "docker")
		}
		return nil
	})
	s.interleave(of, s.rounds, peers, func(c contestant) (map[unit]float64, error) {
		took, err := boot(ctx, s.beds[c.name], `[ $(pgrep -xc `+payloadName+`) = 100 ]`)
		return costs(took), err
	})
	return nil
}

// boot crashes a node and boots it until a script succeeds.
func boot(ctx context.Context, b *bed, ready string) (cost, error) {
	return b.measureFunc(ctx, func() error {
		if err := b.Reboot(ctx, true); err != nil {
			return err
		}
		return b.until(ctx, 2*time.Minute, ready)
	})
}
