#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh SECONDS TARGET...: runs fuzz targets (libFuzzer), two at a time, so many seconds each.
#
# First every kept case of found/TARGET, which must pass for ever; then the corpus of corpus/TARGET as the beginning.
# What a run finds stands in $BUILD/fuzz/TARGET/crash-*: run the target with that file as its argument, mend, minimize
# (TARGET -minimize_crash=1 -runs=10000 FILE), and keep the case in found/TARGET under a name that says what it was.
# KEEP=1: what new inputs reached is merged into corpus/TARGET afterwards.
set -u
here=$(cd "$(dirname "$0")" && pwd)
seconds=$1
shift
build=$PWD/${BUILD:?}
results=$build/results
mkdir -p "$results"
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
ulimit -c 0

run_one() {
	local program=$1 name=${1##*/fuzz_} began=$SECONDS runs status=0
	local area=$build/fuzz/$name log=$results/fuzz-$name.log corpus=$here/corpus/$name found=$here/found/$name
	mkdir -p "$area/new"
	: >"$log"
	if compgen -G "$found/*" >/dev/null; then
		"$program" "$found"/* >>"$log" 2>&1 || status=$?
	fi
	if [ "$status" -eq 0 ]; then
		"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
			-artifact_prefix="$area/" "$area/new" "$corpus" >>"$log" 2>&1 || status=$?
	fi
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ "$status" -eq 0 ]; then
		printf '  ok    fuzz/%-20s %10s runs %4d s\n' "$name" "$runs" $((SECONDS - began))
		[ -z "${KEEP:-}" ] || "$program" -merge=1 "$corpus" "$area/new" >>"$log" 2>&1
		return 0
	fi
	echo "  FAIL  fuzz/$name (exit $status), its cases are in $area"
	tail -n 40 "$log" | sed 's/^/        /'
	return 1
}

failed=0
total=$#
[ "$total" -gt 0 ] || { echo "  FAIL  fuzz: no target"; exit 1; }
while [ $# -gt 0 ]; do
	run_one "$1" & first=$!
	second=
	shift
	if [ $# -gt 0 ]; then
		run_one "$1" & second=$!
		shift
	fi
	wait "$first" || failed=$((failed + 1))
	[ -z "$second" ] || wait "$second" || failed=$((failed + 1))
done
echo "$((total - failed)) $failed" >"$results/fuzz"
[ "$failed" -eq 0 ]
