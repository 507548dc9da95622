#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Enrichment: each row says of its customer what the table said, an unknown customer is null, through kill -9.
. "$(dirname "$0")/lib.sh"
records=20000

example enrich
database
sql 'create table public.customers (id bigint primary key, name text, country text)'
sql "insert into public.customers select i, 'customer ' || i, case when i % 2 = 0 then 'de' end from generate_series(1, 90) i"
sql 'create table public.purchases (id bigint, customer bigint, customer_name text, country text)'
topic purchases 2
seq "$records" | awk '{ printf "%d|{\"id\": %d}\n", $1 % 100, $1 }' | produce purchases -K '|'

stored() { sql 'select count(*) from public.purchases'; }
kill_often 6 stored ./enrich run job.json --set batch.interval_ms=20 --set batch.max_rate_per_partition=1000
must_run ./enrich run job.json --until-latest
must_run ./enrich audit job.json

seq "$records" | awk '{ c = $1 % 100; known = c >= 1 && c <= 90
	printf "%d\t%d\t%s\t%s\n", $1, c, known ? "customer " c : "\\N", known && c % 2 == 0 ? "de" : "\\N" }' >"$work/expected"
same_table 'select * from public.purchases order by id' "$work/expected"
