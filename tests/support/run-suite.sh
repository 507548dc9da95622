#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-suite.sh SUITE "SERVERS" PROGRAM...: runs one suite's programs with the servers it needs (pg, kafka).
#
# The servers are started once, for the suite alone, and are gone afterwards however the suite ends: a reaper in a
# session of its own waits for the end of a pipe that only this script holds open, so that not even SIGKILL leaves
# one behind.  A suite without a program, and a program without a test, fail.
#
# From the caller: BUILD, SAN; optional: ONLY (a criterion pattern, suite/test), JOBS (tests at once), TEST_TIMEOUT
# (seconds for one program).  To the programs: KD_BIN (the kdirect program), KD_TEST_PG and KD_TEST_KAFKA (where the
# servers are), KD_TEST_PG_DIR and KD_TEST_KAFKA_DIR (to restart them with pg.sh and kafka.sh), KD_TEST_SUPPORT
# (where those are), KD_TEST_TMP (a folder for scratch files).
set -u
suite=$1
servers=$2
shift 2
support=$(cd "$(dirname "$0")" && pwd)
build=$PWD/${BUILD:-build/plain}
results=$build/results
area=$build/test-servers/$suite.$$
mkdir -p "$results" "$area/tmp"
passed=0
failed=0
logs=()

# The reaper reads until every holder of descriptor 9 is gone: only this shell holds it.
exec 9> >(
	trap '' INT TERM HUP
	exec setsid bash -c 'cat >/dev/null; "$1/kafka.sh" remove "$2/kafka"; "$1/pg.sh" remove "$2/pg"; rm -rf "$2"' \
		reaper "$support" "$area" 2>/dev/null
)
reaper=$!

finish() {
	echo "$passed $failed" >"$results/$suite"
	exec 9>&-
	wait "$reaper" 2>/dev/null
	[ ${#logs[@]} -eq 0 ] || "$support/../crash/sum.sh" "$suite" "${logs[@]}"
	echo "  $suite: $passed passed, $failed failed"
	[ "$failed" -eq 0 ]
	exit
}

abandon() {
	echo "  FAIL  $suite: $*"
	failed=$((failed + 1))
	finish
}

start_servers() {
	local server
	for server in $servers; do
		case "$server" in
		pg)
			KD_TEST_PG=$("$support/pg.sh" start "$area/pg" 9>&-) || abandon "no PostgreSQL"
			export KD_TEST_PG KD_TEST_PG_DIR=$area/pg
			;;
		kafka)
			KD_TEST_KAFKA=$("$support/kafka.sh" start "$area/kafka" 9>&-) || abandon "no Kafka broker"
			export KD_TEST_KAFKA KD_TEST_KAFKA_DIR=$area/kafka
			;;
		esac
	done
}

# count LOG STATUS: sets ran and bad by what a program's log says.  A program that ends badly or tells of no test has
# failed; ONLY may leave a program without a test, and a race program is one test by itself.
count() {
	local log=$1 status=$2 line passing=0
	ran=0
	line=$(grep -a 'Synthesis: Tested:' "$log" | tail -n 1 | sed 's/\x1b\[[0-9;]*m//g')
	if [ -n "$line" ]; then
		read -r ran passing < <(sed -E 's/.*Tested: ([0-9]+) \| Passing: ([0-9]+).*/\1 \2/' <<<"$line")
	elif [ "$suite" = race ] && [ "$status" -eq 0 ]; then
		ran=1 passing=1
	fi
	bad=$((ran - passing))
	# Criterion's own process may leak a little after all tests have passed, which aborts it; a test that leaks is told
	# of by a line of its own.
	if [ -n "${SAN:-}" ] && [ "$status" -eq 134 ] && ! grep -aq 'crashed during its setup or teardown' "$log"; then
		status=0
	fi
	if [ "$status" -ne 0 ] || { [ "$ran" -eq 0 ] && [ -z "${ONLY:-}" ]; }; then
		bad=$((bad > 0 ? bad : 1))
	fi
	passed=$((passed + passing))
	failed=$((failed + bad))
}

run_program() {
	local program=$1 name=${1##*/} log=$results/$suite-${1##*/}.log status=0 began=$SECONDS args=()
	if [ "$suite" != race ]; then
		args=(--short-filename -j"${JOBS:-$jobs}" ${ONLY:+--filter "$ONLY"})
	fi
	{
		timeout -k 10 "${TEST_TIMEOUT:-$limit}" "$program" ${args[@]+"${args[@]}"} >"$log" 2>&1 9>&- </dev/null
	} 2>/dev/null || status=$?
	logs+=("$log")
	count "$log" "$status"
	if [ "$bad" -eq 0 ]; then
		[ "$ran" -eq 0 ] || printf '  ok    %-42s %4d tests %4d s\n' "$suite/$name" "$ran" $((SECONDS - began))
		sed -n "s/^$suite: \([0-9].*\)/          \1/p" "$log" # the figures that a program has to tell
		return
	fi
	case "$status" in
	124 | 137) echo "  FAIL  $suite/$name: not done after ${TEST_TIMEOUT:-$limit} s" ;;
	*) echo "  FAIL  $suite/$name: $bad of $ran tests failed (exit $status)" ;;
	esac
	tail -n 200 "$log" | sed 's/^/        /'
}

# A suite with servers shares them among its tests, so these run one at a time.
jobs=1
limit=900
[ -z "$servers" ] && jobs=$(nproc)
[ -n "${SAN:-}" ] && limit=1800
[ $# -gt 0 ] || abandon "it has no test program"

export KD_BIN=$build/bin/kdirect KD_TEST_SUPPORT=$support KD_TEST_TMP=$area/tmp
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1
export TSAN_OPTIONS=halt_on_error=1
ulimit -c 0
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGPASSFILE PGSERVICE PGOPTIONS PGSSLMODE
start_servers
for program; do run_program "$program"; done
finish
