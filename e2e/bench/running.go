package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

func trim(text string) string { return strings.TrimSpace(text) }

var memories = measure{
	Name: "memory", run: measureMemory,
	About: "The memory and the number of processes that a running workload, on a bridge, adds to the node, in daemons and systemd too, without the processes of the workload. Five workloads run at once; the figure is one fifth. " +
		"Memory of the kernel does not count.",
}

func measureMemory(ctx context.Context, s *suite) error {
	b, err := s.shared(ctx)
	if err != nil {
		return err
	}
	const size = 5
	s.interleave("memory/network=bridge", s.rounds, s.among(func(c contestant) bool { return c.connects(bridge) }), func(c contestant) (map[unit]float64, error) {
		before, err := outside(ctx, b)
		if err != nil {
			return nil, err
		}
		ws := fleet(c.name+"-m", size, bridge)
		if err := b.deploy(ctx, c, ws...); err != nil {
			return nil, err
		}
		if _, err := b.quiet(ctx); err != nil {
			return nil, err
		}
		after, err := outside(ctx, b)
		for u := range after {
			after[u] = (after[u] - before[u]) / size
		}
		return after, errors.Join(err, b.withdraw(ctx, c, ws...))
	})
	return nil
}

// outside is the memory of all processes that are not workloads, nor the one that looks.
func outside(ctx context.Context, b *bed) (map[unit]float64, error) {
	output, err := b.Output(ctx, "sh", "-c", `grep -s -H -E '^(Rss|Pss):' /proc/[0-9]*/smaps_rollup; grep -s -H . /proc/[0-9]*/comm; true`)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	sums := map[string]map[unit]float64{}
	for line := range strings.Lines(output) {
		path, value, _ := strings.Cut(trim(line), ":")
		pid := strings.Split(path, "/")[2]
		if strings.HasSuffix(path, "/comm") {
			names[pid] = value
			continue
		}
		kind, size, _ := strings.Cut(value, ":")
		kilobytes, err := strconv.ParseFloat(strings.Fields(size)[0], 64)
		if err != nil {
			return nil, err
		}
		if sums[pid] == nil {
			sums[pid] = map[unit]float64{processes: 1}
		}
		sums[pid][map[string]unit{"Rss": rssBytes, "Pss": pssBytes}[kind]] += kilobytes * 1024
	}
	total := map[unit]float64{rssBytes: 0, pssBytes: 0, processes: 0}
	for pid, sum := range sums {
		switch names[pid] {
		case payloadName, "sh", "grep", "":
		default:
			for u, value := range sum {
				total[u] += value
			}
		}
	}
	return total, nil
}

var idles = measure{
	Name: "idle", run: measureIdle,
	About: "The cost of idle daemons, with ten workloads: davit's agent; Docker's two daemons. A wake-up is a fifth of a second in which one of their threads ran. A round is a minute, in which both are measured at once.",
}

func measureIdle(ctx context.Context, s *suite) error {
	const of = variant("idle/workloads=10")
	daemons := map[string]string{davit.name: "davit", compose.name: "docker containerd"}
	peers := s.onOwn(ctx, of, 10, s.among(func(c contestant) bool { return daemons[c.name] != "" }), func(ctx context.Context, c contestant, b *bed, _ []workload) error {
		return b.run(ctx, "sh", "-c", "systemctl start "+daemons[c.name])
	})
	s.abreast(of, s.rounds, peers, func(c contestant) (map[unit]float64, error) {
		return idle(ctx, s.beds[c.name], daemons[c.name])
	})
	return nil
}

// idle looks at daemons for a minute. It looks from within the node, with a shell: to be asked wakes systemd,
// and so a daemon that listens to it.
func idle(ctx context.Context, b *bed, daemons string) (map[unit]float64, error) {
	output, err := b.Output(ctx, "sh", "-c", `pids=$(for unit in `+daemons+`; do systemctl show -P MainPID $unit; done)
spent() { for pid in $pids; do cat /proc/$pid/task/*/schedstat; done | awk '{spent += $1} END {printf "%.0f\n", spent}'; }
sleep 2
began=$(spent) last=$began wakes=0
for _ in $(seq 300); do
	sleep 0.2
	now=$(spent)
	[ $now = $last ] || wakes=$((wakes + 1))
	last=$now
done
echo wake $wakes
echo cpu $((last - began))
for pid in $pids; do awk '/^Pss:/ {print "pss", $2}' /proc/$pid/smaps_rollup; done`)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w: %s", daemons, err, output)
	}
	use := map[unit]float64{}
	for line := range strings.Lines(output) {
		var kind string
		var value float64
		if _, err := fmt.Sscan(line, &kind, &value); err != nil {
			return nil, fmt.Errorf("look at %s: %w: %s", daemons, err, output)
		}
		switch kind {
		case "pss":
			use[pssBytes] += value * 1024
		case "wake":
			use[wakeups] = value
		case "cpu":
			use[cpuShare] = value
		}
	}
	return use, nil
}

var execs = measure{
	Name: "exec", run: measureExecs,
	About: "A command that ends at once, in a running workload: `davit exec`, `podman exec`, `docker exec`, `exec` of the runtimes; `nsenter` for the plain service.",
}

func measureExecs(ctx context.Context, s *suite) error {
	b, err := s.shared(ctx)
	if err != nil {
		return err
	}
	const of = variant("exec/network=none")
	for _, c := range s.peers {
		if err := b.deploy(ctx, c, workload{name: c.name + "-x", network: none}); err != nil {
			s.found.fail(of, c, err)
		}
	}
	s.interleave(of, s.rounds, s.peers, func(c contestant) (map[unit]float64, error) {
		program := "/" + payloadName
		if c.name == plain.name {
			program = "/usr/local/bin/" + payloadName
		}
		took, err := b.measure(ctx, c.exec(workload{name: c.name + "-x"}, program, "check")...)
		return costs(took), err
	})
	return nil
}

var probes = measure{
	Name: "probe", run: measureProbes,
	About: "The processor time of one health check, a command inside the workload each second: davit's livenessProbe, HealthCmd= of Quadlet, healthcheck of Compose. " +
		"Ten seconds with ten workloads and checks, minus ten seconds without checks; all contestants at once.",
}

func measureProbes(ctx context.Context, s *suite) error {
	const of, size = variant("probe/command"), 10
	calm := map[string]time.Duration{}
	peers := s.among(func(c contestant) bool { return c.many && c.name != plain.name })
	peers = s.onOwn(ctx, of, size, peers, func(ctx context.Context, c contestant, b *bed, ws []workload) error {
		if err := startAgent(ctx, c, b, ws); err != nil {
			return err
		}
		used, err := window(ctx, b)
		calm[c.name] = used
		for i := range ws {
			ws[i].probed = true
		}
		if err == nil {
			err = b.put(c.files(ws))
		}
		script := c.apply(ws)
		if c.name == quadlet.name {
			script += "; systemctl restart" + namesOf(ws, " ", "")
		}
		return errors.Join(err, b.run(ctx, "sh", "-ec", script))
	})
	s.abreast(of, s.rounds, peers, func(c contestant) (map[unit]float64, error) {
		used, err := window(ctx, s.beds[c.name])
		checks := size * idleFor / time.Second
		return map[unit]float64{cpuTime: float64(used-calm[c.name]) / float64(checks)}, err
	})
	return nil
}

// idleFor is a while of being left alone.
const idleFor = 10 * time.Second

// window is a node's use of resources in a time.
func window(ctx context.Context, b *bed) (time.Duration, error) {
	before, err := b.quiet(ctx)
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(idleFor):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := b.node.CPUTime()
	return after - before, err
}

var growths = measure{
	Name: "growth", run: measureGrowth,
	About: "A start on a bridge with a port while that many other containers run on the same bridge.",
}

func measureGrowth(ctx context.Context, s *suite) error {
	peers := s.among(func(c contestant) bool { return c.many && c.connects(bridgePort) })
	had := 0
	for _, size := range []int{1, 100, 500} {
		of := variant(fmt.Sprintf("growth/running=%d", size))
		ready := map[string]workload{}
		for _, c := range peers {
			if err := s.grow(ctx, c, had, size); err != nil {
				s.found.fail(of, c, err)
				continue
			}
			w := workload{name: "one-more", network: bridgePort, port: 8080}
			b := s.beds[c.name]
			if err := errors.Join(b.deploy(ctx, c, w), b.run(ctx, c.stop(w)...)); err != nil {
				s.found.fail(of, c, err)
			}
			ready[c.name] = w
		}
		s.interleave(of, s.rounds, peers, func(c contestant) (map[unit]float64, error) {
			b, w := s.beds[c.name], ready[c.name]
			took, err := b.measure(ctx, c.start(w)...)
			return costs(took), errors.Join(err, b.run(ctx, c.stop(w)...))
		})
		had = size
	}
	return nil
}

// grow starts more workloads on a contestant's own node.
func (s *suite) grow(ctx context.Context, c contestant, from, to int) error {
	b, err := s.own(ctx, c)
	if err != nil {
		return err
	}
	ws := fleet("w", to, bridge)[from:]
	return b.deploy(ctx, c, ws...)
}
