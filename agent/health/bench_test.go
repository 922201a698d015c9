package health

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/davit-project/davit/agent/probe"
	"github.com/davit-project/davit/units/bundle"
)

// Benchmark200Containers is the part of a core that it takes to probe 200 containers every second,
// their server in another process.
func Benchmark200Containers(b *testing.B) {
	const address, port, containers = "127.0.0.1:18099", 18099, 200
	if os.Getenv("BENCHMARK_SERVER") != "" {
		b.Fatal(http.ListenAndServe(address, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	}
	server := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=200Containers")
	server.Env = append(os.Environ(), "BENCHMARK_SERVER=yes")
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	target, err := probe.OpenTarget(&bundle.Bundle{Launch: bundle.Launch{ID: "no-such-container"}}, os.Getpid(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer target.Close()
	for _, kind := range []struct {
		name  string
		check bundle.Check
	}{
		{"TCP", bundle.Check{TCP: &bundle.TCPCheck{Port: port}}},
		{"HTTP", bundle.Check{HTTP: &bundle.HTTPCheck{Scheme: "http", Port: port, Path: "/"}}},
	} {
		for target.Check(b.Context(), kind.check) != nil {
		}
		b.Run(kind.name, func(b *testing.B) {
			p := bundle.Probe{Check: kind.check, Period: 1, Timeout: 1, Successes: 1, Failures: 1000}
			ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
			defer cancel()
			f := &fakeSystemd{made: time.Now()}
			var group sync.WaitGroup
			monitor := patient(f, 0, 0).monitor
			before := cpu(b)
			for range containers {
				w := patient(f, 0, 0)
				w.monitor, w.target = monitor, target
				group.Go(func() { w.each(ctx, "liveness", probe.Counter{Probe: p}, func(bool, error) bool { return true }) })
			}
			group.Wait()
			b.ReportMetric(float64(cpu(b)-before)/float64(10*time.Second)*100, "%core")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cpu is the time that this process has had of the machine's cores.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
