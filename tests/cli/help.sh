#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every verb teaches itself, on stdout, with exit code 0: examples first, then what it does, options, exit codes.
. "$(dirname "$0")/lib.sh"

verbs="run check plan try offsets batches audit skip demo new"

run 0 --help
for verb in $verbs; do shows "  $verb "; done
for group in "Run a job" "Before it runs" "Look at a job" "Repair" "Try it"; do shows "$group:"; done
[ ! -s "$work/err" ] || mistake "--help wrote on stderr"
run 2
says "Usage: kdirect VERB"

for verb in $verbs; do
	run 0 "$verb" --help
	for part in "Usage: kdirect $verb " "Examples:" "What it does:" "Options" "Exit codes:" "-h, --help"; do
		shows "$part"
	done
	[ ! -s "$work/err" ] || mistake "$verb --help wrote on stderr"
	awk -v verb="$verb" 'length($0) > 100 { print "MISTAKE  " verb " --help: a line of " length($0); bad = 1 }
		END { exit bad }' "$work/out" || mistakes=$((mistakes + 1))
	awk '/^Examples:/ { e = NR } /^What it does:/ { w = NR } /^Options/ { o = NR } /^Exit codes:/ { x = NR }
		END { exit !(e < w && w < o && o < x) }' "$work/out" || mistake "$verb --help: not in order"
	cp "$work/out" "$work/help"
	run 0 help "$verb"
	cmp -s "$work/out" "$work/help" || mistake "help $verb is not $verb --help"
	run 0 "$verb" -h
	cmp -s "$work/out" "$work/help" || mistake "$verb -h is not $verb --help"
done

run 0 try --help
echo "$out" | grep -q -e --bootstrap-server -e --propert && mistake "try contacts nothing, and takes what is for brokers"

run 0 --version
for name in "kdirect " "librdkafka " "libpq " "jansson " "sqlite "; do shows "$name"; done
echo "$out" | grep -Eqv '^[a-z]+ [0-9]+\.[0-9]' && mistake "--version: $out"
run 0 -V

# Defaults are told, and so is every option in the reference page.
run 0 run --help
shows "[10]"
run 0 --markdown cli
cp "$work/out" "$work/page"
for verb in $verbs; do
	grep -q "^## kdirect $verb\$" "$work/page" || mistake "the page lacks $verb"
	"$KD_BIN" "$verb" --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | grep -v -- --help |
		while read -r option; do
			grep -q -- "\`$option[ \`]" "$work/page" || echo "MISTAKE  the page lacks $verb $option"
		done | grep . && mistakes=$((mistakes + 1))
done
run 0 --markdown configuration
for key in job topics batch.interval_ms sink.type sink.path sink.dsn; do shows "\`$key\`"; done
run 2 --markdown nonsense
finish
