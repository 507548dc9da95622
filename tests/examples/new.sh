#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# "kdirect new": what it writes builds without a warning and passes its test at once; it overwrites nothing.
. "$(dirname "$0")/lib.sh"
use_installation
cd "$work"

# refuses CODE TEXT ARGS...
refuses() {
	local want=$1 text=$2 got=0
	shift 2
	kdirect new "$@" >"$work/out" 2>"$work/err" || got=$?
	must_be "$want" "$got" "the exit code of new $*"
	grep -qF -- "$text" "$work/err" || { cat "$work/err" >&2; fail "new $* does not say \"$text\""; }
}

for kind in '' --sink; do
	project=pay${kind#--}
	must_run kdirect new $kind "$project-in_2"
	cd "$project-in_2"
	must_run make CFLAGS='-O2 -g -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror' test
	grep -q 'as expected' "$work/out" || fail "its test says nothing: $(cat "$work/out")"
	must_run make CC=clang CFLAGS='-O0 -Wall -Wextra -Werror' -B test
	must_run make install DESTDIR="$work/root" PREFIX=/usr
	must_run "$work/root/usr/bin/$project-in_2" --help
	must_run "./$project-in_2" check job.json --offline
	[ -z "$(grep -rl '@NAME@' .)" ] || fail 'a placeholder is left'
	cd ..
	sum=$(find "$project-in_2" -type f -exec cksum {} + | sort)
	refuses 2 'is not empty' $kind "$project-in_2"
	must_be "$sum" "$(find "$project-in_2" -type f -exec cksum {} + | sort)" 'the files'
done

must_run kdirect new elsewhere --dir "$work/a-folder"
[ -x "$work/a-folder/test.sh" ] || fail 'not in --dir'
mkdir "$work/full" && touch "$work/full/.hidden"
refuses 2 'is not empty' other --dir "$work/full"
refuses 2 'could not make' other --dir "$work/absent/deeper"
for name in Orders 1st a/b .. a.b 'a b' '' test "$(printf 'a%.0s' {1..61})"; do refuses 2 'name' -- "$name"; done
