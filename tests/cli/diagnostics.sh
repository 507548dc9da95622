#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is wrong with a job file is told all at once, with file:line:column: golden output, one case a file.
. "$(dirname "$0")/lib.sh"

export PASSWORD=s3cr3t
cd "$here/golden" || exit 1
cases=0
for job in *.json; do
	want=${job%.json}.txt
	code=2
	case "$job" in good*) code=0 ;; esac
	run $code check "$job" --offline
	diff -u "$want" "$work/out" || mistake "check $job --offline: not as in golden/$want"
	cases=$((cases + 1))
	[ $code -eq 0 ] && continue
	# The verbs that need a whole job tell the same findings on stderr, and do nothing.
	for verb in run plan batches audit; do
		run 2 "$verb" "$job"
		while IFS= read -r line; do says "$line"; done <"$want"
		[ ! -s "$work/out" ] || mistake "$verb $job: something on stdout: $out"
	done
done
[ "$cases" -ge 5 ] || mistake "only $cases cases"

# From standard input, and for programs.
got=0
out=$("$KD_BIN" check - --offline --json <unknown-keys.json) || got=$?
[ $got -eq 2 ] || mistake "check - --json: exit code $got"
shows '"level": "bad"'
shows '"file": "<stdin>"'
shows '"line": 3'

# --set and -b win over the file, and are judged like it.
run 0 check good.json --offline --set batch.interval_ms=5 -b other:9092
run 2 check good.json --offline --set batch.interval_ms=none
shows "batch.interval_ms"
run 2 check good.json --offline --set nonsense
shows "not of the form key=value"
run 2 check good.json --offline --set sink.type=postgre
shows 'did you mean "postgres"?'

# A secret is never shown.
run 0 check good-secret.json --offline
case "$out$err" in *s3cr3t*) mistake "a password is shown" ;; esac

# The SQL needs no server.
run 0 check good.json --sql
shows "create table"
finish
