#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh ci|full: the checks of checks.txt, two at a time; a line each: name, states, what it should do, what it did.
# Exits 1 where one did something else.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/model/world.sh
. "$here/world.sh"

case "${1:-}" in
ci | full) which=$1 ;;
*) echo "usage: run.sh ci|full" >&2; exit 2 ;;
esac
command -v spin >/dev/null || { echo "run.sh needs spin: make deps" >&2; exit 2; }
began=$SECONDS

# wanted: the lines of checks.txt that count
wanted() {
	awk -v which="$which" '!/^#/ && NF && (which == "full" || $1 == "ci")' "$here/checks.txt"
}

# check WHEN WANT NAME WORLD SETTING...: one line
check() {
	local want=$2 name=$3 world=$4 result states status=ok
	shift 4
	search "$name" "$world" "$@"
	result=$(outcome "$name")
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/$name/out")
	[ "$result" = "$want" ] || status=WRONG
	printf '%-34s %9.0f states  want %-4s  %-4s  %s\n' "$name" "${states:-0}" "$want" "$result" "$status"
}
export -f check
export here

mkdir -p "$work" "$results"
wanted | awk '{ print $4 }' | sort -u | xargs -P 2 -I{} bash -c 'set -eu; . "$here/world.sh"; build {}'
wanted | xargs -P 2 -d '\n' -I{} bash -c 'set -eu; . "$here/world.sh"; check {}' | tee "$work/lines"

passed=$(grep -c ' ok$' "$work/lines" || true)
failed=$(($(wanted | wc -l) - passed))
awk -v seconds=$((SECONDS - began)) '{ states += $2 } END { printf "%d states in %d s\n", states, seconds }' "$work/lines"
echo "$passed passed, $failed failed"
echo "$passed $failed" >"$results/model"
[ "$failed" -eq 0 ]
