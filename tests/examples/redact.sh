#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The redacting transform: what is stored is what was produced with two fields replaced, through kill -9.
. "$(dirname "$0")/lib.sh"
records=20000

example redact
database
sql 'create table public.payments (id bigint, card text, email text, cents bigint)'
topic payments 2
seq "$records" | awk '{ printf "{\"id\": %d, \"card\": \"4000-%06d\", \"email\": %s, \"cents\": %d}\n", $1, $1,
	$1 % 3 ? "\"u" $1 "@example.org\"" : "null", $1 * 7 }' | produce payments

stored() { sql 'select count(*) from public.payments'; }
kill_often 6 stored ./redact run job.json --set batch.interval_ms=20 --set batch.max_rate_per_partition=1000
must_run ./redact run job.json --until-latest
must_run ./redact audit job.json --deep

seq "$records" | awk '{ printf "%d\t***\t%s\t%d\n", $1, $1 % 3 ? "***" : "\\N", $1 * 7 }' >"$work/expected"
same_table 'select * from public.payments order by id' "$work/expected"
