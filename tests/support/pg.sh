#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# pg.sh: a throw-away PostgreSQL server, its files named by DIR.
#
#   pg.sh start DIR [--fast] [--small=SIZE] [NAME=VALUE...]
#                                              makes a cluster, starts it, prints its connection string
#   pg.sh url DIR                              prints the connection string again
#   pg.sh stop DIR [fast|immediate]            stops it; its data stay
#   pg.sh resume DIR                           starts it again on the same port
#   pg.sh restart DIR [fast|immediate]         both
#   pg.sh remove DIR                           stops it and deletes everything
#
#   pg.sh backup DIR                           copies what the running server holds aside
#   pg.sh restore DIR                          ends the server, puts that copy in its place, starts it
#   pg.sh standby DIR PRIMARY                  a server in DIR that follows the one in PRIMARY, asynchronously; prints its
#                                              connection string
#   pg.sh promote DIR                          makes a standby a primary
#   pg.sh demote DIR                           restarts a server as a standby that follows nobody
#
# fsync stays on.  --fast: settings for speed figures.  --small: DIR/home names a folder with a folder "small" in it, a
# file system of that size which the server alone sees, until it ends; needs the right to mount.  Data and socket live in a short folder under /tmp, because the
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

make_home() {
	mkdir -p "$dir"
	as_server mktemp -d /tmp/kdpg.XXXXXX >"$dir/home"
	free_port >"$dir/port"
}

start() {
	ctl start || { tail -n 20 "$(home)/log" >&2; die "could not start PostgreSQL"; }
}

# The mount is seen in a namespace of the server's own, and is gone with its last process.
start_with_small() {
	as_server mkdir "$(home)/small"
	export -f start ctl as_server home die
	export dir bindir small
	unshare -m bash -euc 'mount -t tmpfs -o "size=$small,mode=700,uid=$(as_server id -u)" kdirect-small "$(home)/small" && start'
}

make_standby() {
	local primary=$1
	make_home
	as_server "$bindir/pg_basebackup" -D "$(home)/data" -d "$(dir=$primary url)" -c fast -X stream -R ||
		die "could not copy the server in $primary"
	settings | as_server tee -a "$(home)/data/postgresql.conf" >/dev/null
	start
}

restore() {
	ctl -m immediate stop 2>/dev/null || true
	as_server rm -rf "$(home)/data"
	as_server cp -a "$(home)/backup" "$(home)/data"
	start
}

make_cluster() {
	make_home
	as_server "$bindir/initdb" -D "$(home)/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 -N >"$dir/initdb.log" 2>&1 ||
		{ cat "$dir/initdb.log" >&2; die "initdb failed"; }
	settings "$@" | as_server tee -a "$(home)/data/postgresql.conf" >/dev/null
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
		--small=*) ;;
		--fast) printf '%s\n' "shared_buffers = 1GB" "max_wal_size = 8GB" "checkpoint_timeout = 30min" ;;
		*=*) echo "${setting%%=*} = '${setting#*=}'" ;;
		*) die "not a setting: $setting" ;;
		esac
	done
}

[ $# -ge 2 ] || die "usage: pg.sh start|url|stop|resume|restart|remove|backup|restore|standby|promote|demote DIR [...]"
verb=$1
dir=$2
shift 2
case "$verb" in
start)
	make_cluster "$@"
	case " $* " in
	*" --small="*) small=${*#*--small=} small=${small%% *} start_with_small ;;
	*) start ;;
	esac
	url
	;;
url) url ;;
stop) ctl -m "${1:-fast}" stop ;;
resume) ctl start ;;
restart) ctl -m "${1:-fast}" restart ;;
backup) as_server "$bindir/pg_basebackup" -D "$(home)/backup" -d "$(url)" -c fast -X stream ;;
restore) restore ;;
standby)
	make_standby "$1"
	url
	;;
promote) ctl promote ;;
demote)
	ctl -m fast stop
	as_server touch "$(home)/data/standby.signal"
	start
	;;
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
