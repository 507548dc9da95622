#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# librdkafka.sh: a librdkafka that is new enough for the kafka sink, beside the system's own.
#
#   librdkafka.sh path     prints the PKG_CONFIG_PATH to build with; an empty line where the system's own is new enough.
#                          Fetches and builds it the first time (two minutes).
#
# The source is the copy that a published package carries: npm fetches it and verifies it, and its checksum is pinned
# here.  Environment: KDIRECT_CACHE (default ~/.cache/kdirect) keeps what was built, outside the tree;
# KDIRECT_LIBRDKAFKA names a folder with a source to build instead.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/servers.sh"

least=2.5.3
version=2.15.1
package=@confluentinc/kafka-javascript@1.10.1
checksum=ada7d703bb1d3237e2292bfabf438d663b6160c9f1ac2a2406b5dc4257c81b66
cache=${KDIRECT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kdirect}
prefix=$cache/librdkafka-$version
[ -z "${KDIRECT_LIBRDKAFKA:-}" ] || prefix=$cache/librdkafka-$(cksum <<<"$KDIRECT_LIBRDKAFKA" | cut -d' ' -f1)

# unpack: leaves the source in ./source.
unpack() {
	if [ -n "${KDIRECT_LIBRDKAFKA:-}" ]; then
		cp -r "$KDIRECT_LIBRDKAFKA" source
		return
	fi
	command -v npm >/dev/null || die "npm is not installed: name a source of librdkafka $least or newer in KDIRECT_LIBRDKAFKA"
	npm pack --silent "$package" >npm.log 2>&1 || { tail -n 5 npm.log >&2; die "could not fetch $package"; }
	echo "$checksum  $(ls ./*.tgz)" | sha256sum --quiet -c - >&2 || die "$package is not what it was"
	tar -xzf ./*.tgz package/deps/librdkafka
	mv package/deps/librdkafka source
}

# Programs find the library where it was built: the system's own of the same name would come first otherwise.  Its
# header is a system's, whose warnings are not ours.
build() {
	cd source
	./configure --prefix="$1" --disable-gssapi --disable-curl --disable-lz4-ext >../build.log 2>&1
	make -j"$(nproc)" libs >>../build.log 2>&1
	make -C src install >>../build.log 2>&1
	sed -i -e "s|^Libs:.*|& -Wl,-rpath,$1/lib|" -e 's|^Cflags: -I|Cflags: -isystem |' "$1/lib/pkgconfig/rdkafka.pc"
}

provide() {
	[ -d "$prefix" ] && return
	mkdir -p "$cache"
	exec 8>"$cache/lock"
	flock 8
	if [ ! -d "$prefix" ]; then
		local part=$cache/librdkafka.part
		rm -rf "$part" "$prefix.part"
		mkdir -p "$part"
		(cd "$part" && unpack) || exit 1
		(cd "$part" && build "$prefix.part") || { tail -n 20 "$part/build.log" >&2; die "could not build librdkafka"; }
		sed -i "s|$prefix.part|$prefix|g" "$prefix.part"/lib/pkgconfig/*.pc
		mv "$prefix.part" "$prefix"
		rm -rf "$part"
	fi
	exec 8>&-
}

case "${1:-}" in
path)
	if [ -z "${KDIRECT_LIBRDKAFKA:-}" ] && pkg-config --atleast-version=$least rdkafka 2>/dev/null; then
		echo
	else
		provide
		echo "$prefix/lib/pkgconfig"
	fi
	;;
*) die "usage: librdkafka.sh path" ;;
esac
