#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One record, rows of two tables, one transaction: no reader ever sees an order without its lines, through kill -9.
. "$(dirname "$0")/lib.sh"
records=10000

example split-orders
database
sql 'create table public.orders (id bigint, customer text, total bigint)'
sql 'create table public.order_lines (order_id bigint, line int, sku text, quantity bigint, cents bigint)'
topic baskets 2
seq "$records" | awk '{ printf "{\"id\": %d, \"customer\": \"c%d\", \"lines\": [", $1, $1 % 17
	for (i = 1; i <= $1 % 4; i++)
		printf "%s{\"sku\": \"s-%d\", \"quantity\": %d, \"cents\": %d}", (i > 1 ? ", " : ""), i, i, $1
	print "]}" }' | produce baskets

# Counts the orders, and fails where one has not as many lines as its number says.
stored() {
	local row
	row=$(sql 'select (select count(*) from public.orders), (select count(*) from public.order_lines),
		(select sum(id % 4) from public.orders)') || return 1
	IFS='|' read -r orders lines wanted <<<"$row"
	[ "$lines" = "${wanted:-0}" ] || echo "$row" >>"$work/torn"
	echo "$orders"
}
kill_often 6 stored ./split-orders run job.json --set batch.interval_ms=20 --set batch.max_rate_per_partition=500
must_run ./split-orders run job.json --until-latest
must_run ./split-orders audit job.json
[ ! -e "$work/torn" ] || fail "orders and lines were seen apart: $(head -n 1 "$work/torn")"

seq "$records" | awk '{ n = $1 % 4; printf "%d\tc%d\t%d\n", $1, $1 % 17, n * (n + 1) / 2 * $1 }' >"$work/expected"
same_table 'select * from public.orders order by id' "$work/expected"
seq "$records" | awk '{ for (i = 1; i <= $1 % 4; i++) printf "%d\t%d\ts-%d\t%d\t%d\n", $1, i, i, i, $1 }' >"$work/expected"
same_table 'select * from public.order_lines order by order_id, line' "$work/expected"
