package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// thisMachine is the machine that measures run on now. The peers' versions are those of the tree.
func thisMachine(ctx context.Context, root string) (machine, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return machine{}, err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return machine{}, err
	}
	versions, err := versionsOf(ctx, root)
	return machine{
		Date:     time.Now().UTC(),
		Hardware: fmt.Sprintf("%s, %d processors, %d MiB of memory", processor(), runtime.NumCPU(), uint64(info.Totalram)*uint64(info.Unit)>>20),
		Kernel:   unix.ByteSliceToString(name.Release[:]),
		Versions: versions,
	}, err
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	_, after, found := strings.Cut(string(text), "model name\t: ")
	model, _, _ := strings.Cut(after, "\n")
	if !found {
		return runtime.GOARCH
	}
	return model
}

// shown are the packages whose versions a reader wants to know.
var shown = []string{"systemd", "podman", "netavark", "crun", "runc", "docker.io", "docker-compose", "skopeo"}

func versionsOf(ctx context.Context, root string) (map[string]string, error) {
	args := append([]string{"--admindir=" + root + "/var/lib/dpkg", "--show", "--showformat=${Package} ${Version}\n"}, shown...)
	output, err := exec.CommandContext(ctx, "dpkg-query", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("ask for the peers' versions: %w", err)
	}
	versions := map[string]string{}
	for line := range strings.Lines(string(output)) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		versions[name] = version
	}
	versions[davit.name], err = ownVersion(ctx)
	return versions, err
}

// ownVersion is davit's commit, "-dirty" where it is not as committed; documents, which runs write to, may differ.
func ownVersion(ctx context.Context) (string, error) {
	described, err := exec.CommandContext(ctx, "git", "describe", "--tags", "--always").Output()
	if err != nil {
		return "", fmt.Errorf("ask git for davit's version: %w", err)
	}
	version := strings.TrimSpace(string(described))
	// git diff --quiet exits with 1 where there are differences.
	if exec.CommandContext(ctx, "git", "diff", "--quiet", "HEAD", "--", ":/", ":(exclude,top)docs").Run() != nil {
		version += "-dirty"
	}
	return version, nil
}

// onWhat is a sentence.
func onWhat(m machine) string {
	var versions []string
	for name, version := range m.Versions {
		versions = append(versions, name+" "+version)
	}
	slices.Sort(versions)
	return fmt.Sprintf("%s on %s, Linux %s; %s", m.Date.Format(time.DateOnly), m.Hardware, m.Kernel, strings.Join(versions, ", "))
}
