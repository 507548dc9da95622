#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# api.sh html|man OUT VERSION HEADER...: the API reference, made by doxygen from the comments of the public headers.
#
# html: OUT/html/index.html.  man: OUT/man3, a page a header (kdirect_row.h.3) and a struct, and a link a function.
# Fails where doxygen has a warning.
set -eu
what=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
version=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
filter="awk -f $here/filter.awk"
[ "$what" = man ] && filter="awk -v man=1 -f $here/filter.awk"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{
	cat "$here/Doxyfile"
	echo "PROJECT_NUMBER = $version"
	echo "INPUT = $*"
	echo "INPUT_FILTER = \"$filter\""
	echo "OUTPUT_DIRECTORY = $work"
	echo "GENERATE_${what^^} = YES"
} >"$work/Doxyfile"
doxygen "$work/Doxyfile"

if [ "$what" = html ]; then
	rm -rf "$out/html"
	mv "$work/html" "$out/html"
	exit
fi

# Only what has a name of ours goes to where everybody's pages are: no abort.3, no write.3.
rm -rf "$out/man3"
mkdir "$out/man3"
cd "$work/man/man3"
for page in *.h.3; do
	mv "$page" "kdirect_$page"
done
for page in kd_*.3 kdirect_*.3; do
	sed -e 's/\xee\x80\x80/\\(dq/g' -e 's|^\.so man3/\([a-z]*\.h\.3\)|.so man3/kdirect_\1|' "$page" >"$out/man3/$page"
done
