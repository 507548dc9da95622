#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test-all.sh: what "make test" runs once everything is installed.  Goes on after a suite that failed, so that one run
# tells all; the last line is the sum.
#
# First everything is built, one build after the other; then two lanes of suites run beside each other, because most of
# them wait for servers and for faults to pass.  What a step prints is shown when it is over, as a whole.
set -u
make=(make --no-print-directory)
sanitized=(unit mock connector pg)
sanitizer=address,undefined
sanitized_make=("${make[@]}" WERROR=1 SAN=$sanitizer CFLAGS='-O1 -g' CXXFLAGS='-O1 -g')
began=$SECONDS
notes=$(mktemp -d)
trap 'rm -rf "$notes"' EXIT
: >"$notes/sum"

# step NAME RESULT COMMAND...: runs it and adds what its result file says; without such a file it is one test itself.
step() {
	local name=$1 result=$2 status=0 from=$SECONDS p f out
	shift 2
	out=$notes/$BASHPID
	[ -n "$result" ] && rm -f "$result"
	"$@" >"$out" 2>&1 || status=$?
	if [ -n "$result" ] && [ -f "$result" ]; then
		read -r p f <"$result"
	else
		p=$((status == 0)) f=$((status != 0))
	fi
	[ "$status" -ne 0 ] && [ "$f" -eq 0 ] && f=1
	{
		flock 9
		echo "== $name"
		cat "$out"
		echo "== $name: $p passed, $f failed, $((SECONDS - from)) s"
		echo "$p $f" >>"$notes/sum"
	} 9>"$notes/lock"
}

build() { step "$1" '' "${@:2}"; }
suite() { step "$1" "build/plain/results/$1" "${make[@]}" WERROR=1 "check-$1"; }
faulty_suite() { step "$1" "build/plain-faults/results/$1" "${make[@]}" WERROR=1 "check-$1"; }
sanitized_suite() { step "$1 with $sanitizer" "build/${sanitizer/,/+}/results/$1" "${sanitized_make[@]}" "check-$1"; }

build_all() {
	build build "${make[@]}" -j"$(nproc)" WERROR=1 tests
	build 'build with clang' "${make[@]}" -j"$(nproc)" WERROR=1 CC=clang CFLAGS=-O0 tests
	build 'build with fault points' "${make[@]}" -j"$(nproc)" WERROR=1 FAULTS=1 build-crash build-faults build-wrong
	build "build with $sanitizer" "${sanitized_make[@]}" -j"$(nproc)" "${sanitized[@]/#/build-}"
}

lane_of_suites() {
	for name in unit sim mock connector; do suite "$name"; done
	for name in kafka cli examples; do suite "$name"; done
	step race build/thread/results/race "${make[@]}" WERROR=1 check-race
	step tree '' "${make[@]}" WERROR=1 check-tree
	step model build/plain/results/model "${make[@]}" check-model
	step fuzz build/${sanitizer/,/+}-fuzz-clang/results/fuzz "${make[@]}" WERROR=1 check-fuzz
	for name in "${sanitized[@]}"; do sanitized_suite "$name"; done
	faulty_suite wrong
	step kafka-sink build/rdkafka-faults/results/kafka-sink "${make[@]}" -j"$(nproc)" WERROR=1 check-kafka-sink
}

lane_of_faults() {
	for name in conformance pg; do suite "$name"; done
	for name in crash faults; do faulty_suite "$name"; done
}

build_all
lane_of_suites &
lane_of_faults &
wait

echo
echo "$((SECONDS - began)) s"
awk '{ passed += $1; failed += $2 } END { print passed + 0 " passed, " failed + 0 " failed"; exit failed > 0 }' "$notes/sum"
