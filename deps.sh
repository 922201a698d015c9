#!/bin/sh
# deps.sh installs the Debian packages that the Makefile's targets need and the machine lacks.
#
#   deps.sh build         what it takes to compile
#   deps.sh build node    and to boot throwaway nodes
#   deps.sh build vm      and to boot virtual machines
#   deps.sh build node bench  nodes, and a tree with davit's peers
#
# It says and does nothing when all is there, and needs root only when something is not.
set -eu

# Each line: the set, a file or command that shows the package is there, the package.
# gpgme and btrfs are for a plain `go test ./...`, without the Makefile's tags; apparmor checks the
# profile in its tests.
needs='
build gcc                        gcc
build pkg-config                 pkg-config
build git                        git
build /usr/include/stdlib.h      libc6-dev
build /usr/include/seccomp.h     libseccomp-dev
build /usr/include/gpgme.h       libgpgme-dev
build /usr/include/btrfs/version.h libbtrfs-dev
build /usr/sbin/apparmor_parser  apparmor
node  /lib/systemd/systemd       systemd
node  dbus-daemon                dbus
node  ip                         iproute2
node  iptables                   iptables
node  nft                        nftables
node  podman                     podman
node  pgrep                      procps
node  strace                     strace
node  catatonit                  catatonit
node  ansible-playbook           ansible-core
node  crun                       crun
node  runc                       runc
vm    qemu-system-x86_64         qemu-system-x86
vm    qemu-img                   qemu-utils
vm    mmdebstrap                 mmdebstrap
vm    mke2fs                     e2fsprogs
vm    systemctl                  systemd
bench mmdebstrap                 mmdebstrap
'

present() {
	case $1 in
	/*) [ -e "$1" ] ;;
	*) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
	esac
}

missing=$(echo "$needs" | while read -r set proof package; do
	case " $* " in
	*" ${set:-none} "*) present "$proof" || echo "$package" ;;
	esac
done)
[ -n "$missing" ] || exit 0

echo "deps: installing" $missing
if [ "$(id -u)" -ne 0 ]; then
	echo "deps: needs root: apt-get install" $missing >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # one word a package
apt-get install -qq -y --no-install-recommends $missing >/dev/null 2>&1 || {
	apt-get update -qq
	apt-get install -qq -y --no-install-recommends $missing >/dev/null
}
