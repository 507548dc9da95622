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
cd "$work/$name"
# shellcheck disable=SC2086
env $(wrong "$name") $settings ./pan -r ledger.pml.trail | grep -E '^(COMMIT|instance|the |a copy|from here|a cycle|<<<)' || true
grep -m1 -E 'assertion violated|non-progress cycle' out | sed 's/^pan:1: //; s/ (at depth.*//'
