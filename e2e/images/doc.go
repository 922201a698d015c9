// Package images makes the container images that tests and the demo run, out of real
// software: nginx, redis, PostgreSQL and busybox from the machine's own Debian release, and
// a small static Go program.
//
// They are made once and kept in a cache directory as an OCI image layout, named by a hash
// of everything they are made of. Nothing is installed on the machine: packages are
// downloaded through apt, which checks their signatures, and unpacked. An image holds just
// the files it needs, its shared libraries found the way the dynamic linker finds them.
// Each behaves like the image of that name that people know: the same entry point,
// environment, user, ports, data directory and stop signal.
package images
