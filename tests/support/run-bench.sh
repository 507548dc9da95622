#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-bench.sh PROGRAM...: runs the benchmarks against servers set for speed, and removes these afterwards.
set -eu
support=$(cd "$(dirname "$0")" && pwd)
build=$PWD/${BUILD:-build/plain}
area=$build/test-servers/bench.$$
[ $# -gt 0 ] || { echo "there is no benchmark" >&2; exit 1; }
trap '"$support/kafka.sh" remove "$area/kafka"; "$support/pg.sh" remove "$area/pg"; rm -rf "$area"' EXIT
mkdir -p "$area/tmp"
KD_TEST_PG=$("$support/pg.sh" start "$area/pg" --fast)
KD_TEST_KAFKA=$(KDIRECT_KAFKA_JVM='-Xms1g -Xmx1g' "$support/kafka.sh" start "$area/kafka")
export KD_TEST_PG KD_TEST_KAFKA KD_TEST_PG_DIR=$area/pg KD_TEST_KAFKA_DIR=$area/kafka
export KD_BIN=$build/bin/kdirect KD_TEST_SUPPORT=$support KD_TEST_TMP=$area/tmp
for program; do "$program"; done
