// Package cgroup copies the limits of a container's unit to the control group that the container sees.
//
// systemd puts limits on the unit's control group. The container's own lies below it and is the
// root of the tree as the container sees it, so that is where programs look: language runtimes
// that size themselves find the whole node there unless the limits are written there too. The
// package knows the kernel's files, and nothing of units and bundles but the groups' names.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// root is the mount point of the tree (file-hierarchy(7)).
const root = "/sys/fs/cgroup"

// limits are the files that say how much a group may use, each with how much its text allows
// (cgroup-v2.rst in the kernel's documentation).
var limits = map[string]func(string) (float64, error){
	"cpu.max":         cpus,
	"memory.high":     number,
	"memory.max":      number,
	"memory.swap.max": number,
	"pids.max":        number,
}

// oomGroup says whether the kernel, short of memory, kills a group as a whole.
const oomGroup = "memory.oom.group"

// CopyLimits writes to the container's group the tightest limits of its unit's group, such as
// /davit.slice/web.service, and of those that one is in. Without a container there, or without
// controllers, it does nothing.
func CopyLimits(unit string) error {
	if err := copyLimits(root, unit); err != nil {
		return fmt.Errorf("show the limits of %s in the container: %w", filepath.Base(unit), err)
	}
	return nil
}

func copyLimits(root, unit string) error {
	payload := filepath.Join(root, unit, bundle.PayloadGroup)
	for file, amount := range limits {
		tightest, err := tightest(root, unit, file, amount)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(payload, file), tightest); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(filepath.Join(root, unit, oomGroup))
	if err != nil {
		return ignoreMissing(err)
	}
	return write(filepath.Join(payload, oomGroup), string(text))
}

// tightest is the text of the file that allows least, from the group up to the root; empty where
// no group has the file.
func tightest(root, group, file string, amount func(string) (float64, error)) (string, error) {
	var best string
	var least float64
	for ; group != "/" && group != "."; group = filepath.Dir(group) {
		path := filepath.Join(root, group, file)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		allowed, err := amount(strings.TrimSpace(string(text)))
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if best == "" || allowed < least {
			best, least = string(text), allowed
		}
	}
	return best, nil
}

// write leaves the text in a group's file. A controller that the kernel does not hand down, as
// it does not hand down cpu while realtime processes run, leaves the unit's limit, which holds.
func write(path, text string) error {
	current, err := os.ReadFile(path)
	if err != nil {
		return ignoreMissing(err)
	}
	if text == "" || string(current) == text {
		return nil
	}
	return ignoreMissing(os.WriteFile(path, []byte(text), 0))
}

// ignoreMissing takes a group that ends meanwhile for one that is not there.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

const unlimited = "max"

func number(text string) (float64, error) {
	if text == unlimited {
		return math.Inf(1), nil
	}
	return strconv.ParseFloat(text, 64)
}

// cpus reads "QUOTA PERIOD".
func cpus(text string) (float64, error) {
	first, second, _ := strings.Cut(text, " ")
	quota, err := number(first)
	if err != nil {
		return 0, err
	}
	period, err := number(second)
	return quota / period, err
}
