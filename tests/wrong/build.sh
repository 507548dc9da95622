#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build.sh BUILD: builds the program once for each wrong protocol, BUILD/wrong/NAME/kdirect for each tests/wrong/NAME.patch.
#
# The sources are copied with their times, and so are the objects of BUILD, which is up to date: only what a patch
# touches is compiled.  A patch that does not apply, or does not compile, is a failure; and so is one whose place is
# only guessed: it could land in another function.
set -eu
top=$PWD
build=$1
wrong=$top/$build/wrong
built=0

# objects TREE: of the libraries and the program, without what the tests add.
objects() {
	mkdir -p "$1/$build"
	cp -pR "$build/.flags" "$build/.sources" "$build/lib" "$build/sinks" "$build/tools" "$build"/libkd*.a "$1/$build"
}

build_one() {
	local name=$1 tree=$wrong/$1/tree
	rm -rf "${wrong:?}/$name"
	mkdir -p "$tree"
	cp -pR Makefile lib sinks tools "$tree"
	objects "$tree"
	if ! patch -s -p1 --fuzz=0 -d "$tree" <"tests/wrong/$name.patch" >"$wrong/$name/log" 2>&1; then
		cat "$wrong/$name/log"
		echo "tests/wrong/$name.patch does not apply"
		return 1
	fi
	if ! make --no-print-directory -C "$tree" -j"$(nproc)" BUILD="$build" FAULTS=1 program >"$wrong/$name/log" 2>&1; then
		tail -n 30 "$wrong/$name/log"
		echo "tests/wrong/$name.patch does not compile"
		return 1
	fi
	mv "$tree/$build/bin/kdirect" "$wrong/$name/kdirect"
	rm -rf "$tree"
	built=$((built + 1))
}

# Newer than its patch, and than the right program.
is_built() {
	[ "$wrong/$1/kdirect" -nt "tests/wrong/$1.patch" ] && [ "$wrong/$1/kdirect" -nt "$build/bin/kdirect" ]
}

for patch in tests/wrong/*.patch; do
	name=$(basename "$patch" .patch)
	is_built "$name" || build_one "$name"
done
echo "  wrong protocols: $built built"
