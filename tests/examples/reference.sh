#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The API reference and the man pages: made without a warning, rendered without one, and no public function is missing.
. "$(dirname "$0")/lib.sh"
use_installation
prefix=${PKG_CONFIG_PATH%/lib/pkgconfig}
headers=$(ls "$prefix"/include/kdirect/*.h)

cd "$work"
# shellcheck disable=SC2086
{
	"$top/docs/api/api.sh" html . 1.2.3 $headers
	"$top/docs/api/api.sh" man man 1.2.3 $headers
	"$top/docs/api/man1.sh" man 1.2.3 "$prefix"/bin/*
} >"$work/log" 2>&1 || { cat "$work/log" >&2; fail 'the reference cannot be made'; }
[ ! -s "$work/log" ] || { cat "$work/log" >&2; fail 'there are warnings'; }

cd "$work/man"
for page in man1/* man3/*; do
	groff -man -Tutf8 -ww -z "$page" >"$work/log" 2>&1
	[ ! -s "$work/log" ] || { cat "$work/log" >&2; fail "$page: there are warnings"; }
done
for program in "$prefix"/bin/*; do [ -s "man1/${program##*/}.1" ] || fail "${program##*/} has no page"; done
for verb in run check audit new; do
	for part in SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLES; do
		man -l "man1/kdirect-$verb.1" | grep -q "^$part" || fail "kdirect-$verb(1) has no $part"
	done
done

# Every exported name, each with what its comment says.
names=$(nm -D --defined-only "$prefix"/lib/libkd*.so | awk 'NF == 3 && $3 ~ /^kd_/ { print $3 }' | sort -u)
[ "$(wc -w <<<"$names")" -gt 100 ] || fail 'few exported names'
for name in $names; do
	[ -s "man3/$name.3" ] || fail "$name has no page"
	grep -q "\"$name\"\|>$name<\|$name" "$work"/html/*_8h.html || fail "$name is not in the reference"
done
declared=$(grep -ho '\bkd_[a-z_]*(' $headers | tr -d '(' | sort -u)
[ -n "$declared" ] || fail 'no declarations'

# The text comes out as it was written.
says() { man -l "man3/$1.3" | col -bx | tr -s ' \n' ' ' | grep -qF -- "$2" || fail "$1(3) does not say: $2"; }
export MANWIDTH=200
says kdirect_row.h 'kd_row_set_text(row, "card", "****", 4); // changed'
says kdirect_row.h 'A decoder gives it fields (bytes -> fields)'
says kdirect_config.h 'expands ${env:NAME} and ${file:PATH}'
says kdirect_connector.h '#include <kdirect/sinks.h>'
says kd_error 'one line, no newline at its end, no secrets'
