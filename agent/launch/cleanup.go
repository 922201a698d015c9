package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/davit-project/davit/agent/quota"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

var validID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(@(surge)?[0-9]+)?$`)

// maxName is how long a container's name may be. The expression does not say so: one that counts takes half a
// millisecond to compile, at the start of each launcher.
const maxName = 127

func isID(id string) bool {
	name, _, _ := strings.Cut(id, "@")
	return len(name) <= maxName && validID.MatchString(id)
}

// Cleanup removes all that a container left on the node: what a start made, finished or
// not. It goes on past a step that fails and is safe to repeat; with nothing to remove it
// does nothing.
func Cleanup(ctx context.Context, id string) error {
	if !isID(id) {
		return fmt.Errorf("clean up: %q is not the id of a container", id)
	}
	// A start that was given up has been killed; it ends when what it is just doing is done.
	if err := lockRecord(id); err != nil {
		return fmt.Errorf("clean up %s: %w", id, err)
	}
	return cleanUp(ctx, id, never)
}

// cleanUp is [Cleanup] for who has the record's lock. Where the container keeps its network, that stays as it
// is, with the record of how to undo it.
func cleanUp(ctx context.Context, id string, keeps func(*bundle.Bundle) bool) error {
	own := filepath.Join(bundle.AttachmentsDir, id)
	b, err := readBundle(own)
	recorded := err == nil
	lost := !recorded && hasLeft(id)
	var runs []*bundle.Bundle // what the container may have left is theirs
	if recorded {
		runs = []*bundle.Bundle{b}
	} else if lost {
		runs = bundlesOf(id)
	}
	keepsNetwork := sync.OnceValue(func() bool { return recorded && keeps(b) })
	// systemd takes its time over questions, and the kernel over rules that go: as little as possible waits for those.
	unpublished := sync.OnceValues(func() (func() error, error) {
		if keepsNetwork() {
			return unpublish(nil)
		}
		return unpublish(publisherOf(runs))
	})
	go unpublished()
	failures := []error{removeProcesses(id, runs), awaitCopier(id)}
	if lost {
		failures = append(failures, unmountBelow(ownDirs(id)...))
	}
	for _, b := range runs {
		if keepsNetwork() {
			failures = append(failures, standBy(b))
			continue
		}
		if isSandbox(b) {
			failures = append(failures, releaseSandbox(b))
		}
		failures = append(failures, disconnect(ctx, b, unpublished))
	}
	// Before the record of them goes: the directories of the container, with it.
	failures = append(failures, quota.Release(bundle.ContainersDir, projectsFile(id)))
	removed := withTime(func() error { return untrusted.RemoveAll(filepath.Join(bundle.ContainersDir, id)) })
	failures = append(failures, removed, untrusted.RemoveAll(bundle.HealthFile(id)))
	// A directory that is mounted on is only so in the container's own mount namespace.
	if err := os.Remove(filepath.Join(bundle.MountsDir, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		failures = append(failures, err)
	}
	finish, unpublishErr := unpublished()
	failures = append(failures, unpublishErr, finish())
	// The record of what to undo goes last, and only when all of it was undone.
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("clean up %s: %w", id, err)
	}
	remove := untrusted.RemoveAll
	if keepsNetwork() {
		remove = forgetRun
	}
	if err := remove(own); err != nil {
		return fmt.Errorf("clean up %s: %w", id, err)
	}
	return nil
}

// publisherOf is the newest run that published ports; nil for none.
func publisherOf(runs []*bundle.Bundle) *bundle.Bundle {
	if i := slices.IndexFunc(runs, func(b *bundle.Bundle) bool { return len(b.Network.Ports) > 0 }); i >= 0 {
		return runs[i]
	}
	return nil
}

// removeProcesses has the runtime of each run remove the container.
func removeProcesses(id string, runs []*bundle.Bundle) error {
	runtimes := []ociRuntime{libcontainerRuntime{id: id}}
	if len(runs) > 0 {
		runtimes = nil
	}
	for _, b := range runs {
		if runtime := runtimeOf(b); !slices.Contains(runtimes, runtime) {
			runtimes = append(runtimes, runtime)
		}
	}
	var failures []error
	for _, runtime := range runtimes {
		failures = append(failures, runtime.remove())
	}
	return errors.Join(failures...)
}

// never is for a container whose network goes in any case.
func never(*bundle.Bundle) bool { return false }

// forgetRun removes what there is of a run but the record of what to undo and of where its network is, which a
// next one replaces.
func forgetRun(own string) error {
	entries, err := os.ReadDir(own)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); (name == bundle.ConfigFile || name == networkFile) && !entry.IsDir() {
			continue
		}
		if err := untrusted.RemoveAll(filepath.Join(own, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
