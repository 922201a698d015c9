package probe

import (
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/davit-project/davit/units/bundle"
)

// BenchmarkCheck is the cost of one check of a server in another process, in CPU time of this one.
func BenchmarkCheck(b *testing.B) {
	if address := os.Getenv("PROBE_BENCHMARK_SERVER"); address != "" {
		b.Fatal(http.ListenAndServe(address, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	}
	const port = 18099
	server := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=Check")
	server.Env = append(os.Environ(), "PROBE_BENCHMARK_SERVER=127.0.0.1:18099")
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	namespace, err := OpenNamespace(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	defer namespace.Close()
	checks := map[string]bundle.Check{
		"TCP": {TCP: &bundle.TCPCheck{Port: port}}, "HTTP": {HTTP: &bundle.HTTPCheck{Scheme: "http", Port: port, Path: "/"}},
	}
	for target(("127.0.0.1")).Check(b.Context(), checks["TCP"]) != nil {
	}
	for name, check := range checks {
		for where, t := range map[string]Target{"here": target("127.0.0.1"), "inside": {Address: "127.0.0.1", Dial: namespace.Dial}} {
			b.Run(name+"/"+where, func(b *testing.B) {
				before := cpu(b)
				for b.Loop() {
					if err := t.Check(b.Context(), check); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1e3, "µs-cpu/op")
			})
		}
	}
}

func cpu(b *testing.B) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
