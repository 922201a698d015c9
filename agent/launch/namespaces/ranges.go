package namespaces

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
)

// rangeSize is how many ids a container has, 0 to 65535, as Kubernetes and Podman give it.
const rangeSize = 65536

// idRange is where a container's ids begin on the node, and how many ranges of rangeSize follow.
type idRange struct{ uid, gid, count uint32 }

// defaultRange is the upper part of the range that systemd reserves for containers, 524288 to 1879048191
// (https://systemd.io/UIDS-GIDS), above the ids that useradd hands out (SUB_UID_MAX of login.defs(5) is 600100000).
var defaultRange = idRange{uid: 0x60000000, gid: 0x60000000, count: 0x1000}

// subordinateUser is who may have ranges of his own in /etc/subuid and /etc/subgid (subuid(5)).
const subordinateUser = "davit"

// usersFile notes which range a container has; it goes with the container's own directory.
const usersFile = "users"

// usersLock guards the choice.
const usersLock = bundle.RunDir + "/users.lock"

// claimRange notes the lowest range that no other container has.
func claimRange(b *bundle.Bundle) (idRange, error) {
	pool, err := rangePool()
	if err != nil {
		return idRange{}, err
	}
	if err := errors.Join(apartFrom(pool.uid, pool.count, b.UIDMappings), apartFrom(pool.gid, pool.count, b.GIDMappings)); err != nil {
		return idRange{}, err
	}
	unlock, err := disk.Lock(usersLock, unix.LOCK_EX)
	if err != nil {
		return idRange{}, err
	}
	defer unlock()
	taken, err := takenRanges()
	if err != nil {
		return idRange{}, err
	}
	for number := range pool.count {
		ids := idRange{uid: pool.uid + number*rangeSize, gid: pool.gid + number*rangeSize, count: 1}
		if !slices.ContainsFunc(taken, ids.overlaps) {
			return ids, os.WriteFile(record.File(b.ID, usersFile), fmt.Appendf(nil, "%d %d\n", ids.uid, ids.gid), 0o600)
		}
	}
	return idRange{}, fmt.Errorf("all %d ranges of ids are taken: add more to /etc/subuid and /etc/subgid for the user %s", pool.count, subordinateUser)
}

// overlaps reports whether two ranges of rangeSize have ids in common; they may come from pools
// that were set up differently.
func (ids idRange) overlaps(other idRange) bool {
	apart := func(a, b uint32) bool { return max(a, b)-min(a, b) >= rangeSize }
	return !apart(ids.uid, other.uid) || !apart(ids.gid, other.gid)
}

// takenRanges are the ranges of other containers.
func takenRanges() ([]idRange, error) {
	files, err := filepath.Glob(filepath.Join(bundle.AttachmentsDir, "*", usersFile))
	if err != nil {
		return nil, err
	}
	var taken []idRange
	for _, file := range files {
		ids, err := readRange(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNoRange) {
			continue // it has gone, or has not come up
		}
		if err != nil {
			return nil, err
		}
		taken = append(taken, ids)
	}
	return taken, nil
}

// errNoRange is a file that was not written to its end.
var errNoRange = errors.New("not a range of ids")

func readRange(file string) (idRange, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return idRange{}, err
	}
	ids := idRange{count: 1}
	if _, err := fmt.Sscanf(string(text), "%d %d", &ids.uid, &ids.gid); err != nil || !strings.HasSuffix(string(text), "\n") {
		return idRange{}, fmt.Errorf("%s: %w", file, errNoRange)
	}
	return ids, nil
}

// rangePool is the pool of ids from which ranges are taken: the first entries of the user davit in /etc/subuid and
// /etc/subgid, or the default.
func rangePool() (idRange, error) {
	uid, uids, err := subordinate("/etc/subuid")
	if err != nil {
		return idRange{}, err
	}
	gid, gids, err := subordinate("/etc/subgid")
	if err != nil {
		return idRange{}, err
	}
	if uids == 0 && gids == 0 {
		return defaultRange, nil
	}
	count := min(uids, gids) / rangeSize
	if count == 0 {
		return idRange{}, fmt.Errorf("/etc/subuid and /etc/subgid: want an entry of %s with %d ids or more in both", subordinateUser, rangeSize)
	}
	return idRange{uid: uid, gid: gid, count: count}, nil
}

func subordinate(file string) (first, count uint32, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	return parseSubordinate(string(text), file)
}

func parseSubordinate(text, file string) (first, count uint32, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) != 3 || fields[0] != subordinateUser {
			continue
		}
		start, startErr := strconv.ParseUint(fields[1], 10, 32)
		length, lengthErr := strconv.ParseUint(fields[2], 10, 32)
		// The highest id means "no change" (chown(2)).
		if startErr != nil || lengthErr != nil || start == 0 || start+length >= 1<<32-1 {
			return 0, 0, fmt.Errorf("%s: %q is not a range of ids", file, strings.TrimSpace(line))
		}
		return uint32(start), uint32(length), nil
	}
	return 0, 0, nil
}
