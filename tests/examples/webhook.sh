#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A keyed sink over HTTP: the service ends with the newest value of each key, through kill -9 and through a service that
# fails now and then, also after it has stored what was put; what check and audit call it is "keyed".
. "$(dirname "$0")/lib.sh"
records=5000

example webhook
topic profiles 2
# Values come and go: each key is put again and again, and one in seven times deleted.
seq "$records" | awk '{ if ($1 % 7) printf "k %d|{\"seen\": %d}\n", $1 % 300, $1; else printf "k %d|\n", $1 % 300 }' \
	>"$work/records"
produce profiles -K '|' -Z <"$work/records"

port=$(free_port)
./server.py "$port" --fail 97 2>"$work/server.log" &
started+=($!)
export SERVICE=http://127.0.0.1:$port
ask() { python3 -c 'import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())' \
	"$SERVICE/$1"; }
listens() { ask statistics >/dev/null 2>&1; }
wait_until 20 listens || { cat "$work/server.log" >&2; fail 'the service does not answer'; }

puts() { ask statistics | python3 -c 'import json, sys; print(json.load(sys.stdin)["puts"])'; }
kill_often 6 puts ./webhook run job.json --set batch.interval_ms=20 --set batch.max_rate_per_partition=300
must_run ./webhook run job.json --until-latest
must_run ./webhook audit job.json
grep -q keyed "$work/out" "$work/err" || fail 'audit does not name the guarantee'

ask profiles/ >"$work/held"
python3 - "$work/records" "$work/held" <<-'END' || fail 'the service holds something else than the topic says'
	import json, sys
	wanted = {}
	for line in open(sys.argv[1]):
	    key, value = line.rstrip("\n").split("|", 1)
	    wanted[key] = value or None
	wanted = {key: value for key, value in wanted.items() if value is not None}
	sys.exit(json.load(open(sys.argv[2])) != wanted)
END
