# SPDX-License-Identifier: Apache-2.0
# lib.sh: what the scripts of this folder share.  Each works as somebody does who has nothing but an installation: kdirect
# is installed into a prefix of its own, examples are copied to where they cannot see the tree, and are built there.
#
# From the suite: KD_TEST_PG, KD_TEST_KAFKA and KD_TEST_KAFKA_DIR (servers), KD_TEST_SUPPORT, KD_TEST_TMP, BUILD, MAKEFLAGS.
set -eu
. "$KD_TEST_SUPPORT/servers.sh" # wait_until
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d "${KD_TEST_TMP:-/tmp}/examples.XXXXXX")
started=()
clean_up() {
	local pid
	for pid in ${started[@]+"${started[@]}"}; do kill -KILL "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap clean_up EXIT

fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# must_be WANTED GOT WHAT
must_be() { [ "$1" = "$2" ] || fail "$3: $2 instead of $1"; }

# ---- the installation ----

# The variables that the build was called with (WERROR=1, BUILD=...), without its flags: another value of one of them would
# build everything anew.
make_variables() {
	case "${MAKEFLAGS:-}" in
	*' -- '*) printf '%s ' "${MAKEFLAGS##* -- }" ;;
	esac
	[ -z "${BUILD:-}" ] || printf 'BUILD=%s' "$BUILD"
}

# install_into PREFIX: what a person gets from "make install".
install_into() {
	(
		cd "$top"
		# shellcheck disable=SC2046
		env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -s $(make_variables) install PREFIX="$1"
	) >"$work/install.log" 2>&1 || { tail -n 20 "$work/install.log" >&2; fail "could not install"; }
}

# use PREFIX: as a person does who installed it outside of the system's folders.
use() {
	export PATH=$1/bin:$PATH PKG_CONFIG_PATH=$1/lib/pkgconfig LD_LIBRARY_PATH=$1/lib
	unset MAKEFLAGS MAKELEVEL MFLAGS BUILD SAN KD_BIN
}

# One installation serves the scripts that run one after the other: whoever comes first makes it.
use_installation() {
	local prefix=${KD_TEST_TMP:-$work}/prefix
	if [ ! -e "$prefix.done" ]; then
		rm -rf "$prefix"
		install_into "$prefix"
		: >"$prefix.done"
	fi
	use "$prefix"
}

# example NAME: a copy of the example, where it is built and its own test runs.
example() {
	use_installation
	cp -r "$top/connectors/examples/$1" "$work/$1"
	cd "$work/$1"
	make -s CFLAGS='-O2 -g -Werror' >"$work/make.log" 2>&1 || { cat "$work/make.log" >&2; fail "$1 does not build"; }
	make -s test >"$work/test.log" 2>&1 || { cat "$work/test.log" >&2; fail "make test fails in $1"; }
}

# ---- the servers ----

export KAFKA=${KD_TEST_KAFKA:-}
sql() { psql -X -A -t -q -v ON_ERROR_STOP=1 -d "$DSN" -c "$1"; }

# database: a new one for this script, and DSN.
database() {
	local name=ex_${work##*.}
	name=${name,,}
	DSN=$KD_TEST_PG sql "create database $name"
	export DSN=${KD_TEST_PG/dbname=postgres/dbname=$name}
}

# topic NAME PARTITIONS
topic() {
	"$KD_TEST_SUPPORT/kafka.sh" java "$KD_TEST_KAFKA_DIR" org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKA" \
		--create --topic "$1" --partitions "$2" >"$work/topic.log" 2>&1 || { cat "$work/topic.log" >&2; fail "no topic"; }
}

# produce TOPIC [KCAT-OPTION]...: a record a line of standard input.
produce() {
	local topic=$1
	shift
	kcat -P -q -b "$KAFKA" -t "$topic" -X topic.partitioner=murmur2_random "$@"
}

# ---- kills ----

# grew BEFORE COMMAND...: the number that COMMAND prints is more than BEFORE, or the job has ended.
grew() {
	local before=$1 now
	shift
	kill -0 "$pid" 2>/dev/null || return 0
	now=$("$@" 2>/dev/null) || return 1
	[ "${now:-0}" -gt "$before" ]
}

# kill_often TIMES COUNT COMMAND...: runs COMMAND and kills it by SIGKILL as soon as the number that the function COUNT
# prints has grown, again and again.  Where it ended by itself it was not killed in the middle: that fails.
kill_often() {
	local times=$1 count=$2 before status
	shift 2
	for _ in $(seq "$times"); do
		before=$("$count" 2>/dev/null) || before=0
		"$@" >"$work/run.log" 2>&1 &
		pid=$!
		started+=("$pid")
		wait_until 60 grew "${before:-0}" "$count" || { cat "$work/run.log" >&2; fail "$1 does not get on"; }
		kill -KILL "$pid" 2>/dev/null || true
		status=0
		wait "$pid" 2>/dev/null || status=$?
		[ "$status" -eq 137 ] || { cat "$work/run.log" >&2; fail "$1 ended by itself with $status"; }
	done
}

# must_run COMMAND...: ends with 0, within two minutes.
must_run() {
	timeout 120 "$@" >"$work/out" 2>"$work/err" || { cat "$work/out" "$work/err" >&2; fail "$*: not 0"; }
}

# same_table SQL FILE: what the query gives is what the file says.
same_table() {
	sql "copy ($1) to stdout" >"$work/stored"
	diff "$2" "$work/stored" >"$work/difference" || { head -n 10 "$work/difference" >&2; fail "the table differs"; }
}
