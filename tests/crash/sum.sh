#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sum.sh SUITE LOG...: the sum of the campaigns that these logs tell of, as one line; nothing where there are none.
set -eu
suite=$1
shift
awk -v suite="$suite" '
index($0, suite ": ") == 1 && / kills at / {
	campaigns++
	kills += $2
	for (i = 3; i < NF; i++) {
		if ($i == "in" && $(i + 2) == "double") doubles += $(i + 1)
		if ($(i + 1) == "at" && $(i + 2) == "random,") random += $i
		if ($(i + 1) == "ms") ms += $i * $2
		if ($(i + 1) == "records,") records += $i
		if ($i == "missing") missing += $(i + 1)
		if ($i == "double" && $(i + 1) ~ /^[0-9]/) twice += $(i + 1)
	}
}
END {
	if (campaigns)
		printf "  %s: %d kills in %d campaigns (%d at points, two each in %d double faults; %d at random; %d ms each), " \
			"%d records, missing %d, double %d\n", suite, kills, campaigns, kills - random, doubles, random,
			ms / (kills ? kills : 1), records, missing, twice
}' "$@"
