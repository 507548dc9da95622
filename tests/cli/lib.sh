# SPDX-License-Identifier: Apache-2.0
# lib.sh: what the scripts of this folder share.  Each runs with KD_BIN (the program) and KD_TEST_TMP (for files), tells
# every mistake, and ends with 1 where there was one.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${KD_TEST_TMP:-/tmp}/cli.XXXXXX")
trap 'rm -rf "$work"' EXIT
mistakes=0

mistake() {
	echo "MISTAKE  $*"
	mistakes=$((mistakes + 1))
}

# run CODE ARGS...: runs kdirect, which must end with CODE; leaves what it wrote in $out and $err.
run() {
	local want=$1 got=0
	shift
	"$KD_BIN" "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
	out=$(cat "$work/out")
	err=$(cat "$work/err")
	[ "$got" -eq "$want" ] || mistake "kdirect $*: exit code $got instead of $want: $err"
}

# says TEXT: the last run wrote it on stderr.  shows TEXT: on stdout.
says() {
	case "$err" in *"$1"*) ;; *) mistake "stderr lacks \"$1\": $err" ;; esac
}
shows() {
	case "$out" in *"$1"*) ;; *) mistake "stdout lacks \"$1\": $out" ;; esac
}

# one_line: the last run wrote one line on stderr and nothing on stdout.
one_line() {
	[ "$(wc -l <"$work/err")" -eq 1 ] || mistake "not one line: $err"
	[ ! -s "$work/out" ] || mistake "something on stdout: $out"
}

finish() {
	[ "$mistakes" -eq 0 ]
	exit
}
