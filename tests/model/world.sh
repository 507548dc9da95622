# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# world.sh: how large the worlds are that the model is compiled for, and how one is searched; for run.sh and trace.sh.
build=${BUILD:-build/plain}
work=$build/model
results=$build/results
seconds=${CPU_SECONDS:-600} # of each check
memory=${MEMORY_MB:-2800}

# flags WORLD: of spin
flags() {
	case "$1" in
	one) echo -DNS=1 -DMAXO=2 -DTT=5 ;;
	three) echo -DN=3 -DNS=1 -DMAXO=1 -DTT=4 ;;
	two) echo -DNS=2 -DMAXO=1 -DTT=4 ;;
	back | cycles) echo -DBACK=1 -DMAXO=2 -DTT=5 ;;
	small) echo -DBACK=1 -DMAXO=1 -DTT=4 ;;
	segments) echo -DNS=2 -DREOPEN=1 -DMAXO=1 -DTT=4 ;;
	segments-back) echo -DNS=2 -DREOPEN=1 -DBACK=1 -DMAXO=1 -DTT=3 ;;
	*) echo "no such world: $1" >&2; return 2 ;;
	esac
}

# build WORLD: its checker; "cycles" also sees a program that runs for ever without getting anywhere
build() {
	local folder=$work/world-$1 what=-DSAFETY
	[ "$1" = cycles ] && what=-DNP
	mkdir -p "$folder"
	cp "$here"/*.pml "$folder"
	# shellcheck disable=SC2046
	(cd "$folder" && spin -a $(flags "$1") ledger.pml >spin.out && gcc -O1 -w $what -DCOLLAPSE -DVECTORSZ=1024 \
		-DMEMLIM="$memory" -o pan pan.c) || { cat "$folder/spin.out" >&2; return 1; }
}

# wrong NAME: what is wrong in a check that is named after it
wrong() {
	grep -q "\"$1\"" "$here/settings.pml" && echo "WRONG=$1" || true
}

# search NAME WORLD SETTING...: all states, or up to the first counter-example
search() {
	local name=$1 world=$2 cycles=()
	shift 2
	[ "$world" = cycles ] && cycles=(-l)
	rm -rf "${work:?}/$name"
	mkdir -p "$work/$name"
	echo "$world" "$@" >"$work/$name/settings"
	(cd "$work/$name" && ln -s "../world-$world/pan" pan && ln -s "../world-$world/ledger.pml" ledger.pml &&
		ulimit -t "$seconds" && env $(wrong "$name") "$@" ./pan -E -w21 -m400000 "${cycles[@]}" >out 2>&1) || true
}

# outcome NAME: hold, fail, or what kept the search from its end
outcome() {
	if grep -q 'errors: 0' "$work/$1/out" && ! grep -q 'max search depth too small\|reached -DMEMLIM' "$work/$1/out"; then
		echo hold
	elif grep -q 'errors: 1' "$work/$1/out"; then
		echo fail
	else
		echo broken
	fi
}
