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

for library; do
	name=$(basename "$library")
	list=$folder/${name%%.so*}.txt
	list=${list/\/lib/\/}
	names=$(nm -D --defined-only "$library" | awk 'NF == 3 { sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort -u)
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
exit $status
