// SPDX-License-Identifier: Apache-2.0
// kafka_sink: the sink's table of functions, its options, opening and closing.  See kafka_sink.h for how it works.
#include "kafka_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kdirect/sinks.h>

static const kd_option options[] = {
	{.key = "sink.topic", .type = KD_OPT_STRING, .required = true,
		.help = "The topic that records go to; it must be there.  Key, value, headers and time are carried over."},
	{.key = "sink.brokers", .type = KD_OPT_STRING,
		.help = "bootstrap.servers of the target's cluster, where it is not the one that the job reads from (kafka.*)."},
	{.key = "sink.properties", .type = KD_OPT_STRINGS, .secret = true,
		.help = "librdkafka properties of the sink's producer, as \"name=value\": compression.type=zstd, and how to log in "
			"where sink.brokers is set.  What would break the promise is refused."},
	{.key = "sink.ledger_topic", .type = KD_OPT_STRING, .default_value = KAFKA_LEDGER_TOPIC,
		.help = "The compacted topic that holds the ledger, in the target's cluster; it is made where it is missing.  "
			"Several jobs may share it; one of its own keeps a busy job from waiting for others."},
	{.key = "sink.partitioner", .type = KD_OPT_ENUM, .default_value = "key", .values = "key|source",
		.help = "key: by the key's hash, as Java's clients do; records without a key anywhere.  source: to the partition of "
			"the same number, which keeps the order of all records."},
	{.key = "sink.coordinates", .type = KD_OPT_BOOL, .default_value = "false",
		.help = "Adds the headers kafka_topic, kafka_partition and kafka_offset, by which audit --deep compares the target "
			"with the source."},
	{.key = "sink.group", .type = KD_OPT_STRING,
		.help = "Also commits the source's positions to this consumer group, in the same transaction; only where source and "
			"target are one cluster.  It makes small transactions several times slower; mirror_group shows positions after the "
			"commit, at no cost."},
};

/* ---- small things that all files use ---- */

int64_t kafka_mono_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t kafka_wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void kafka_pause(int ms)
{
	const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000};
	nanosleep(&time, NULL);
}

kd_code kafka_no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "no memory in the kafka sink");
}

kd_code kafka_version_check(kd_error *err)
{
	if (rd_kafka_version() >= KAFKA_LEAST_VERSION)
		return KD_OK;
	return kd_error_set(err, KD_ECONFIG, KD_STOP,
		"the kafka sink needs librdkafka " KAFKA_LEAST_VERSION_TEXT " or newer, this program runs with %s, whose "
		"transactions may lose or repeat records: install a newer librdkafka and build kdirect with it (PKG_CONFIG_PATH)",
		rd_kafka_version_str());
}

/* ---- opening ---- */

static bool format_info(kafka_sink *sink)
{
	const kafka_target *target = &sink->target;
	kd_buf identity = {0}, summary = {0};
	bool ok = kd_buf_printf(&identity, "kafka:%s/%s", sink->cluster_id, target->topic[0].name) &&
		kd_buf_append(&identity, "", 1) &&
		kd_buf_printf(&summary, "librdkafka %s, cluster %s, topic %s (%d partitions), by %s, ledger in %s",
			rd_kafka_version_str(), sink->cluster_id, target->topic[0].name, target->topic[0].partitions,
			target->by_source ? "source partition" : "key", target->ledger.name) &&
		kd_buf_append(&summary, "", 1);
	sink->identity = identity.data;
	sink->summary = summary.data;
	sink->info = (kd_sink_info) {
		.target = target->topic[0].name,
		.identity = sink->identity,
		.layout = "raw",
		.summary = sink->summary,
		.has_offsets = target->coordinates,
	};
	return ok;
}

static kd_code configure(kafka_sink *sink, kd_error *err)
{
	kd_code code = kafka_version_check(err);
	if (!code)
		code = kafka_properties_check(sink->config, err);
	if (!code)
		code = kafka_target_init(&sink->target, sink->config, err);
	if (!code)
		code = kafka_properties_connection(sink->config, &sink->connection, err);
	kd_buf name = {0};
	if (!code && (!kd_buf_printf(&name, "%s/%s", sink->target.ledger.name, sink->job) || !kd_buf_append(&name, "", 1)))
		code = kafka_no_memory(err);
	if (!code)
		code = kafka_properties_producer(sink->config, name.data, &sink->producing, err);
	kd_buf_done(&name);
	return code;
}

static int64_t between(int64_t least, int64_t number, int64_t most)
{
	return number < least ? least : number > most ? most : number;
}

/* A batch that is larger than the topic takes is refused whole; one record too large is named before it is sent. */
static void fit_messages(kafka_sink *sink)
{
	int64_t least = 0, most = 0;
	for (size_t i = 0; i < sink->target.n_topics; i++) {
		int64_t bytes = sink->target.topic[i].message_bytes;
		if (bytes < 0)
			return;
		least = !least || bytes < least ? bytes : least;
		most = bytes > most ? bytes : most;
	}
	char text[24];
	if (!kafka_pairs_get(&sink->producing, "message.max.bytes")) {
		snprintf(text, sizeof text, "%" PRId64, between(1000, most, 1000000000));
		kafka_pairs_set(&sink->producing, "message.max.bytes", text);
	}
	if (!kafka_pairs_get(&sink->producing, "batch.size")) {
		snprintf(text, sizeof text, "%" PRId64, between(1, least, 1000000));
		kafka_pairs_set(&sink->producing, "batch.size", text);
	}
}

/* librdkafka would keep a gigabyte of rows that the cluster has not confirmed yet (I12); one record always has room. */
static void bound_queue(kafka_sink *sink)
{
	const char *record = kafka_pairs_get(&sink->producing, "message.max.bytes");
	int64_t record_kb = (record ? strtoll(record, NULL, 10) : 1000000) / 1024 + 1;
	int64_t rows_kb = kd_config_int(sink->config, "memory_mb") * 1024;
	char text[24];
	if (kafka_pairs_get(&sink->producing, "queue.buffering.max.kbytes"))
		return;
	snprintf(text, sizeof text, "%" PRId64, between(2 * record_kb, rows_kb, INT32_MAX));
	kafka_pairs_set(&sink->producing, "queue.buffering.max.kbytes", text);
}

static kd_code contact(kafka_sink *sink, kd_error *err)
{
	kd_code code = kafka_ledger_open(&sink->ledger, &sink->connection, sink->target.ledger.name, sink->log, err);
	if (code)
		return code;
	sink->cluster_id = strdup(kd_kafka_cluster_id(sink->ledger.kafka));
	if (!sink->cluster_id)
		return kafka_no_memory(err);
	code = kafka_target_look(&sink->target, sink->config, &sink->connection, sink->ledger.kafka, !sink->read_only, err);
	if (code)
		return code;
	fit_messages(sink);
	bound_queue(sink);
	return sink->producing.no_memory || !format_info(sink) ? kafka_no_memory(err) : KD_OK;
}

static bool init_lock(kafka_sink *sink)
{
	pthread_condattr_t monotonic;
	bool ok = pthread_condattr_init(&monotonic) == 0;
	ok = ok && pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0;
	return ok && pthread_cond_init(&sink->freed, &monotonic) == 0 && pthread_mutex_init(&sink->lock, NULL) == 0;
}

static void kafka_close(void *opaque)
{
	kafka_sink *sink = opaque;
	if (!sink)
		return;
	kafka_producer_close(sink->producer);
	kafka_ledger_close(&sink->ledger);
	kafka_target_done(&sink->target);
	kafka_pairs_done(&sink->connection);
	kafka_pairs_done(&sink->producing);
	pthread_cond_destroy(&sink->freed);
	pthread_mutex_destroy(&sink->lock);
	free(sink->cluster_id);
	free(sink->identity);
	free(sink->summary);
	free(sink);
}

static kd_code kafka_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	kafka_sink *sink = calloc(1, sizeof *sink);
	if (!sink || !init_lock(sink)) {
		free(sink);
		return kafka_no_memory(err);
	}
	sink->config = context->config;
	sink->log = context->log;
	sink->read_only = context->read_only;
	sink->job = kd_config_string(context->config, "job");
	kd_code code = configure(sink, err);
	if (!code)
		code = contact(sink, err);
	if (code)
		kafka_close(sink);
	else
		*ret_sink = sink;
	return code;
}

static const kd_sink_info *kafka_info(void *sink)
{
	return &((kafka_sink *) sink)->info;
}

/* ---- sessions ---- */

static kd_code kafka_connect(void *sink, const char *role, void **ret_session, kd_error *err)
{
	(void) role; /* brokers list no sessions */
	kafka_session *session = calloc(1, sizeof *session);
	if (!session)
		return kafka_no_memory(err);
	session->sink = sink;
	*ret_session = session;
	return KD_OK;
}

static void kafka_disconnect(void *opaque)
{
	kafka_session *session = opaque;
	if (!session)
		return;
	kafka_abort(session);
	kafka_snapshot_end(session);
	free(session);
}

/* A producer that was lost is made anew by the next transaction: the session itself stays. */
static bool kafka_usable(void *session)
{
	(void) session;
	return true;
}

const kd_sink_ops kd_kafka_sink = {
	.abi = KD_SINK_ABI,
	.name = "kafka",
	.summary = "a topic, the ledger beside it, in one Kafka transaction (librdkafka " KAFKA_LEAST_VERSION_TEXT " or newer)",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.guarantee = KD_GUARANTEE_EXACTLY_ONCE,
	.open = kafka_open,
	.close = kafka_close,
	.info = kafka_info,
	.check = kafka_check,
	.ddl = kafka_ddl,
	.connect = kafka_connect,
	.disconnect = kafka_disconnect,
	.usable = kafka_usable,
	.interrupt = kafka_interrupt,
	.take_over = kafka_take_over,
	.add_partitions = kafka_add_partitions,
	.append_plan = kafka_append_plan,
	.withdraw = kafka_withdraw,
	.reread = kafka_reread,
	.verify = kafka_verify,
	.prune = kafka_prune,
	.begin = kafka_begin,
	.write = kafka_write,
	.commit = kafka_commit,
	.abort = kafka_abort,
	.encoder_open = kafka_encoder_open,
	.encoder_close = kafka_encoder_close,
	.encode = kafka_encode,
	.flush = kafka_flush,
	.snapshot_begin = kafka_snapshot_begin,
	.snapshot_end = kafka_snapshot_end,
	.read_ledger = kafka_read_ledger,
	.scan_offsets = kafka_scan_offsets,
	.owner_alive = kafka_owner_alive,
};
