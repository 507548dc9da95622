#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tutorial.sh PAGE: what the page tells its reader to do is done, word for word, from an empty folder and an empty prefix.
. "$(dirname "$0")/lib.sh"
page=$top/docs/$1

database
# What the page takes from its reader's machine: where things are, and Kafka's own program.
mkdir "$work/bin" "$work/reader"
cat >"$work/bin/kafka-topics.sh" <<END
#!/bin/sh
exec '$KD_TEST_SUPPORT/kafka.sh' java '$KD_TEST_KAFKA_DIR' org.apache.kafka.tools.TopicCommand "\$@"
END
chmod +x "$work/bin/kafka-topics.sh"
export PATH=$work/bin:$PATH KDIRECT=$top PREFIX=$work/prefix MAKEFLAGS
MAKEFLAGS=$(make_variables)
unset MAKELEVEL MFLAGS BUILD SAN KD_BIN
for topic in orders shop; do
	kafka-topics.sh --bootstrap-server "$KAFKA" --delete --if-exists --topic "$topic" >"$work/topic.log" 2>&1 ||
		{ cat "$work/topic.log" >&2; fail 'no empty broker'; }
done
"$KD_TEST_SUPPORT/tutorial.py" "$page" "$work/reader"
