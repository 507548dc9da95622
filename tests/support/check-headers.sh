#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-headers.sh HEADER...: every public header compiles alone, as pedantic C11 and as C++, by each compiler here.
set -u
status=0

# check COMPILER LANGUAGE STANDARD HEADER
check() {
	command -v "$1" >/dev/null || return 0
	echo "#include <kdirect/${4##*/}>" |
		"$1" -I"${4%/kdirect/*}" -Ilib/include -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Werror -fsyntax-only - || status=1
}

[ $# -gt 0 ] || { echo "there is no public header" >&2; exit 1; }
for header; do
	check "${CC:-gcc}" c c11 "$header"
	check clang c c11 "$header"
	check "${CXX:-g++}" c++ c++17 "$header"
done
exit $status
