// Package vm boots throwaway virtual machines: Debian with its own kernel and systemd, in QEMU.
// Without KVM, that takes most of a minute. Features that a [node.Node] cannot have are
// real there: the controllers of control groups, a kernel of its own, disks that lose power.
//
// A machine's disk is made once on this machine, by Debian's own tools and from the mirror that apt uses here, and kept
// in the cache. Each machine writes to a layer of its own over it. It is reached over SSH, with a key of its own; its
// network has no route to others.
//
// The package knows Debian, QEMU and SSH. It knows nothing of davit.
package vm
