#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# man1.sh OUT VERSION PROGRAM...: OUT/man1, made by help2man from what each program says to --help.  kdirect, being a
# table of verbs, gets a page a verb as well (kdirect-run.1); connectors have the same verbs.
set -eu
out=$1
version=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out/man1"
rm -f "$out/man1"/*

# page NAME SEE COMMAND...: help2man asks a program, so it gets one that says it in the headings of a man page.
page() {
	local name=$1 see=$2 summary
	shift 2
	summary=$("$@" --help | sed -n '1s/^[^:]*: //p')
	cat >"$work/$name" <<-END
		#!/bin/sh
		$(printf '%q ' "$@") --help | sed -e 1d -e '/^What it does:/,/^[^ ].*:\$/s/^  //' \\
			-e 's/^What it does:\$/*Description*/' -e 's/^Options (.*):\$/*Options*/' \\
			-e 's/^Exit codes: */*Exit status*\\n/'
	END
	chmod +x "$work/$name"
	printf '[see also]\n%s\n' "$see" >"$work/include"
	help2man --no-info --no-discard-stderr --section=1 --source="kdirect $version" --version-string="$version" \
		--name="${summary:-$name}" --include="$work/include" --output="$out/man1/$name.1" "$work/$name"
}

for program; do
	name=${program##*/}
	verbs=$("$program" --help | sed -n -e '/^Sinks (/q' -e 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p' | grep -vx "$name" || true)
	see='.BR kdirect (1)'
	if [ "$name" = kdirect ]; then
		see=
		for verb in $verbs; do
			see="$see${see:+, }.BR kdirect-$verb (1)"
			page "kdirect-$verb" '.BR kdirect (1)' "$program" "$verb"
		done
		see=$(sed 's/, \./,\n./g' <<<"$see")
	fi
	page "$name" "$see" "$program"
done
