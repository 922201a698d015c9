// Package usage reads the resource use of a cgroup from the files of cgroup v2, and measures the space of files on the
// disk. It knows nothing of their owners. A controller that the cgroup does not have leaves its values out.
package usage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is the mount point of cgroup v2 (file-hierarchy(7)).
const hierarchy = "/sys/fs/cgroup"

// Sample is the use of resources by a cgroup up to a moment, and at it. A nil value is unknown,
// a limit that is nil is none.
type Sample struct {
	At time.Time
	// CPU is time spent, in microseconds.
	CPU *uint64
	// Memory and MemoryMax are bytes.
	Memory, MemoryMax *uint64
	// Read and Written are bytes of all block devices.
	Read, Written *uint64
	// PIDs are processes and threads; where nothing counts the threads, processes.
	PIDs *uint64
}

// Read reads a cgroup, named as systemd does, below the hierarchy. One that is gone is
// [fs.ErrNotExist].
func Read(cgroup string) (Sample, error) { return read(filepath.Join(hierarchy, cgroup), time.Now()) }

func read(dir string, now time.Time) (Sample, error) {
	s := Sample{At: now}
	if _, err := os.Stat(dir); err != nil {
		return s, err
	}
	var err error
	for name, file := range map[string]struct {
		parse func(text string) (*uint64, error)
		value **uint64
	}{
		"cpu.stat":       {field("usage_usec "), &s.CPU},
		"memory.current": {number, &s.Memory},
		"memory.max":     {number, &s.MemoryMax},
		"pids.current":   {number, &s.PIDs},
	} {
		if *file.value, err = readFile(filepath.Join(dir, name), file.parse); err != nil {
			return s, err
		}
	}
	for prefix, value := range map[string]**uint64{"rbytes=": &s.Read, "wbytes=": &s.Written} {
		if *value, err = readFile(filepath.Join(dir, "io.stat"), field(prefix)); err != nil {
			return s, err
		}
	}
	if s.PIDs == nil {
		s.PIDs, err = countProcesses(dir)
	}
	return s, err
}

// readFile reads a value of a file; nil when there is no such file.
func readFile(path string, parse func(string) (*uint64, error)) (*uint64, error) {
	text, err := os.ReadFile(path)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return value, nil
}

// gone reports whether a cgroup, or one of its controllers, is not there, or no more: then reads
// of a file that was opened end with ENODEV.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) }

// number reads a file of one number; "max" is none.
func number(text string) (*uint64, error) {
	text = strings.TrimSpace(text)
	if text == "max" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return &n, err
}

// field adds up all values that follow a word.
func field(word string) func(string) (*uint64, error) {
	return func(text string) (*uint64, error) {
		var sum uint64
		for _, rest := range strings.Split(text, word)[1:] {
			value, _, _ := strings.Cut(strings.ReplaceAll(rest, "\n", " "), " ")
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return nil, err
			}
			sum += n
		}
		return &sum, nil
	}
}

// countProcesses counts those of a cgroup and of those below it.
func countProcesses(dir string) (*uint64, error) {
	var count uint64
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		count += uint64(strings.Count(string(text), "\n"))
		return err
	})
	if gone(err) {
		err = nil
	}
	return &count, err
}

// Rates are the use of resources by a cgroup between two samples, and at the second. A nil value
// is unknown.
type Rates struct {
	// CPUPercent is 100 for one processor that does nothing else.
	CPUPercent *float64 `json:"cpuPercent"`
	// MemoryBytes are in use, of MemoryLimitBytes where there is a limit.
	MemoryBytes      *uint64 `json:"memoryBytes"`
	MemoryLimitBytes *uint64 `json:"memoryLimitBytes"`
	// ReadBytes and WrittenBytes are of block devices, a second.
	ReadBytes    *uint64 `json:"readBytesPerSecond"`
	WrittenBytes *uint64 `json:"writtenBytesPerSecond"`
	PIDs         *uint64 `json:"pids"`
}

// Between works out the rates. The counters of a cgroup that was re-created meanwhile begin at
// zero; then nothing is known.
func Between(before, after Sample) Rates {
	rates := Rates{MemoryBytes: after.Memory, MemoryLimitBytes: after.MemoryMax, PIDs: after.PIDs}
	if micros := perSecond(before, after, before.CPU, after.CPU); micros != nil {
		percent := *micros / 1e6 * 100
		rates.CPUPercent = &percent
	}
	rates.ReadBytes = whole(perSecond(before, after, before.Read, after.Read))
	rates.WrittenBytes = whole(perSecond(before, after, before.Written, after.Written))
	return rates
}

func perSecond(before, after Sample, from, to *uint64) *float64 {
	seconds := after.At.Sub(before.At).Seconds()
	if from == nil || to == nil || *to < *from || seconds <= 0 {
		return nil
	}
	rate := float64(*to-*from) / seconds
	return &rate
}

func whole(rate *float64) *uint64 {
	if rate == nil {
		return nil
	}
	n := uint64(*rate)
	return &n
}
