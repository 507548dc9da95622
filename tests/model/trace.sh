#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# trace.sh NAME: tells the counter-example of a check of checks.txt as a story, and what it violates.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/model/world.sh
. "$here/world.sh"

line=$(awk -v name="${1:-}" '!/^#/ && $3 == name { $1 = $2 = ""; print }' "$here/checks.txt")
[ -n "$line" ] || { echo "usage: trace.sh NAME, one of checks.txt" >&2; exit 2; }
read -r name world settings <<<"$line"
[ -x "$work/world-$world/pan" ] || build "$world"
# shellcheck disable=SC2086
search "$name" "$world" $settings
[ "$(outcome "$name")" = fail ] || { echo "$name: no counter-example: $(outcome "$name")"; exit 1; }
# what LINE: which invariant an assertion stands for
what() {
	case "$1" in
	*non-progress*) echo 'I8: from here on it goes round for ever' ;;
	*landed*) echo 'I1, I2: an offset has not landed once' ;;
	*row_from*row_until*) echo 'I6: what is committed is not what was planned' ;;
	*takeovers?rank* | *queue*) echo 'I6: a record goes to the encoder, and no durable plan covers it' ;;
	*'row['*'==0)'*) echo 'I6: a batch time is used twice' ;;
	*ruler*reign*) echo 'I7: a superseded instance changes something' ;;
	*restored*rank*) echo 'I7: a superseded instance takes over again, or ends the session of the owner' ;;
	*committed*latest*) echo 'I8: all is calm, and records are left over' ;;
	*'violated restored'*) echo 'the database is said to have gone back, and has not' ;;
	*segment*) echo 'a closed segment is changed, or an old one is still open' ;;
	esac
	echo "$1"
}

cd "$work/$name"
# shellcheck disable=SC2046,SC2086
env $(wrong "$name") $settings ./pan -r ledger.pml.trail | grep -E '^(COMMIT|instance|what|the |a |from here|<<<)' || true
what "$(grep -m1 -E 'assertion violated|non-progress cycle' out | sed 's/^pan:1: //; s/ (at depth.*//')"
