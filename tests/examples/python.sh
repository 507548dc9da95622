#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A job with a transform in Python: exactly once through kill -9, its ranges tile, an exception stops it with the place.
. "$(dirname "$0")/lib.sh"
records=20000

use_installation
cp -r "$top/connectors/examples/python" "$work/python"
cd "$work/python"
read -ra cflags < <(pkg-config --cflags kdirect)
python3 test_layout.py "${CC:-cc}" "${cflags[@]}" || fail 'the structs are not those of the headers'

database
sql 'create table public.sales (id bigint, card text, cents bigint)'
topic sales 2
seq "$records" | awk '{ if ($1 % 10) printf "{\"id\": %d, \"card\": \"4000-%d\", \"amount\": %d.25}\n", $1, $1, $1
	else printf "{\"id\": %d, \"card\": null}\n", $1 }' | produce sales

stored() { sql 'select count(*) from public.sales'; }
kill_often 5 stored ./example.py job.json --set batch.interval_ms=20 --set batch.max_rate_per_partition=1000
must_run ./example.py job.json --until-latest
tail -n 1 "$work/out" | grep -Eq '^[0-9]+ records, [0-9]+ rows, [0-9]+ dropped$' || fail "$(tail -n 1 "$work/out")"
must_run kdirect audit job.json

seq "$records" | awk '$1 % 10 { printf "%d\t***\t%d25\n", $1, $1 }' >"$work/expected"
same_table 'select * from public.sales order by id' "$work/expected"

# The ranges that the observer is told of are those of the ledger, and offsets are what Kafka says.
kdirect batches job.json -n 100000 --csv | grep -c committed >"$work/batches"
[ "$(cat "$work/batches")" -gt 10 ] || fail 'few batches'
must_run ./example.py job.json --offsets
must_be "$records" "$(awk '{ sum += $4 - $2 } END { print sum }' "$work/out")" 'offsets in Kafka'

# SIGINT ends it cleanly.
./example.py job.json >"$work/run.log" 2>&1 &
pid=$!
started+=("$pid")
owned() { [ "$(kdirect offsets job.json --json | python3 -c 'import json, sys; print(sum(1 for l in sys.stdin))')" -gt 0 ] &&
	grep -q 'info' "$work/run.log"; }
wait_until 30 owned || fail 'it does not start'
kill -INT "$pid"
status=0
wait "$pid" || status=$?
must_be 0 "$status" 'the exit code after SIGINT'

# An exception is a bad record.
echo '{"id": 0, "amount": "much"}' | produce sales -p 0
status=0
./example.py job.json --until-latest 2>"$work/err" || status=$?
must_be 1 "$status" 'the exit code after an exception'
grep -q 'sales/0@[0-9]*.*TypeError' "$work/err" || { cat "$work/err" >&2; fail 'the exception is not told'; }
must_run kdirect audit job.json
