#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs.sh write|check PROGRAM: the pages that PROGRAM prints from the tables its options are parsed by.
# check fails, showing the difference, where a page says something else than the program.
set -eu
verb=$1
program=$2
pages=(configuration:docs/CONFIGURATION.md cli:docs/CLI.md)

status=0
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
for page in "${pages[@]}"; do
	file=${page#*:}
	"$program" --markdown "${page%%:*}" >"$fresh"
	case "$verb" in
	write) cp "$fresh" "$file" ;;
	check) diff -u "$file" "$fresh" || { echo "$file is not what the program says: run \"make docs\""; status=1; } ;;
	*) echo "usage: docs.sh write|check PROGRAM" >&2; exit 2 ;;
	esac
done
exit $status
