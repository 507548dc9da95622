// SPDX-License-Identifier: Apache-2.0
// The suite on Kafka: topics of each case's own on a real broker, looked at by the plain consumer of the fixtures.
//
// It needs a librdkafka that the sink does not refuse, and a broker: `make check-kafka-sink` has both.  Left out is what
// a log cannot do: it is not set back, and it keeps what it acknowledged.
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>

#include <kdirect/sinks.h>

#include "conformance.h"
#include "kafka_admin.h"
#include "oracle.h"
#include "tmpdir.h"

#define LEAST_VERSION 0x020503ff

static const char *const tables[] = {"t", "t2"};

static char *topic_of(const char *place, const char *table)
{
	return kt_format("%s.%s", place, table);
}

static kd_code open_topics(const kd_conformance_place *place, void **ret_db, kd_error *err)
{
	(void) err;
	kt_admin *admin = kt_admin_open(NULL);
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		char *topic = topic_of(place->name, tables[i]);
		kt_topic_create(admin, topic, 3, "retention.ms", "-1", NULL); /* records keep their time, which may be old */
		free(topic);
	}
	kt_admin_close(admin);
	*ret_db = topic_of(place->name, "t");
	return KD_OK;
}

static void close_topics(void *opaque)
{
	free(opaque);
}

static char *sink_json(const world *w, const char *table)
{
	return kt_format("{\"type\": \"kafka\", \"brokers\": \"%s\", \"topic\": \"%s.%s\", \"ledger_topic\": \"%s.ledger\","
		" \"coordinates\": true}", kt_env("KD_TEST_KAFKA"), w->place.name, table, w->place.name);
}

/* ---- rows ---- */

typedef struct looking {
	kd_conformance_row_fn *row;
	void *opaque;
	bool ended;
} looking;

static void header_text(const rd_kafka_message_t *message, const char *name, char *ret_text, size_t size)
{
	rd_kafka_headers_t *headers;
	const void *value;
	size_t length;
	*ret_text = '\0';
	if (!rd_kafka_message_headers(message, &headers) && !rd_kafka_header_get_last(headers, name, &value, &length))
		snprintf(ret_text, size, "%.*s", (int) length, (const char *) value);
}

static void look_at(void *opaque, const kt_oracle_record *record)
{
	looking *l = opaque;
	char topic[256], partition[32], offset[32];
	if (l->ended)
		return;
	header_text(record->message, "kafka_topic", topic, sizeof topic);
	header_text(record->message, "kafka_partition", partition, sizeof partition);
	header_text(record->message, "kafka_offset", offset, sizeof offset);
	kd_conformance_row row = {.topic = topic, .partition = (int32_t) strtol(partition, NULL, 10),
		.offset = strtoll(offset, NULL, 10), .timestamp_ms = record->timestamp_ms, .key = record->key,
		.key_size = record->key_size, .value = record->value, .value_size = record->value_size};
	l->ended = !l->row(l->opaque, &row);
}

static kd_code read_rows(void *db, kd_conformance_row_fn *row, void *opaque, kd_error *err)
{
	(void) err;
	looking l = {.row = row, .opaque = opaque};
	kt_oracle_each(NULL, db, true, look_at, &l);
	return KD_OK;
}

static const kd_conformance_hooks hooks = {
	.abi = KD_CONFORMANCE_ABI,
	.open = open_topics,
	.close = close_topics,
	.rows = read_rows,
};

static const kc_store kafka_store = {.ops = &kd_kafka_sink, .hooks = &hooks, .sink_json = sink_json};

/* What follows from one producer having the job's transactional id, and from a marker in each partition. */
static const struct {
	conformance_case *fn;
	const char *why;
} left_out[] = {
	{case_of_rival_sessions_exactly_one_commits, "a second process of one owner fences the first instead of racing it"},
	{case_of_rival_sessions_exactly_one_plans, "a second process of one owner fences the first instead of racing it"},
	{case_a_commit_that_never_happened_is_found_by_repeating_it,
		"a second process of one owner fences the first, which then begins anew"},
	{case_rows_hold_what_kafka_served, "librdkafka takes the time 0 for now: tests/kafka compares all other content"},
	{case_a_commit_that_comes_late_is_waited_for, "an open transaction is aborted by the next producer, not waited for"},
	{case_an_observer_never_sees_rows_without_their_identifier,
		"a reader of two topics sees a commit in one a moment before the other: tests/kafka judges what it sees of one"},
};

static void run(conformance_case *fn)
{
	for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
		if (fn == left_out[i].fn)
			cr_skip_test("%s", left_out[i].why);
	if (rd_kafka_version() < LEAST_VERSION)
		cr_skip_test("needs librdkafka 2.5.3 or newer: make check-kafka-sink");
	if (!getenv("KD_TEST_KAFKA"))
		cr_skip_test("needs a broker: make check-kafka-sink");
	conformance_run(&kafka_store, fn);
}

#define KAFKA_TEST(name) \
	Test(kafka, name, .timeout = 180) \
	{ \
		run(case_##name); \
	}
CASES(KAFKA_TEST)

/* With a librdkafka that is too old nothing is opened, not even a connection. */
Test(kafka, an_old_librdkafka_is_refused_with_the_way_out)
{
	const char *text = "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"a\"],"
		" \"sink\": {\"type\": \"kafka\", \"topic\": \"b\"}}";
	kd_error err = {0};
	void *sink = NULL;
	kd_config *config = kd_config_new(&(kd_options) {kd_kafka_sink.options, kd_kafka_sink.n_options}, 1);
	MUST(kd_config_parse(config, text, strlen(text), "job", NULL, NULL, &e_));
	MUST(kd_config_check(config, NULL, NULL, &e_));
	const kd_sink_context context = {.ops = &kd_kafka_sink, .config = config};
	if (rd_kafka_version() < LEAST_VERSION) {
		cr_assert_eq(kd_kafka_sink.open(&context, &sink, &err), KD_ECONFIG);
		cr_assert_eq(err.action, KD_STOP);
		cr_assert(strstr(err.message, "needs librdkafka 2.5.3 or newer"), "%s", err.message);
		cr_assert(strstr(err.message, rd_kafka_version_str()), "%s", err.message);
	} else {
		cr_assert_neq(kd_kafka_sink.open(&context, &sink, &err), KD_OK);
		cr_assert_eq(err.action, KD_RETRY, "%s", err.message); /* only nobody is there */
	}
	kd_config_free(config);
}
