package usage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cgroup makes a directory of files.
func cgroup(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRatesOfACgroup(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"cpu.stat":       "usage_usec 1000000\nuser_usec 600000\nsystem_usec 400000\n",
		"memory.current": "4096\n", "memory.max": "8192\n", "pids.current": "3\n",
		"io.stat": "8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=9 dios=0\n8:16 rbytes=1 wbytes=2 rios=0 wios=0 dbytes=0 dios=0\n",
	}
	at := time.Unix(1000, 0)
	before, err := read(cgroup(t, files), at)
	if err != nil {
		t.Fatal(err)
	}
	files["cpu.stat"] = "usage_usec 4000000\n"
	files["io.stat"] = "8:0 rbytes=300 wbytes=202\n"
	files["memory.max"] = "max\n"
	after, err := read(cgroup(t, files), at.Add(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	want := Rates{
		CPUPercent: new(150.0), MemoryBytes: new(uint64(4096)), ReadBytes: new(uint64(99)), WrittenBytes: new(uint64(0)), PIDs: new(uint64(3)),
	}
	if diff := cmp.Diff(want, Between(before, after)); diff != "" {
		t.Error(diff)
	}
	if before.MemoryMax == nil || *before.MemoryMax != 8192 {
		t.Errorf("limit %v", before.MemoryMax)
	}
}

func TestControllersThatAreNotThere(t *testing.T) {
	t.Parallel()
	dir := cgroup(t, map[string]string{"cpu.stat": "usage_usec 5\n", "cgroup.procs": "", "payload/cgroup.procs": "7\n8\n"})
	got, err := read(dir, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := Sample{At: time.Unix(1, 0), CPU: new(uint64(5)), PIDs: new(uint64(2))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := read(filepath.Join(dir, "gone"), time.Unix(1, 0)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a cgroup that is gone: %v", err)
	}
}

func TestCountersThatBeganAnew(t *testing.T) {
	t.Parallel()
	before := Sample{At: time.Unix(1, 0), CPU: new(uint64(100)), Read: new(uint64(5))}
	after := Sample{At: time.Unix(2, 0), CPU: new(uint64(50)), Read: new(uint64(7))}
	if diff := cmp.Diff(Rates{ReadBytes: new(uint64(2))}, Between(before, after)); diff != "" {
		t.Error(diff)
	}
	if got := Between(Sample{}, after); got.CPUPercent != nil {
		t.Errorf("%v %% from one sample", *got.CPUPercent)
	}
}
