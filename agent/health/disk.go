package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/davit-project/davit/agent/usage"
	"github.com/davit-project/davit/units/bundle"
)

// Measuring a container's data on the disk means walking all its files. So the agent walks them only when the
// container may be over its limit. The free space of the whole disk, which takes one system call, bounds how much the
// container can have written since the last walk.

const (
	// diskInterval is the time between two questions for the free space; all containers are looked after at once.
	diskInterval = 10 * time.Second
	// diskRecheck is the longest time between two looks while the disk changes: others may have removed as much as the
	// container has written.
	diskRecheck = time.Minute
	// diskShare is the part of the time that looks take, at most, as far as they come once a [diskRecheck]: a container with
	// many files is not looked at less often than that.
	diskShare = 20
)

// overQuota is how many times its limit a container may have where a quota of the file system stops writes beyond it. The agent
// counts more than the quota: empty files, and the files of /etc.
const overQuota = 2

// look is a look at a container's data on the disk.
type look struct {
	at   time.Time
	took time.Duration
	used int64
	free usage.Free
	// full is set where the container has used up its quota.
	full bool
}

// isDue reports whether a container may have come over its limit since a look at it.
func (l look) isDue(now time.Time, free usage.Free, most int64) bool {
	switch {
	case l.at.IsZero():
		return true
	case free == l.free: // nothing was written to the disk
		return false
	case now.Sub(l.at) < min(diskShare*l.took, max(diskRecheck, 2*l.took)):
		return false
	case now.Sub(l.at) >= diskRecheck:
		return true
	}
	return free.Bytes < l.free.Bytes && l.free.Bytes-free.Bytes >= uint64(max(most-l.used, 0)/2)
}

// keepWithin ends the container when it has more on the disk than it may.
func (w *watched) keepWithin(ctx context.Context) {
	looks := make([]look, len(w.DiskLimits))
	for sleep(ctx, w.monitor.untilLook(time.Now())) {
		for i, limit := range w.DiskLimits {
			over, err := w.lookAtDisk(ctx, &looks[i], limit)
			if ctx.Err() != nil {
				return
			}
			if over {
				if err = w.endOver(ctx, limit, err); err == nil {
					return
				}
			}
			if err != nil {
				w.monitor.log.Warn("cannot hold a container to its limit of the disk", "object", w.Object, "unit", w.unit(), "error", err)
			}
		}
	}
}

// untilLook is how long it is to the next look: all containers have theirs at the same times.
func (m *Monitor) untilLook(now time.Time) time.Duration {
	return diskInterval - now.Sub(m.made)%diskInterval
}

// lookAtDisk reports whether the container is over a limit. An error that comes with that is the reason.
func (w *watched) lookAtDisk(ctx context.Context, last *look, limit bundle.DiskLimit) (over bool, err error) {
	m := w.monitor
	if w.isLauncher() {
		return false, nil
	}
	most, err := w.mostOf(last, limit)
	if err != nil {
		return false, err
	}
	free, err := m.free(bundle.ContainersDir)
	if err != nil || !last.isDue(time.Now(), free, most) {
		return false, err
	}
	m.measuring.Lock() // one at a time: the disk has others to serve
	defer m.measuring.Unlock()
	began := time.Now()
	used, err := m.measure(ctx, most, w.DiskPaths(limit)...)
	*last = look{at: began, took: time.Since(began), used: used, free: free, full: last.full}
	return used > most || errors.Is(err, usage.ErrTooDeep), err
}

// mostOf is how much the container may be measured to have. It reports a change if the container has used up a quota, or
// has room again.
func (w *watched) mostOf(last *look, limit bundle.DiskLimit) (int64, error) {
	dirs := w.QuotaDirs(limit)
	if len(dirs) == 0 {
		return limit.Bytes, nil
	}
	quota, err := w.monitor.quota(dirs[0], limit.Bytes)
	if last.full != quota.Full {
		last.full = quota.Full
		w.monitor.changed(w.unit())
	}
	if quota.Holds {
		return overQuota * limit.Bytes, err
	}
	return limit.Bytes, err
}

// FullQuota is the first limit of a running container whose quota is used up; ok is false for none, and where a limit
// cannot be asked.
func FullQuota(b *bundle.Bundle) (full bundle.DiskLimit, ok bool) {
	for _, limit := range b.DiskLimits {
		dirs := b.QuotaDirs(limit)
		if len(dirs) == 0 {
			continue
		}
		if quota, err := usage.QuotaAt(dirs[0], limit.Bytes); err == nil && quota.Full {
			return limit, true
		}
	}
	return bundle.DiskLimit{}, false
}

// isLauncher reports whether the unit's main process is still the launcher: the data on the disk may be an earlier run's then,
// which it is about to remove.
func (w *watched) isLauncher() bool {
	launcher, err := os.Stat(w.monitor.launcher)
	if err != nil {
		return false
	}
	program, err := os.Stat(fmt.Sprintf("/proc/%d/exe", w.pid))
	return err == nil && os.SameFile(program, launcher)
}

// endOver ends a container that is over a limit. It kills the processes instead of asking them to stop, so that they write
// nothing more.
func (w *watched) endOver(ctx context.Context, limit bundle.DiskLimit, reason error) error {
	m := w.monitor
	ctx = context.WithoutCancel(ctx) // the action ends the container, and so the context
	cause := fmt.Errorf("it has more on the disk than its %s: raise the limit, or have it keep less", limit)
	if reason != nil {
		cause = fmt.Errorf("its %s cannot be held: %w", limit.Field, reason)
	}
	w.noteEnd(bundle.StageDisk, cause.Error())
	m.log.Warn("over its limit of the disk", "object", w.Object, "unit", w.unit(), "action", bundle.OnFailureKill, "error", cause)
	err := m.systemd.KillUnit(ctx, w.unit())
	if err == nil && limit.Restarts != "" && !w.ending { // a stop remains one
		err = m.systemd.QueueRestart(ctx, limit.Restarts)
	}
	return err
}
