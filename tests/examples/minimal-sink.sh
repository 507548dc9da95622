#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A transactional sink in 200 lines: it passes kdirect-sink-conformance, and a job of the installed kdirect that loads it
# as a plugin lands each record exactly once through kill -9.
. "$(dirname "$0")/lib.sh"
records=5000

example minimal-sink
[ "$(wc -l <minimal.c)" -lt 200 ] || fail 'the sink has 200 lines or more'
grep -q '^# The sink "minimal" conforms.$' "$work/test.log" || { cat "$work/test.log" >&2; fail 'it does not conform'; }

topic orders 2
seq "$records" | awk '{ printf "k%d|v%d\n", $1, $1 }' >"$work/records"
produce orders -K '|' <"$work/records"

landed() { grep -ac ^R orders.data; }
kill_often 6 landed kdirect run job.json --set batch.interval_ms=20 --set batch.max_rate_per_partition=300
must_run kdirect run job.json --until-latest
must_run kdirect audit job.json --deep

python3 - "$work/records" orders.data <<-'END' || fail 'the file holds something else than the topic, or something twice'
	import sys
	rows = [line.split() for line in open(sys.argv[2]) if line.startswith("R ")]
	held = sorted("|".join(bytes.fromhex(field).decode() for field in row[6:8]) for row in rows)
	wanted = sorted(line.rstrip("\n") for line in open(sys.argv[1]))
	sys.exit(held != wanted)
END
