#!/bin/sh
# deps.sh installs the Debian packages that the Makefile's targets need and the machine lacks.
#
#   deps.sh build         what it takes to compile
#   deps.sh build node    and to boot throwaway nodes
#   deps.sh build vm      and to boot virtual machines
#   deps.sh build node bench  nodes, and a tree with davit's peers
#   deps.sh build arm64  what it takes to compile for amd64, arm64, armv7 or riscv64
#   deps.sh build cross  and to run that here
#
# It says and does nothing when all is there, and needs root only when something is not.
set -eu

# Each line: the set, a file or command that shows the package is there, the package.
# gpgme and btrfs are for a plain `go test ./...`, without the Makefile's tags; apparmor and
# systemd-analyze check the profile and the units in tests.
needs='
build gcc                        gcc
build pkg-config                 pkg-config
build git                        git
build /usr/include/stdlib.h      libc6-dev
build /usr/include/seccomp.h     libseccomp-dev
build /usr/include/gpgme.h       libgpgme-dev
build /usr/include/btrfs/version.h libbtrfs-dev
build /usr/sbin/apparmor_parser  apparmor
build systemd-analyze            systemd
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
amd64 x86_64-linux-gnu-gcc       gcc-x86-64-linux-gnu
amd64 gperf                      gperf
arm64 aarch64-linux-gnu-gcc      gcc-aarch64-linux-gnu
arm64 /usr/aarch64-linux-gnu/include/stdlib.h libc6-dev-arm64-cross
arm64 gperf                      gperf
armv7 arm-linux-gnueabihf-gcc    gcc-arm-linux-gnueabihf
armv7 /usr/arm-linux-gnueabihf/include/stdlib.h libc6-dev-armhf-cross
armv7 gperf                      gperf
riscv64 riscv64-linux-gnu-gcc    gcc-riscv64-linux-gnu
riscv64 /usr/riscv64-linux-gnu/include/stdlib.h libc6-dev-riscv64-cross
riscv64 gperf                    gperf
cross qemu-aarch64-static        qemu-user-static
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
