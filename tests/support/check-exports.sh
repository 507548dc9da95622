#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-exports.sh check|write LIBRARY...: what each shared library exports is the list in tests/exports, a name a line,
# sorted.  A name that goes breaks programs that were linked with it, and a name that comes is a promise: so both are
# looked at by a person.  "write" makes the lists anew.
set -eu
verb=$1
shift
folder=$(dirname "$0")/../exports
status=0

exported() {
	nm -D --defined-only "$1" | awk 'NF == 3 { sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort -u
}

for library; do
	name=$(basename "$library")
	list=$folder/${name%%.so*}.txt
	list=${list/\/lib/\/}
	names=$(exported "$library")
	case "$verb" in
	write) printf '%s\n' "$names" >"$list" ;;
	check)
		foreign=$(grep -v '^kd_' <<<"$names" || true)
		[ -z "$foreign" ] || { echo "$name exports a name that is not ours: $foreign"; status=1; }
		diff -u --label "tests/exports/${list##*/}" --label "$name" "$list" - <<<"$names" || {
			echo "$name does not export what tests/exports/${list##*/} lists."
			echo "If that is meant, run \"make exports\" and commit the list with the change."
			status=1
		}
		;;
	*) echo "usage: check-exports.sh check|write LIBRARY..." >&2; exit 2 ;;
	esac
done

# What the public headers declare is what the libraries export, all of them together: a name that was forgotten in a
# source's includes is hidden, and is missed by nobody in the tree, where the archives are linked.
declared() {
	grep -hE '^KD_API' {lib,sinks,tools}/include/kdirect/*.h |
		sed -E 's/^KD_API extern const [a-z_]+ ([^;]*);.*/\1/; s/, /\n/g; s/^KD_API [^(]*[ *](kd_[a-z0-9_]+)\(.*/\1/'
}
# A plugin defines the entries, a build with fault points those of fault.h.
elsewhere='^kd_(plugin_entry|conformance_entry|fault_hit|fault_error)$'
if [ "$verb" = check ]; then
	diff -u --label 'the public headers' --label 'the shared libraries' <(declared | LC_ALL=C sort -u | grep -vE "$elsewhere") \
		<(for library; do exported "$library"; done | LC_ALL=C sort -u | grep -vE "$elsewhere") || {
		echo "the headers declare (-), or the libraries export (+), what the other side does not"
		status=1
	}
fi

# Fault points are for test builds: of a release not even a name is left.
points() {
	grep -rhoE 'KD_FAULT(_[A-Z]+)?\("[^"]+"' lib sinks tools --include=*.c | sed 's/.*("//; s/"$//' | LC_ALL=C sort -u
}
if [ "$verb" = check ]; then
	left=$(for library; do strings -n 4 "$library"; done | grep -xF -f <(points) || true)
	[ -z "$left" ] || { echo "fault points are left in a library: "$left; status=1; }
fi
exit $status
