#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A decoder of one's own: fixed-width lines become typed columns, through kill -9; a line of another length stops the job
# with its place, and the command that the message gives goes on behind it.
. "$(dirname "$0")/lib.sh"
records=20000

example fixed-width
database
sql 'create table public.accounts (id bigint, name text, cents bigint)'
topic accounts 2
seq "$records" | awk '{ printf "%8d%-12s%10d\n", $1, $1 % 5 ? "name " $1 : "", $1 * 11 }' | produce accounts

stored() { sql 'select count(*) from public.accounts'; }
kill_often 4 stored ./fixed-width run job.json --set batch.interval_ms=20 --set batch.max_rate_per_partition=1000
must_run ./fixed-width run job.json --until-latest

echo 'too short' | produce accounts -p 1
status=0
./fixed-width run job.json --until-latest 2>"$work/err" || status=$?
must_be 1 "$status" 'the exit code after a bad record'
grep -q 'accounts/1@[0-9]*.*9 bytes instead of 30' "$work/err" || { cat "$work/err" >&2; fail 'the record is not named'; }
place=$(grep -o 'accounts/1@[0-9]*' "$work/err" | head -n 1)
must_run ./fixed-width skip job.json "$place" --reason 'too short' --execute
must_run ./fixed-width run job.json --until-latest
must_run ./fixed-width audit job.json

seq "$records" | awk '{ printf "%d\t%s\t%d\n", $1, $1 % 5 ? "name " $1 : "\\N", $1 * 11 }' >"$work/expected"
same_table 'select * from public.accounts order by id' "$work/expected"
