// Package node boots throwaway machines for tests, demos and benchmarks: a real systemd as
// PID 1 of its own namespaces, over the root file system of the machine it runs on, within
// a second and with nothing to download.
//
// A node has its own processes, mounts, network, host name, cgroup tree, machine id and
// disks. Its writes stay in memory and are gone with it. Its disks live through a
// reboot. Its mounts are shared, as those of a booted machine are, but not with the machine.
// It shares the kernel with the machine: it is no security boundary, system settings that the
// kernel keeps once for all namespaces are read-only in it, and it cannot set the clock.
//
// The program that boots nodes needs root and Linux 5.10 with overlayfs and cgroup v2 (a
// hybrid tree will do). It boots them by running itself again, so this package takes over
// in its init function when it finds itself started that way. When the program ends, even
// by SIGKILL, its nodes and all their mounts end with it; empty cgroups that are left
// behind are removed by the next program that boots a node.
//
// The package knows systemd and the kernel. It knows nothing of davit.
package node
