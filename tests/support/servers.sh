# SPDX-License-Identifier: Apache-2.0
# Sourced by pg.sh and kafka.sh: what both need.

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# free_port: a port of 127.0.0.1 that nobody listens on, below the range that the kernel hands out by itself.
free_port() {
	local port
	for _ in {1..100}; do
		port=$((15000 + RANDOM % 17000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
	die "could not find a free port"
}

# wait_until SECONDS COMMAND...: asks ten times a second; fails when the time is over.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}
