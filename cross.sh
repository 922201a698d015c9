#!/bin/sh
# cross.sh ARCH compiles davit, its launcher and the CNI plugins for another architecture into build/ARCH/.
#
# The launcher needs a C compiler and libseccomp for that architecture. Debian has compilers for all; of
# libseccomp it has the source, which is the same for all, and whose signature apt checks.
set -eu

arch=${1:?usage: cross.sh amd64|arm64|armv7|riscv64}
case $arch in
amd64) triple=x86_64-linux-gnu; export GOARCH=amd64 ;;
arm64) triple=aarch64-linux-gnu; export GOARCH=arm64 ;;
armv7) triple=arm-linux-gnueabihf; export GOARCH=arm GOARM=7 ;;
riscv64) triple=riscv64-linux-gnu; export GOARCH=riscv64 ;;
*) echo "cross: $arch: want amd64, arm64, armv7 or riscv64" >&2; exit 2 ;;
esac
source=$PWD/build/cross
seccomp=$PWD/build/cross/$arch

# The source comes from the mirror and the release that apt uses here.
fetch_seccomp() {
	rm -rf "$source/apt"
	mkdir -p "$source/apt/lists/partial" "$source/apt/cache/archives/partial"
	apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 'Component: main' |
		grep '/debian ' | sort -u | sed 's/^/deb-src /; s/$/ main/' > "$source/apt/sources.list"
	set -- -qq -o Dir::Etc::SourceList="$source/apt/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$source/apt/lists" -o Dir::Cache="$source/apt/cache"
	apt-get "$@" update
	(cd "$source/apt" && apt-get "$@" source --download-only libseccomp)
	mkdir -p "$source/libseccomp"
	tar -xzf "$source"/apt/libseccomp_*.orig.tar.gz -C "$source/libseccomp" --strip-components 1
}

build_seccomp() {
	[ -e "$source/libseccomp/configure" ] || fetch_seccomp
	rm -rf "$seccomp" "$seccomp.build"
	cp -a "$source/libseccomp" "$seccomp.build"
	(
		cd "$seccomp.build"
		./configure --quiet --host="$triple" --prefix="$seccomp" --enable-static --disable-shared
		make --silent -C src libseccomp.la install-libLTLIBRARIES
		make --silent -C include install
		make --silent install-pkgconfDATA
	) >/dev/null
	rm -rf "$seccomp.build"
}

echo "cross: $arch"
[ -e "$seccomp/lib/pkgconfig/libseccomp.pc" ] || build_seccomp
export CC=$triple-gcc PKG_CONFIG_LIBDIR="$seccomp/lib/pkgconfig"
# Go's build cache does not tell by pkg-config's answers which directory a library was in: what another checkout
# has compiled would be taken for this one's.
export CGO_LDFLAGS="-O2 -g -L$seccomp/lib"
exec make --no-print-directory OUT="build/$arch" build
