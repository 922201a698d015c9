package usage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// write makes a file of so many KiB.
func write(t *testing.T, path string, kib int) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, make([]byte, kib<<10), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func measured(t *testing.T, most int64, paths ...string) int64 {
	t.Helper()
	sum, err := Disk(t.Context(), most, paths...)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

const noLimit = 1 << 40

func TestWhatFilesTakeOnTheDisk(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make     func(dir string) error
		from, to int // KiB beside the content before
	}{
		"nothing": {func(string) error { return nil }, 0, 0},
		"a file":  {func(dir string) error { return os.WriteFile(dir+"/f", make([]byte, 64<<10), 0o600) }, 64, 80},
		"a file with a hole": {func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/f", nil, 0o600), os.Truncate(dir+"/f", 1<<30))
		}, 0, 16},
		"two names of a file":      {func(dir string) error { return os.Link(dir+"/before/file", dir+"/before/again") }, 0, 16},
		"a link to what is around": {func(dir string) error { return errors.Join(os.Symlink("/", dir+"/root"), os.Symlink(dir, dir+"/loop")) }, 0, 16},
		"a pipe":                   {func(dir string) error { return unix.Mkfifo(dir+"/pipe", 0o600) }, 0, 16},
		"a directory for few":      {func(dir string) error { return os.Mkdir(dir+"/closed", 0) }, 0, 16},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "before", "file"), 32)
		before := measured(t, noLimit, dir)
		if err := test.make(dir); err != nil {
			t.Fatal(err)
		}
		if more := (measured(t, noLimit, dir) - before) >> 10; more < int64(test.from) || more > int64(test.to) {
			t.Errorf("%s takes %d KiB, want %d to %d", name, more, test.from, test.to)
		}
	}
}

func TestPathsAreAddedUpAndMissingOnesTakeNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), 64)
	write(t, filepath.Join(dir, "b", "file"), 64)
	if sum := measured(t, noLimit, filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")); sum < 128<<10 || sum > 144<<10 {
		t.Errorf("%d bytes", sum)
	}
}

func TestMeasuringStopsWhenThereIsTooMuch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 100 {
		write(t, filepath.Join(dir, fmt.Sprint(i)), 64)
	}
	if sum := measured(t, 128<<10, dir); sum <= 128<<10 || sum > 320<<10 {
		t.Errorf("measured %d KiB of 6400, want little more than 128", sum>>10)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Disk(ctx, noLimit, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("measured although it was over: %v", err)
	}
}

// TestNestingIsBounded nests directories deeper than paths can name.
func TestNestingIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_PATH, 0)
	for range maxDepth + 1 {
		if err == nil {
			err = unix.Mkdirat(fd, "deeper-and-deeper", 0o700)
		}
		if err == nil {
			var next int
			next, err = unix.Openat(fd, "deeper-and-deeper", unix.O_PATH, 0)
			unix.Close(fd)
			fd = next
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if _, err := Disk(t.Context(), noLimit, dir); !errors.Is(err, ErrTooDeep) {
		t.Errorf("measured: %v", err)
	}
}

// TestRenamingHidesNothing has files change their names, or their directories, all the time while they are measured. A look may
// miss one: the process that renames may have the only processor.
func TestRenamingHidesNothing(t *testing.T) {
	t.Parallel()
	const size, decoys = 8 << 10, 3000 // KiB
	for name, rename := range map[string]func(dir string, i int) (from, to string){
		"a file": func(dir string, i int) (string, string) {
			return fmt.Sprintf("%s/f%d", dir, i), fmt.Sprintf("%s/f%d", dir, i+1)
		},
		"a file that goes to and fro between directories": func(dir string, i int) (string, string) {
			return fmt.Sprintf("%s/%d/f%d", dir, i%2, i), fmt.Sprintf("%s/%d/f%d", dir, (i+1)%2, i+1)
		},
		"a directory with a file": func(dir string, i int) (string, string) {
			return fmt.Sprintf("%s/d%d", dir, i), fmt.Sprintf("%s/d%d", dir, i+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for i := range decoys {
				write(t, fmt.Sprintf("%s/%d/%d", dir, i%2, i), 0)
				write(t, fmt.Sprintf("%s/decoy%d", dir, i), 0)
			}
			first, _ := rename(dir, 0)
			if name == "a directory with a file" {
				first += "/file"
			}
			write(t, first, size)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() {
				for i := 0; ctx.Err() == nil; i++ {
					if err := os.Rename(rename(dir, i)); err != nil {
						ended <- err
						return
					}
				}
				ended <- nil
			}()
			missed := 0
			for range 20 {
				if measured(t, 64<<20, dir) < size<<10 {
					missed++
				}
			}
			cancel()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if missed > 7 {
				t.Errorf("missed %d of 20 times", missed)
			}
		})
	}
}

func TestEachNameCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), 0)
	before := measured(t, noLimit, dir)
	for i := range 2000 {
		if err := os.Link(filepath.Join(dir, "file"), filepath.Join(dir, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if more := measured(t, noLimit, dir) - before; more < 2000*nameSize {
		t.Errorf("2000 names take %d bytes", more)
	}
}

func TestWhetherAQuotaHolds(t *testing.T) {
	t.Parallel()
	const limit, block = 100 << 20, 4096
	for name, test := range map[string]struct {
		stat unix.Statfs_t
		want Quota
	}{
		"the disk is larger":            {unix.Statfs_t{Bsize: block, Blocks: 1 << 20, Bfree: 0}, Quota{}},
		"the disk is smaller":           {unix.Statfs_t{Bsize: block, Blocks: 20000, Bfree: 0}, Quota{}},
		"there is room":                 {unix.Statfs_t{Bsize: block, Blocks: limit / block, Bfree: 500, Files: 10, Ffree: 5}, Quota{Holds: true}},
		"there is none":                 {unix.Statfs_t{Bsize: block, Blocks: limit / block, Bfree: 3, Files: 10, Ffree: 5}, Quota{Holds: true, Full: true}},
		"there is none for names":       {unix.Statfs_t{Bsize: block, Blocks: limit / block, Bfree: 9999, Files: 10}, Quota{Holds: true, Full: true}},
		"names are not bounded":         {unix.Statfs_t{Bsize: block, Blocks: limit / block, Bfree: 9999}, Quota{Holds: true}},
		"the blocks are larger":         {unix.Statfs_t{Bsize: 1 << 16, Blocks: limit>>16 + 1, Bfree: 0}, Quota{}},
		"the limit is not whole blocks": {unix.Statfs_t{Bsize: 3 << 10, Blocks: limit / (3 << 10), Bfree: 30000}, Quota{Holds: true}},
	} {
		if got := quotaOf(&test.stat, limit); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	if got, err := QuotaAt(filepath.Join(t.TempDir(), "missing"), limit); err != nil || got != (Quota{}) {
		t.Errorf("%+v, %v for a directory that has gone", got, err)
	}
}
