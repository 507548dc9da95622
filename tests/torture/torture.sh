#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# torture.sh: the release gate, in pieces that are added up (make torture).
#
# From the environment, all optional:
#   PIECE  singles, doubles, pg-crashes, zombies, lost-answers, model; none: all of them
#   SINK   postgres, sqlite, file, kafka; none: all that the piece has, by their shares
#   COUNT  faults to do now; none: what the gate still lacks
#   FROM   how many faults to take as done before; none: as the results say
#   SEED   of the first part; the next one takes the next number
#   KDIRECT_TORTURE  the folder of results.jsonl, a line for each part (default build/torture)
#
# A part that finds a violation, or that cannot be finished, ends the run: its line says so, and how to repeat it stands
# in the output.  The Kafka sink is passed over, and said, where no librdkafka is new enough for it.
set -eu
cd "$(dirname "$0")/../.."
support=$PWD/tests/support
folder=${KDIRECT_TORTURE:-build/torture}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
results=$folder/results.jsonl
touch "$results"

# What the gate asks for: piece, sink, faults.
gate() {
	cat <<-END
		singles postgres 5400
		singles sqlite 2200
		singles file 2200
		singles kafka 1000
		doubles postgres 2400
		doubles sqlite 800
		doubles file 900
		doubles kafka 970
		pg-crashes postgres 300
		zombies postgres 200
		lost-answers postgres 1000
	END
}

# done_of PIECE SINK: how many of its faults the results have.
done_of() {
	awk -v piece="\"$1\"," -v sink="\"$2\"," '
		{ for (i = 1; i < NF; i++) v[$i] = $(i + 1) }
		v["\"piece\":"] == piece && v["\"sink\":"] == sink { n += v["\"faults\":"] }
		END { print n + 0 }' "$results"
}

# share PIECE SINK GOAL: how many of COUNT are this sink's.
share() {
	gate | awk -v piece="$1" -v goal="$3" -v count="$COUNT" -v only="${SINK:-}" '
		$1 == piece { all += $3 }
		END { n = only != "" ? count : count * goal / all; print n == int(n) ? n : int(n) + 1 }'
}

# In folders of its own, so that nobody builds into them while it runs.
built=''
build_for() { # SINK: sets build; false: this machine has no librdkafka for it
	local path='' make=(make --no-print-directory -j"$(nproc)" FAULTS=1)
	build=build/gate
	if [ "$1" = kafka ]; then
		path=$("$support/librdkafka.sh" path) || return 1
		build=build/gate-rdkafka
	fi
	case "$built" in *" $build "*) return ;; esac
	PKG_CONFIG_PATH=$path${path:+:}${PKG_CONFIG_PATH:-} "${make[@]}" BUILD=$build build-torture
	built="$built $build "
}

# The servers are gone afterwards however this ends: a reaper waits for the end of a pipe that only this shell holds.
area=$PWD/build/test-servers/torture.$$
mkdir -p "$area/tmp"
exec 9> >(
	trap '' INT TERM HUP
	exec setsid bash -c 'cat >/dev/null; "$1/kafka.sh" remove "$2/kafka"; "$1/pg.sh" remove "$2/pg"; rm -rf "$2"' \
		reaper "$support" "$area" 2>/dev/null
)
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGPASSFILE PGSERVICE PGOPTIONS PGSSLMODE
servers() {
	[ -z "${KD_TEST_PG:-}" ] || return 0
	KD_TEST_PG=$("$support/pg.sh" start "$area/pg" 9>&-)
	KD_TEST_KAFKA=$("$support/kafka.sh" start "$area/kafka" 9>&-)
	export KD_TEST_PG KD_TEST_KAFKA KD_TEST_PG_DIR=$area/pg KD_TEST_KAFKA_DIR=$area/kafka
}
export KD_TEST_SUPPORT=$support KD_TEST_TMP=$area/tmp KD_TORTURE_RESULTS=$results
KD_TORTURE_COMMIT=$(git rev-parse --short HEAD 2>/dev/null || echo none)
export KD_TORTURE_COMMIT
ulimit -c 0

failed() { # PIECE SINK LOG
	local part found=0
	part=$(grep '^torture: part ' "$3" | tail -n 1 | cut -d' ' -f3-)
	tail -n 40 "$3"
	echo "torture: failed; the log is $3; to repeat it: make torture $part"
	grep -q 'not exactly once:' "$3" && found=1 # by the judge of one process, before the part's end
	# A part that found a violation at its end has written its own line.
	if ! grep -q 'violated:' "$3"; then
		printf '{"date": "%s", "commit": "%s", "piece": "%s", "sink": "%s", "seed": %s, "from": %s, "faults": 0, %s}\n' \
			"$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$KD_TORTURE_COMMIT" "$1" "$2" "$(sed 's/.*SEED=//' <<<"$part")" \
			"$(sed 's/.*FROM=\([0-9]*\).*/\1/' <<<"$part")" "\"records\": 0, \"seconds\": 0, \"violations\": $found, \"unfinished\": $((1 - found))" >>"$results"
	fi
	exit 1
}

torture() { # PIECE SINK COUNT FROM
	local log=$folder/$1-$2.log seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
	[ "$3" -gt 0 ] || return 0
	build_for "$2" || { echo "torture: $1 at $2 is passed over, see above"; return 0; }
	servers
	echo "torture: $3 $1 at $2, from $4, seed $seed"
	KD_BIN=$PWD/$build/bin/kdirect "$build/tests/torture/torture" "$1" "$2" "$3" "$4" "$seed" \
		>"$log" 2>&1 9>&- </dev/null || failed "$1" "$2" "$log"
	grep '^torture: [0-9].* violations' "$log"
}

while read -r piece sink goal; do
	[ -z "${PIECE:-}" ] || [ "$PIECE" = "$piece" ] || continue
	[ -z "${SINK:-}" ] || [ "$SINK" = "$sink" ] || continue
	had=$(done_of "$piece" "$sink")
	count=$((goal > had ? goal - had : 0))
	[ -z "${COUNT:-}" ] || count=$(share "$piece" "$sink" "$goal")
	torture "$piece" "$sink" "$count" "${FROM:-$had}"
done < <(gate)
# The model's full set has no share: it is checked as a whole.
if [ "${PIECE:-model}" = model ] && [ -z "${COUNT:-}" ]; then
	tests/model/run.sh full
fi
echo "torture: done; make torture-table writes what $results says"
