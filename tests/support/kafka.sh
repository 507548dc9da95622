#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kafka.sh: a throw-away Apache Kafka cluster in DIR, KRaft mode, node 1 being the controller as well.
#
#   kafka.sh fetch                     gets the jars into the cache, if they are not there
#   kafka.sh start DIR [NODES] [FILE]  formats and starts it, waits until it serves, prints the bootstrap servers;
#                                      FILE: more server properties, where @NAME@ is a free port of each node's own,
#                                      kept in DIR/nodeN/NAME (@port@ and @controller@ are those it has anyway)
#   kafka.sh url DIR                   prints the bootstrap servers again
#   kafka.sh stop|kill DIR [NODE]      SIGTERM and wait, or SIGKILL; all nodes without NODE; data stay
#   kafka.sh resume DIR [NODE]         starts what was stopped, on the same ports
#   kafka.sh restart DIR [stop|kill]   both, for all nodes
#   kafka.sh java DIR CLASS ARGS...    runs one of Kafka's own programs
#   kafka.sh remove DIR                kills it and deletes everything
#
# Environment: KDIRECT_CACHE (default ~/.cache/kdirect) keeps the jars outside the tree; KDIRECT_KAFKA_JVM replaces the
# JVM's flags.  Versions: kafka-pom.xml.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/servers.sh"

pom=$here/kafka-pom.xml
cache=${KDIRECT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kdirect}
jars=$cache/kafka-$(cksum <"$pom" | cut -d' ' -f1)

# Into a folder of another name first, so that an interrupted fetch is never taken for a complete one.
fetch() {
	[ -d "$jars" ] && return
	mkdir -p "$cache"
	exec 8>"$cache/lock"
	flock 8
	if [ ! -d "$jars" ]; then
		local part=$jars.part
		rm -rf "$part"
		mkdir -p "$part"
		mvn -q -B -f "$pom" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
			-DoutputDirectory="$part" >"$cache/mvn.log" 2>&1 ||
			{ tail -n 20 "$cache/mvn.log" >&2; die "could not fetch Apache Kafka"; }
		mv "$part" "$jars"
	fi
	exec 8>&-
}

java_run() { java -Dorg.slf4j.simpleLogger.showDateTime=true -cp "$jars/*" "$@"; }

port() { cat "$dir/node$1/$2"; }
nodes() { (cd "$dir" 2>/dev/null && ls -d node*) | sed 's/node//'; }
url() { for n in $(nodes); do echo "127.0.0.1:$(port "$n" port)"; done | paste -sd,; }

# Little of everything that costs time: short retention and cleaning rounds, few internal partitions, no waiting for
# a group's further members.  Big messages are allowed, topics never appear by themselves.
properties() {
	local n=$1 count=$2 roles=broker listeners copies=$2
	listeners="PLAINTEXT://127.0.0.1:$(port "$n" port)"
	if [ "$n" -eq 1 ]; then
		roles=broker,controller
		listeners="$listeners,CONTROLLER://127.0.0.1:$(port 1 controller)"
	fi
	cat <<-END
		process.roles=$roles
		node.id=$n
		controller.quorum.voters=1@127.0.0.1:$(port 1 controller)
		controller.listener.names=CONTROLLER
		listeners=$listeners
		advertised.listeners=PLAINTEXT://127.0.0.1:$(port "$n" port)
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		log.dirs=$dir/node$n/data
		default.replication.factor=$copies
		min.insync.replicas=1
		offsets.topic.replication.factor=$copies
		offsets.topic.num.partitions=3
		transaction.state.log.replication.factor=$copies
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=3
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		transaction.max.timeout.ms=3600000
		transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
		group.initial.rebalance.delay.ms=0
		auto.create.topics.enable=false
		message.max.bytes=20971520
		replica.fetch.max.bytes=20971520
		socket.request.max.bytes=104857600
		log.retention.check.interval.ms=1000
		log.retention.ms=-1
		log.cleaner.backoff.ms=500
		log.cleaner.dedupe.buffer.size=20971520
		log.initial.task.delay.ms=500
		log.segment.delete.delay.ms=500
		file.delete.delay.ms=500
		num.network.threads=2
		num.io.threads=4
		broker.session.timeout.ms=3000
		broker.heartbeat.interval.ms=500
		controlled.shutdown.enable=true
	END
}

# The lines of FILE, which win over those before them.
more_properties() {
	local n=$1 text name
	text=$(cat "$2")
	while [[ $text =~ @([a-z]+)@ ]]; do
		name=${BASH_REMATCH[1]}
		[ -e "$dir/node$n/$name" ] || free_port >"$dir/node$n/$name"
		text=${text//@$name@/$(port "$n" "$name")}
	done
	echo "$text"
}

launch() {
	local n=$1 node=$dir/node$1
	: >"$node/log"
	setsid nohup java ${KDIRECT_KAFKA_JVM:--Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1} \
		-Dorg.slf4j.simpleLogger.showDateTime=true -cp "$jars/*" \
		kafka.Kafka "$node/server.properties" >>"$node/log" 2>&1 </dev/null 8>&- 9>&- &
	echo $! >"$node/pid"
}

alive() { kill -0 "$(cat "$dir/node$1/pid")" 2>/dev/null; }
gone() { ! alive "$1"; }
serves() {
	alive "$1" || die "node $1 ended: $(tail -n 5 "$dir/node$1/log")"
	grep -q 'Kafka Server started' "$dir/node$1/log"
}

await() {
	for n in "$@"; do
		wait_until 60 serves "$n" || die "node $n does not serve: $(tail -n 5 "$dir/node$n/log")"
	done
}

start() {
	local count=$1 more=$2 id formats=()
	fetch
	# Without a "-", which at the beginning would be taken for an option.
	id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'A_' | cut -c1-22)
	mkdir -p "$dir"
	for n in $(seq "$count"); do
		mkdir -p "$dir/node$n"
		free_port >"$dir/node$n/port"
		free_port >"$dir/node$n/controller"
	done
	for n in $(seq "$count"); do
		properties "$n" "$count" >"$dir/node$n/server.properties"
		[ -z "$more" ] || more_properties "$n" "$more" >>"$dir/node$n/server.properties"
		java_run kafka.tools.StorageTool format -t "$id" -c "$dir/node$n/server.properties" >"$dir/node$n/format.log" 2>&1 &
		formats+=($!)
	done
	for pid in "${formats[@]}"; do
		wait "$pid" || { cat "$dir"/node*/format.log >&2; die "could not format the storage"; }
	done
	for n in $(seq "$count"); do launch "$n"; done
	await $(seq "$count")
	url
}

end() {
	local signal=$1
	shift
	for n in "$@"; do
		if alive "$n"; then kill "-$signal" "$(cat "$dir/node$n/pid")" 2>/dev/null || true; fi
	done
	for n in "$@"; do
		wait_until 30 gone "$n" || kill -KILL "$(cat "$dir/node$n/pid")" 2>/dev/null || true
		wait_until 10 gone "$n" || die "node $n does not end"
	done
}

resume() {
	for n in "$@"; do alive "$n" || launch "$n"; done
	await "$@"
}

verb=${1:-}
if [ "$verb" = fetch ]; then
	fetch
	exit 0
fi
[ $# -ge 2 ] || die "usage: kafka.sh start|url|stop|kill|resume|restart|java|remove DIR [...]"
mkdir -p "$(dirname "$2")"
dir=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
shift 2
[ "$verb" = start ] || [ "$verb" = remove ] || [ -d "$dir" ] || die "no cluster was started in $dir"
case "$verb" in
start)
	count=1
	if [[ ${1:-} =~ ^[0-9]+$ ]]; then
		count=$1
		shift
	fi
	start "$count" "${1:-}"
	;;
url) url ;;
stop) end TERM ${1:-$(nodes)} ;;
kill) end KILL ${1:-$(nodes)} ;;
resume) resume ${1:-$(nodes)} ;;
restart)
	if [ "${1:-stop}" = kill ]; then end KILL $(nodes); else end TERM $(nodes); fi
	resume $(nodes)
	;;
java) java_run "$@" ;;
remove)
	[ -d "$dir" ] || exit 0
	end KILL $(nodes)
	rm -rf "$dir"
	;;
*) die "unknown verb: $verb" ;;
esac
