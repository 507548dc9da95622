#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test-all.sh: what "make test" runs once everything is installed.  Goes on after a suite that failed, so that one run
# tells all; the last line is the sum.
set -u
make=(make --no-print-directory)
suites=(unit mock connector conformance pg kafka cli crash examples)
sanitized=(unit mock connector pg)
sanitizer=address,undefined
sanitized_make=("${make[@]}" WERROR=1 SAN=$sanitizer CFLAGS='-O1 -g' CXXFLAGS='-O1 -g')
passed=0
failed=0
began=$SECONDS

# step NAME RESULT COMMAND...: runs it and adds what its result file says; without such a file it is one test itself.
step() {
	local name=$1 result=$2 status=0 from=$SECONDS p f
	shift 2
	echo "== $name"
	[ -n "$result" ] && rm -f "$result"
	"$@" || status=$?
	if [ -n "$result" ] && [ -f "$result" ]; then
		read -r p f <"$result"
	else
		p=$((status == 0)) f=$((status != 0))
	fi
	[ "$status" -ne 0 ] && [ "$f" -eq 0 ] && f=1
	passed=$((passed + p))
	failed=$((failed + f))
	echo "== $name: $p passed, $f failed, $((SECONDS - from)) s"
}

step build '' "${make[@]}" -j"$(nproc)" WERROR=1 tests
step 'build with clang' '' "${make[@]}" -j"$(nproc)" WERROR=1 CC=clang CFLAGS=-O0 tests
step 'build with fault points' '' "${make[@]}" -j"$(nproc)" WERROR=1 FAULTS=1 build-crash
for suite in "${suites[@]}"; do
	results=build/plain/results
	[ "$suite" = crash ] && results=build/plain-faults/results
	step "$suite" "$results/$suite" "${make[@]}" WERROR=1 "check-$suite"
done
step 'kafka-sink' build/rdkafka-faults/results/kafka-sink "${make[@]}" -j"$(nproc)" WERROR=1 check-kafka-sink
step race build/thread/results/race "${make[@]}" WERROR=1 check-race
step tree '' "${make[@]}" WERROR=1 check-tree
step "build with $sanitizer" '' "${sanitized_make[@]}" -j"$(nproc)" "${sanitized[@]/#/build-}"
for suite in "${sanitized[@]}"; do
	step "$suite with $sanitizer" "build/${sanitizer/,/+}/results/$suite" \
		"${sanitized_make[@]}" "check-$suite"
done

echo
echo "$((SECONDS - began)) s"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
