package health

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/agent/usage"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

func TestWhenTheDiskIsLookedAt(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	const gib = 1 << 30
	last := look{at: now.Add(-10 * time.Second), used: 1 * gib, free: usage.Free{Bytes: 100 * gib, Inodes: 1000}}
	for name, test := range map[string]struct {
		last look
		free usage.Free
		want bool
	}{
		"the first time":                         {look{}, usage.Free{Bytes: 1}, true},
		"nothing has changed":                    {last, last.free, false},
		"half of what is left was written":       {last, usage.Free{Bytes: 95 * gib, Inodes: 1000}, true},
		"little was written":                     {last, usage.Free{Bytes: 99 * gib, Inodes: 1000}, false},
		"as much was removed as written":         {last, usage.Free{Bytes: 100 * gib, Inodes: 999}, false},
		"so for a minute":                        {look{at: now.Add(-time.Minute), free: last.free}, usage.Free{Bytes: 100 * gib, Inodes: 999}, true},
		"nothing for an hour":                    {look{at: now.Add(-time.Hour), free: last.free}, last.free, false},
		"a look takes long":                      {look{at: now.Add(-30 * time.Second), took: 2 * time.Second, free: last.free}, usage.Free{}, false},
		"a look takes long, and the last is old": {look{at: now.Add(-time.Minute), took: 4 * time.Second, free: last.free}, usage.Free{}, true},
		"a look takes minutes":                   {look{at: now.Add(-3 * time.Minute), took: 2 * time.Minute, free: last.free}, usage.Free{}, false},
		"a look takes minutes, half of the time": {look{at: now.Add(-4 * time.Minute), took: 2 * time.Minute, free: last.free}, usage.Free{}, true},
	} {
		if got := test.last.isDue(now, test.free, 11*gib); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// bounded makes a container that has more on the disk each time it is looked at.
func bounded(f *fakeSystemd, limits []bundle.DiskLimit, amounts ...int64) (w *watched, looks *int) {
	w = &watched{
		monitor: New(f, "/bin/false", slog.New(slog.DiscardHandler)),
		Bundle:  &bundle.Bundle{Launch: bundle.Launch{ID: "web", Object: "Container/web", DiskLimits: limits}},
		pid:     7, invocation: "one", began: f.made,
	}
	w.monitor.note = func(_ string, failure bundle.Failure) error {
		f.noted = failure
		return nil
	}
	looks = new(int)
	w.monitor.free = func(string) (usage.Free, error) { return usage.Free{Bytes: uint64(1<<40 - *looks<<30)}, nil }
	w.monitor.measure = func(context.Context, int64, ...string) (int64, error) {
		amount := amounts[min(*looks, len(amounts)-1)]
		*looks++
		return amount, nil
	}
	return w, looks
}

func TestAContainerOverItsLimitIsKilledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSystemd{made: time.Now()}
		limit := bundle.DiskLimit{Field: "limit of ephemeral-storage", Bytes: 5 << 20, Layer: true, Restarts: "app-pod.service"}
		w, _ := bounded(f, []bundle.DiskLimit{limit}, 1<<20, 5<<20, 6<<20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		w.keepWithin(ctx)
		want := []request{{"kill web.service", 3 * diskInterval}, {"restart app-pod.service", 3 * diskInterval}}
		if diff := cmp.Diff(want, f.asked); diff != "" {
			t.Error(diff)
		}
		const reason = "it has more on the disk than its limit of ephemeral-storage, 5 MiB: raise the limit, or have it keep less"
		if diff := cmp.Diff(bundle.Failure{Invocation: "one", Stage: bundle.StageDisk, Error: reason}, f.noted); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLimitsHoldAsLongAsTheContainerRuns(t *testing.T) {
	t.Parallel()
	limited, probed := &bundle.Bundle{}, &bundle.Bundle{}
	limited.DiskLimits = []bundle.DiskLimit{{Bytes: 1}}
	for name, test := range map[string]struct {
		state           units.State
		limited, probed bool
	}{
		"never gets ready":     {units.State{ActiveState: "activating", SubState: "start", Type: "notify", MainPID: 1}, true, false},
		"its probe never ends": {units.State{ActiveState: "activating", SubState: "start-post", Type: "notify", MainPID: 1}, true, false},
		"up":                   {units.State{ActiveState: "active", MainPID: 1}, true, true},
		"reloads for ever":     {units.State{ActiveState: "reloading", MainPID: 1}, true, true},
		"ignores its stop":     {units.State{ActiveState: "deactivating", SubState: "stop-sigterm", MainPID: 1}, true, false},
		"its clean-up":         {units.State{ActiveState: "deactivating", SubState: "stop-post"}, false, false},
		"waits for a restart":  {units.State{ActiveState: "activating", SubState: "auto-restart"}, false, false},
		"down":                 {units.State{ActiveState: "inactive"}, false, false},
	} {
		if got := isWatched(limited, test.state); got != test.limited {
			t.Errorf("%s: its limits hold: %v", name, got)
		}
		if got := isWatched(probed, test.state); got != test.probed {
			t.Errorf("%s: it is probed: %v", name, got)
		}
	}
}

// TestAStopRemainsAStop ends a container over its limit whose pod has been asked to stop.
func TestAStopRemainsAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSystemd{made: time.Now()}
		w, _ := bounded(f, []bundle.DiskLimit{{Bytes: 5 << 20, Restarts: "app-pod.service"}}, 6<<20)
		w.ending = true
		w.keepWithin(t.Context())
		if diff := cmp.Diff([]request{{"kill web.service", diskInterval}}, f.asked); diff != "" {
			t.Error(diff)
		}
	})
}

// TestAnEarlierRunCountsForNothing has the launcher as the unit's main process.
func TestAnEarlierRunCountsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSystemd{made: time.Now()}
		w, looks := bounded(f, []bundle.DiskLimit{{Bytes: 5 << 20}}, 6<<20)
		w.monitor.launcher, w.pid = "/proc/self/exe", os.Getpid()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.keepWithin(ctx)
		if *looks > 0 || len(f.asked) > 0 {
			t.Errorf("looked %d times, asked for %v", *looks, f.asked)
		}
	})
}

func TestAContainerWithinItsLimitIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSystemd{made: time.Now()}
		w, looks := bounded(f, []bundle.DiskLimit{{Bytes: 5 << 20}}, 1<<20)
		w.monitor.free = func(string) (usage.Free, error) { return usage.Free{}, nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		w.keepWithin(ctx)
		if len(f.asked) > 0 || *looks != 1 {
			t.Errorf("asked for %v, looked %d times at a disk on which nothing changes", f.asked, *looks)
		}
	})
}

func TestWhatCannotBeMeasured(t *testing.T) {
	for reason, killed := range map[error]bool{usage.ErrTooDeep: true, errors.New("input/output error"): false} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeSystemd{made: time.Now()}
			w, _ := bounded(f, []bundle.DiskLimit{{Field: "limit of ephemeral-storage", Bytes: 5 << 20}}, 0)
			w.monitor.measure = func(context.Context, int64, ...string) (int64, error) { return 0, reason }
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w.keepWithin(ctx)
			if (len(f.asked) > 0) != killed {
				t.Errorf("%v: asked for %v", reason, f.asked)
			}
		})
	}
}

// TestAQuotaLeavesLessToTheAgent has the file system hold a container to its limit.
func TestAQuotaLeavesLessToTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSystemd{made: time.Now()}
		limit := bundle.DiskLimit{Field: "limit of ephemeral-storage", Bytes: 5 << 20, Layer: true}
		w, looks := bounded(f, []bundle.DiskLimit{limit}, 5<<20, 6<<20, 10<<20, 10<<20+1)
		w.monitor.quota = func(path string, most int64) (usage.Quota, error) {
			if path != "/var/lib/davit/containers/web/writable" || most != 5<<20 {
				t.Errorf("asked for %d bytes at %s", most, path)
			}
			return usage.Quota{Holds: true, Full: *looks > 0 && *looks < 3}, nil
		}
		var changes []string
		w.monitor.changed = func(unit string) { changes = append(changes, unit) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		w.keepWithin(ctx)
		if *looks != 4 || len(f.asked) != 1 || f.asked[0].Verb != "kill web.service" {
			t.Errorf("asked for %v after %d looks", f.asked, *looks)
		}
		if diff := cmp.Diff([]string{"web.service", "web.service"}, changes); diff != "" {
			t.Errorf("reported changes: %s", diff)
		}
	})
}
