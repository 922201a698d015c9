package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var starts = measure{
	Name: "start", run: measureStarts,
	About: "The start of a workload until it is ready, and its stop, with these commands: `systemctl start` and `systemctl stop` for units, " +
		"`podman kube play` and `down`, `docker compose up` and `down`, `run` and `delete` of the runtimes.",
}

func measureStarts(ctx context.Context, s *suite) error {
	b, err := s.shared(ctx)
	if err != nil {
		return err
	}
	for i, n := range networks {
		peers := s.among(func(c contestant) bool { return c.connects(n) })
		if err := startAndStop(ctx, s, b, variant("start/network="+n), variant("stop/network="+n), n, 8100+100*i, peers); err != nil {
			return err
		}
	}
	return nil
}

// startAndStop measures starts and stops of one workload a contestant on a node.
func startAndStop(ctx context.Context, s *suite, b *bed, start, stop variant, n network, firstPort int, peers []contestant) error {
	ws := map[string]workload{}
	for i, c := range peers {
		w := workload{name: c.name + "-" + string(n), network: n, port: firstPort + i}
		ws[c.name] = w
		if err := errors.Join(b.deploy(ctx, c, w), b.run(ctx, c.stop(w)...)); err != nil {
			s.found.fail(start, c, err)
		}
	}
	stopped := map[string]cost{}
	s.interleave(start, s.rounds, peers, func(c contestant) (map[unit]float64, error) {
		w := ws[c.name]
		up, err := b.measure(ctx, c.start(w)...)
		if err != nil {
			return nil, err
		}
		down, err := b.measure(ctx, c.stop(w)...)
		if err != nil {
			return nil, err
		}
		if _, warm := stopped[c.name]; warm {
			s.found.add(stop, c, costs(down))
		}
		stopped[c.name] = down
		return costs(up), nil
	})
	for _, c := range peers {
		if !s.found.failed(start, c) {
			if err := errors.Join(b.run(ctx, c.start(ws[c.name])...), b.withdraw(ctx, c, ws[c.name])); err != nil {
				return err
			}
		}
	}
	return nil
}

var restarts = measure{
	Name: "restart", run: measureRestarts,
	About: "From the kill of a workload's process until its next process is ready. The unit has no restart delay, because systemd's timer for a delay may fire up to a quarter of a second late.",
}

func measureRestarts(ctx context.Context, s *suite) error {
	b, err := s.shared(ctx)
	if err != nil {
		return err
	}
	for i, n := range networks {
		of := variant("restart/network=" + n)
		peers := s.among(func(c contestant) bool { return c.name != compose.name && c.many && c.connects(n) })
		ws := map[string]workload{}
		for j, c := range peers {
			ws[c.name] = workload{name: c.name + "-" + string(n), network: n, port: 8400 + 100*i + j}
			if err := b.deploy(ctx, c, ws[c.name]); err != nil {
				s.found.fail(of, c, err)
			}
		}
		s.interleave(of, s.rounds, peers, func(c contestant) (map[unit]float64, error) {
			down, err := crash(ctx, b, ws[c.name].name)
			return map[unit]float64{wallTime: float64(down)}, err
		})
		for _, c := range peers {
			if err := b.withdraw(ctx, c, ws[c.name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// crash kills the payload of a unit and says how long the unit was not active, by systemd's clock.
func crash(ctx context.Context, b *bed, name string) (time.Duration, error) {
	// Where the main process is another's, as Quadlet's is conmon's, the payload is the one to kill.
	script := fmt.Sprintf(`systemctl reset-failed %[1]s
before=$(systemctl show -P ActiveEnterTimestampMonotonic %[1]s)
kill -KILL $(grep -l "^%[2]s$" $(sed 's,.*,/proc/&/comm,' $(find /sys/fs/cgroup$(systemctl show -P ControlGroup %[1]s) -name cgroup.procs)) | cut -d/ -f3)
for _ in $(seq 500); do
	after=$(systemctl show -P ActiveEnterTimestampMonotonic %[1]s)
	[ "$after" != "$before" ] && [ $(systemctl is-active %[1]s) = active ] && break
	sleep 0.02
done
echo $after $(systemctl show -P ActiveExitTimestampMonotonic %[1]s)`, name, payloadName)
	output, err := b.Output(ctx, "sh", "-c", script)
	if err != nil {
		return 0, fmt.Errorf("crash %s: %w: %s", name, err, output)
	}
	var up, down int64
	if _, err := fmt.Sscan(output, &up, &down); err != nil || up <= down {
		return 0, fmt.Errorf("crash %s: it did not come back: %q", name, output)
	}
	return time.Duration(up-down) * time.Microsecond, nil
}
