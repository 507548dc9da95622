#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh: "make install" into a prefix gives all that a program needs: outside/main.c is built from it by every compiler
# here, against the shared and against the static libraries, with pkg-config alone, and run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${KD_TEST_TMP:-/tmp}/install.XXXXXX")
trap 'rm -rf "$work"' EXIT
mistakes=0

mistake() {
	echo "MISTAKE  $*"
	mistakes=$((mistakes + 1))
}

# The variables that the build was called with, without its flags: another value would build everything anew.  make puts
# a backslash before a blank in a value, which read without -r takes away.
variables=()
case "${MAKEFLAGS:-}" in
# shellcheck disable=SC2162
*' -- '*) read -a variables <<<"${MAKEFLAGS##* -- }" ;;
esac
install_into() {
	(cd "$top" && env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -s ${variables[@]+"${variables[@]}"} \
		BUILD="$BUILD" install "$@") >"$work/log" 2>&1 || { tail -n 20 "$work/log"; mistake "make install $*"; exit 1; }
}

# ---- what is there ----

install_into PREFIX="$work/prefix"
prefix=$work/prefix
for file in bin/kdirect bin/kafka-postgres bin/kafka-sqlite bin/kafka-kafka \
	lib/libkd{irect,sinks,connector}.{a,so} lib/pkgconfig/kd{irect,sinks,connector}.pc \
	include/kdirect/{kdirect,connector,sinks,keyed}.h; do
	[ -s "$prefix/$file" ] || mistake "not installed: $file"
done
install_into DESTDIR="$work/stage" PREFIX=/opt/kd
[ -x "$work/stage/opt/kd/bin/kdirect" ] || mistake "DESTDIR is not honoured"
grep -q '^prefix=/opt/kd$' "$work/stage/opt/kd/lib/pkgconfig/kdirect.pc" || mistake "kdirect.pc names another prefix"
grep -rl "$work" "$work/stage/opt/kd/lib/pkgconfig" && mistake "a .pc file names the stage"

# An archive that defines other names than its own would clash with those of a program.
for archive in "$prefix"/lib/*.a; do
	nm "$archive" 2>/dev/null | awk '$2 ~ /^[TDBRVWC]$/ && $3 !~ /^kd_/ { print $3 }' | grep -v '^__\(odr_asan\|asan\|ubsan\|sanitizer\)' |
		sed "s|^|MISTAKE  ${archive##*/} defines |" | grep . && mistakes=$((mistakes + 1))
done

# ---- a program from it ----

# The static libraries are taken where there are no shared ones.
cp -a "$prefix" "$work/static"
rm -f "$work"/static/lib/*.so*
sed -i "s|$prefix|$work/static|g" "$work"/static/lib/pkgconfig/*.pc
cat >"$work/job.json" <<END
{ "job": "j", "kafka": { "bootstrap.servers": "localhost:1" }, "topics": ["t"],
  "transform": { "prefix": "a" }, "sink": { "type": "sqlite", "path": "$work/db", "table": "t" } }
END

# The compiler that the libraries were made by must link them where they were made with a sanitizer.
sanitizer=()
[ -n "${SAN:-}" ] && sanitizer=(-fsanitize="$SAN")

# try KIND PREFIX COMPILER FLAGS...
try() {
	local kind=$1 from=$2 compiler=$3 program
	shift 3
	command -v "$compiler" >/dev/null || return 0
	program=$work/keeper-$compiler-$kind
	export PKG_CONFIG_PATH=$from/lib/pkgconfig
	# shellcheck disable=SC2046
	"$compiler" -Wall -Wextra -Werror "$@" ${sanitizer[@]+"${sanitizer[@]}"} -o "$program" \
		$(pkg-config --cflags kdconnector kdsinks) "$here/outside/main.c" -x none \
		$(pkg-config $([ "$kind" = static ] && echo --static) --libs kdconnector kdsinks) >"$work/log" 2>&1 ||
		{ tail -n 20 "$work/log"; mistake "$compiler $kind: does not build"; return; }
	run_it "$compiler $kind" "$program" "$from"
}

# run_it WHAT PROGRAM PREFIX
run_it() {
	local what=$1 program=$2 out
	export LD_LIBRARY_PATH=$3/lib
	out=$("$program" --version) || mistake "$what: --version ended with $?"
	[ "${out%%$'\n'*}" = 'keeper 1.0' ] || mistake "$what: --version says $out"
	case "$out" in *kdirect*libpq*) ;; *) mistake "$what: --version lacks the libraries: $out" ;; esac
	out=$("$program" --help) || mistake "$what: --help ended with $?"
	case "$out" in *transform.prefix*) ;; *) mistake "$what: --help lacks its key: $out" ;; esac
	out=$("$program" check --offline "$work/job.json") || mistake "$what: check ended with $?: $out"
	case "$out" in *'transform: "keep"'*) ;; *) mistake "$what: check says $out" ;; esac
	out=$(printf '{"id":"ab","secret":1}\n{"id":"b"}\n' | "$program" try -q "$work/job.json" 2>&1) ||
		mistake "$what: try ended with $?: $out"
	[ "$out" = '{"id":"ab"}' ] || mistake "$what: try says $out"
	# A plugin finds what it needs in the program, or in its libraries.
	sed 's|"topics"|"plugins": ["./good.so"], &|; s|"transform": {[^}]*}|"transform": { "type": "shape" }|' \
		"$work/job.json" >"$work/plugged.json"
	out=$("$program" check --offline "$work/plugged.json") || mistake "$what: with a plugin check ended with $?: $out"
}

cp "$top/$BUILD/tests/connector/plugin/good.so" "$work/good.so" && chmod 755 "$work" && chmod 644 "$work/good.so"
for kind in shared static; do
	from=$prefix
	[ "$kind" = static ] && from=$work/static
	if [ -z "${SAN:-}" ]; then
		try $kind "$from" gcc -std=c11
		try $kind "$from" clang -std=c11
		try $kind "$from" g++ -x c++ -std=c++17
	elif [ "$kind" = static ]; then
		try $kind "$from" "${CC:-gcc}" -std=c11
	fi
done
[ "$mistakes" -eq 0 ]
