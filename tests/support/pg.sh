#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# pg.sh: a throw-away PostgreSQL server, its files named by DIR.
#
#   pg.sh start DIR [--fast] [NAME=VALUE...]   makes a cluster, starts it, prints its connection string
#   pg.sh url DIR                              prints the connection string again
#   pg.sh stop DIR [fast|immediate]            stops it; its data stay
#   pg.sh resume DIR                           starts it again on the same port
#   pg.sh restart DIR [fast|immediate]         both
#   pg.sh remove DIR                           stops it and deletes everything
#
# fsync stays on.  --fast: settings for speed figures.  Data and socket live in a short folder under /tmp, because the
# server refuses to run as root, its own user often cannot enter the caller's folder, and a socket's path is limited.
set -eu
. "$(dirname "$0")/servers.sh"

bindir=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bindir" ] || bindir=$(dirname "$(command -v initdb || die "PostgreSQL is not installed; \"make deps\" installs it")")

# The server's programs run as postgres when the caller is root, and never in a folder that this user cannot enter.
as_server() {
	if [ "$(id -u)" -eq 0 ]; then
		(cd / && runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

home() { cat "$dir/home" 2>/dev/null || die "no server was started in $dir"; }
url() { echo "host=$(home) port=$(cat "$dir/port") dbname=postgres user=postgres"; }
ctl() { as_server "$bindir/pg_ctl" -D "$(home)/data" -l "$(home)/log" -s -t 60 "$@"; }

make_cluster() {
	local base
	mkdir -p "$dir"
	base=$(as_server mktemp -d /tmp/kdpg.XXXXXX)
	echo "$base" >"$dir/home"
	free_port >"$dir/port"
	as_server "$bindir/initdb" -D "$base/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 -N >"$dir/initdb.log" 2>&1 ||
		{ cat "$dir/initdb.log" >&2; die "initdb failed"; }
	settings "$@" | as_server tee -a "$base/data/postgresql.conf" >/dev/null
}

settings() {
	echo "port = $(cat "$dir/port")"
	echo "unix_socket_directories = '$(home)'"
	echo "listen_addresses = '127.0.0.1'"
	echo "max_connections = 200"
	echo "max_prepared_transactions = 10"
	echo "log_line_prefix = '%m %p %a '"
	for setting; do
		case "$setting" in
		--fast) printf '%s\n' "shared_buffers = 1GB" "max_wal_size = 8GB" "checkpoint_timeout = 30min" ;;
		*=*) echo "${setting%%=*} = '${setting#*=}'" ;;
		*) die "not a setting: $setting" ;;
		esac
	done
}

[ $# -ge 2 ] || die "usage: pg.sh start|url|stop|resume|restart|remove DIR [...]"
verb=$1
dir=$2
shift 2
case "$verb" in
start)
	make_cluster "$@"
	ctl start || { tail -n 20 "$(home)/log" >&2; die "could not start PostgreSQL"; }
	url
	;;
url) url ;;
stop) ctl -m "${1:-fast}" stop ;;
resume) ctl start ;;
restart) ctl -m "${1:-fast}" restart ;;
remove)
	[ -e "$dir/home" ] || exit 0
	base=$(home)
	ctl -m immediate stop 2>/dev/null || true
	case "$base" in
	/tmp/kdpg.*) rm -rf "$base" ;;
	esac
	rm -rf "$dir"
	;;
*) die "unknown verb: $verb" ;;
esac
