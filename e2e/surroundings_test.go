package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// difference is one that programs see between a davit container and one of `podman run` or `docker run`, and why there is
// one.
type difference struct {
	// keys matches the names in the output of the image surroundings, as a whole; empty for one from Docker alone, which is
	// not installed where the test runs.
	keys string
	// The fields what, podman, docker and davit are columns of the table; docker is the value of Docker 26.1, as the
	// program found it.
	what, podman, docker, davit string
	// value matches the value with davit; an empty one is that there is none.
	value string
	// varies is set for one that not all versions of Podman have, and for one that the nodes of the tests cannot show, which
	// lack the controllers and the privilege.
	varies bool
	reason string
}

var differences = []difference{
	{
		keys: "descriptor std(out|err)|opens /dev/std(out|err)", what: "standard output and error", podman: "pipes", docker: "pipes", davit: "the journal's socket",
		value:  "socket|no such device or address",
		reason: "no process stands between the container and the journal; it is a pipe where the image or the manifest names /dev/stdout, see Output in [manifests](manifests.md)",
	},
	{
		keys: "variable HOSTNAME|process hostname|sysctl kernel/hostname|file /etc/hostname", what: "host name", podman: "an id", docker: "an id", davit: "the object's name, or `hostname`",
		value: `(-rw-r--r-- )?(root|user|tty)\n?`, reason: "it is the same for each run",
	},
	{
		keys: "file /etc/hosts", what: "/etc/hosts", podman: "the node's names, the container, host.containers.internal", docker: "the container", davit: "the containers of its networks, `hostAliases`",
		value: `-rw-r--r-- 127\.0\.0\.1\tlocalhost\n::1\tlocalhost .*`, reason: "the entries of the node's own file are not meant for containers",
	},
	{
		keys: "file /etc/resolv.conf", what: "/etc/resolv.conf where the node names no server", podman: "8.8.8.8, 8.8.4.4", docker: "8.8.8.8, 8.8.4.4", davit: "no server",
		value: `-rw-r--r-- .*`, reason: "names go to no third party that the node's owner has not chosen",
	},
	{
		keys: "mount /etc/(hosts|hostname|resolv.conf)", what: "these files and /etc/hostname as mounts", podman: "nodev, nosuid", docker: "plain", davit: "nodev, nosuid, noexec",
		value: `.*nodev,noexec,nosuid.*`, reason: "nothing in them is to be executed",
	},
	{
		keys: "(file|mount) /run/.containerenv|file /run", what: "a file that marks the container", podman: "/run/.containerenv", docker: "/.dockerenv", davit: "none",
		reason: "programs take these files for Podman or Docker; the variable `container` says that there is a container",
	},
	{
		keys: "variable container", what: "variable container", podman: "podman", docker: "none", davit: "davit", value: "davit", reason: "the [interface of containers](https://systemd.io/CONTAINER_INTERFACE) has the engine's name there",
	},
	{
		keys: "variable TERM", what: "variable TERM without a terminal", podman: "xterm, up to version 4", docker: "none", davit: "none", varies: true, reason: "there is no terminal; with `tty: true` it is xterm",
	},
	{
		keys: "limit Max open files", what: "open files", podman: "1048576", docker: "the daemon's", davit: "1024, at most 524288", value: `1024 \d+`,
		reason: "systemd's default: select(2) takes no more, and programs that close all descriptors take long over a million; `ulimits` raises it",
	},
	{
		keys: "limit Max processes", what: "processes of a user", podman: "4194304", docker: "the daemon's", davit: "the node's default", value: `.*`, varies: true,
		reason: "a container's processes are bounded by its control group",
	},
	{
		keys: "cgroup pids.max", what: "processes of a container", podman: "2048", docker: "no limit", davit: "DefaultTasksMax= of systemd, 15 % of the node's", value: `\d+`, varies: true,
		reason: "the node's owner sets it for all units in one place; `service: {TasksMax: …}` sets it for one",
	},
	{what: "size of a core dump", podman: "0", docker: "no limit", davit: "0", reason: "systemd's default; `ulimits` raises it"},
	{
		keys: "size of /dev/shm|mount /dev/shm", what: "size of /dev/shm", podman: "64000 KiB", docker: "64 MiB", davit: "64 MiB", value: `67108864|tmpfs .*size=65536k`, reason: "Docker's; `shmSize` sets it",
	},
	{
		keys: "mount /dev|mount /proc/(keys|timer_list|latency_stats|kcore|sched_debug)", what: "/dev, and the mounts in it that hide files", podman: "programs run, from version 5 on", docker: "programs run", davit: "noexec",
		value: `tmpfs noexec,nosuid,rw.*`, varies: true, reason: "devices are not to be executed",
	},
	{
		keys: "mount /(proc/(acpi|scsi|asound)|sys/(dev/block|firmware|devices/virtual/powercap|fs/selinux))", what: "hidden directories", podman: "empty", docker: "empty; /sys/dev/block is shown",
		davit: "empty, 4 KiB at most", value: "tmpfs relatime,ro nr_inodes=1,ro,size=4k", reason: "nothing is to be written there",
	},
	{
		keys: "mount /proc/interrupts|mount /sys/devices/system/cpu/cpu[0-9]+/thermal_throttle", what: "/proc/interrupts, counters of throttling", podman: "shown", docker: "shown, hidden in later versions", davit: "hidden",
		value: `tmpfs .*`, varies: true, reason: "they show the activity of other programs and the keyboard (GHSA-6fw5-f8r9-fgfm)",
	},
	{
		keys: "process NoNewPrivs", what: "no_new_privs", podman: "off", docker: "off", davit: "on", value: "1", reason: "no set-user-ID program makes root of a user; `allowPrivilegeEscalation: true` turns it off",
	},
	{what: "capabilities", podman: "eleven", docker: "these, AUDIT_WRITE, MKNOD and NET_RAW", davit: "Podman's", reason: "few programs need more; `capabilities: {add: […]}` gives them"},
	{
		keys: "process Groups", what: "supplementary groups of root", podman: "none", docker: "root's", davit: "root's", value: "0", reason: "a program that changes its group stays in this one, so that a file that denies it more than others goes on doing so (CVE-2022-36109)",
	},
	{
		keys: "sysctl net/ipv4/ip_unprivileged_port_start", what: "lowest port of a user", podman: "1024", docker: "0", davit: "0", value: "0", reason: "a program that runs as a user can listen on port 80 of the container",
	},
	{
		keys: "sysctl net/ipv4/ping_group_range", what: "groups that may ping", podman: "0", docker: "all", davit: "all", value: "0 2147483647", reason: "ping(8) needs no capability",
	},
	{
		keys: "sysctl net/ipv4/conf/eth0/arp_notify", what: "ARP announcements", podman: "on", docker: "off", davit: "off", value: "0", reason: "on davit's networks an address always has the same hardware address",
	},
	{
		keys: "sysctl net/ipv4/conf/eth0/rp_filter", what: "reverse path filter", podman: "loose, from version 5 on", docker: "the node's", davit: "the node's", value: "[012]", varies: true, reason: "the node's owner decides; `sysctls` sets it",
	},
	{
		keys: "sysctl net/ipv6/conf/eth0/accept_dad", what: "detection of duplicate IPv6 addresses", podman: "off, up to version 4", docker: "on", davit: "on", value: "1", varies: true,
		reason: "davit's own addresses are exempt; one that a container gives itself is checked",
	},
	{
		keys: "sysctl net/ipv6/conf/eth0/autoconf", what: "IPv6 addresses by router advertisements", podman: "off, from version 5 on", docker: "on", davit: "on", value: "1", varies: true,
		reason: "a CNI network of the node may have a router that gives them; on davit's own no container without NET_RAW can send advertisements",
	},
	{what: "IPv6", podman: "where the network has it", docker: "off by default", davit: "on", reason: "davit's networks have it"},
}

// explains reports whether the difference is this one.
func (d difference) explains(key, davit string) bool {
	return d.keys != "" && matches(d.keys, key) && matches(d.value, davit)
}

func matches(pattern, text string) bool {
	return regexp.MustCompile(`(?s)\A(` + pattern + `)\z`).MatchString(text)
}

// surrounded are containers by their names, with the flags of podman run that mean the same.
var surrounded = map[string][]string{"root": nil, "user": {"--user", "app"}, "tty": {"--tty"}}

const surroundedManifests = `
apiVersion: davit/v1
kind: Container
metadata: {name: root}
spec: {image: "127.0.0.1:5000/surroundings:1", args: [wait]}
---
apiVersion: davit/v1
kind: Container
metadata: {name: user}
spec: {image: "127.0.0.1:5000/surroundings:1", args: [wait], user: app}
---
apiVersion: davit/v1
kind: Container
metadata: {name: tty}
spec: {image: "127.0.0.1:5000/surroundings:1", args: [wait], tty: true}
`

// TestSurroundings runs an image in davit and in the Podman of this machine, on one node, and compares the output of its program:
// settings of the kernel, mounts, /etc, /dev, limits, environment, user, groups, capabilities, signals, control group. Each
// difference has a reason in the list above, and each entry of the list a difference.
func TestSurroundings(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("boots a node, which needs root: run it with sudo make test-e2e")
	}
	if _, err := exec.LookPath("podman"); err != nil {
		t.Fatal("podman is missing: install the package podman")
	}
	t.Parallel()
	lab := surroundingsLab(t)
	used := map[int]bool{}
	for _, name := range slices.Sorted(maps.Keys(surrounded)) {
		podman, davit := inPodman(t, lab, surrounded[name]), inDavit(t, lab, name)
		for _, key := range differing(podman, davit) {
			i := slices.IndexFunc(differences, func(d difference) bool { return d.explains(key, davit[key]) })
			if i < 0 {
				t.Errorf("%s: %s: Podman has %q, davit %q: make them the same, or give the reason in differences", name, key, podman[key], davit[key])
			}
			used[i] = true
		}
	}
	for i, d := range differences {
		if !used[i] && d.keys != "" && !d.varies {
			t.Errorf("differences: there is none of %q (%s)", d.keys, d.what)
		}
	}
}

// differing are the keys whose values are not the same.
func differing(podman, davit map[string]string) []string {
	all := maps.Clone(podman)
	maps.Copy(all, davit)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(key string) bool {
		one, inOne := podman[key]
		other, inOther := davit[key]
		return inOne == inOther && one == other
	})
}

func surroundingsLab(t *testing.T) *Lab {
	t.Helper()
	lab, err := NewLab(t.Context(), newKit(t), "surroundings")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	// A node lacks the controllers and the privilege for the limits that Podman sets by default.
	const config = "[containers]\npids_limit = 0\n"
	if err := lab.Put("/etc/containers/containers.conf", strings.NewReader(config), 0o644); err != nil {
		t.Fatal(err)
	}
	put(t, lab, "app.yaml", surroundedManifests)
	apply(t, lab)
	return lab
}

// inDavit runs the program in a davit container and returns its facts.
func inDavit(t *testing.T, lab *Lab, unit string) map[string]string {
	t.Helper()
	var text string
	err := Until(t.Context(), lab.Wait(20*time.Second), func(ctx context.Context) (err error) {
		text, err = lab.Output(ctx, "sh", "-c", "journalctl --sync; journalctl --all --output=cat --unit=$0", unit)
		if err == nil && !strings.Contains(text, "\nend") {
			err = fmt.Errorf("%s has not said all", unit)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return parseSurroundings(t, text)
}

// inPodman runs it with podman run, by runc, which asks for less privilege than crun.
func inPodman(t *testing.T, lab *Lab, flags []string) map[string]string {
	t.Helper()
	args := append([]string{"podman", "--runtime", "runc", "run", "--rm", "--pull", "never", "--ulimit", "host"}, flags...)
	text, err := lab.Output(t.Context(), append(args, "127.0.0.1:5000/surroundings:1", "now")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return parseSurroundings(t, text)
}

// parseSurroundings reads lines of a key, a tab and a quoted value.
func parseSurroundings(t *testing.T, text string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for line := range strings.Lines(text) {
		key, quoted, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		found[key] = value
	}
	if len(found) < 100 {
		t.Fatalf("the program has found too little:\n%s", text)
	}
	return found
}

// TestSurroundingsAreDocumented writes the differences down.
func TestSurroundingsAreDocumented(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("\n| | `podman run` | `docker run` | davit | why |\n|---|---|---|---|---|\n")
	for _, d := range differences {
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", d.what, d.podman, d.docker, d.davit, d.reason)
	}
	holdPart(t, "../docs/surroundings.md", "<!-- differences: written by go test ./e2e -run Surroundings -update -->\n", "<!-- /differences -->", table.String()+"\n")
}
