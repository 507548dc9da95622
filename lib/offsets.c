// SPDX-License-Identifier: Apache-2.0
// offsets: what is asked of a cluster without reading records: its topics, and low, last stable, high, by-time and
// committed offsets of their partitions.
//
// The handle has no assignment and no group: a ListOffsets behind another handle's long poll would wait for it.  The
// end of a log is the last stable offset or the high watermark by the isolation level of the handle that asks, so the
// high watermark has a second handle, opened when it is first asked for.
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "kafka_error.h"
#include "kafka_private.h"
#include "offsets_query.h"

enum { COMMITTED_FIRST_MS = 2000 };

static void set_for_questions(kd_properties *properties)
{
	kd_properties_unset(properties, "group.id");
	kd_properties_unset(properties, "group.instance.id");
	kd_properties_set(properties, "allow.auto.create.topics", "false");
	if (!kd_properties_get(properties, "isolation.level"))
		kd_properties_set(properties, "isolation.level", "read_committed");
	if (!kd_properties_get(properties, "socket.nagle.disable"))
		kd_properties_set(properties, "socket.nagle.disable", "true");
	if (!kd_properties_get(properties, "reconnect.backoff.max.ms"))
		kd_properties_set(properties, "reconnect.backoff.max.ms", "2000");
}

static kd_code copy_cluster_id(kd_kafka *kafka, int timeout_ms, kd_error *err)
{
	char *id = rd_kafka_clusterid(kafka->client->rk, timeout_ms);
	kafka->cluster_id = strdup(id ? id : "");
	if (id)
		rd_kafka_mem_free(kafka->client->rk, id);
	if (kafka->cluster_id)
		return KD_OK;
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not connect to Kafka: out of memory");
}

static kd_code connect_to(kd_kafka *kafka, int timeout_ms, kd_error *err)
{
	kd_code code = kd_client_open(&kafka->properties, &kafka->log, &kafka->client, err);
	if (code == KD_OK)
		code = kd_client_wait_contact(kafka->client, timeout_ms, err);
	return code == KD_OK ? copy_cluster_id(kafka, timeout_ms, err) : code;
}

// Takes the properties over, also when it fails.
static kd_code open_with(kd_properties *take_properties, const kd_logger *log, int timeout_ms, kd_kafka **ret_kafka,
	kd_error *err)
{
	kd_kafka *kafka = calloc(1, sizeof *kafka);
	if (!kafka) {
		kd_properties_done(take_properties);
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not connect to Kafka: out of memory");
	}
	kafka->properties = *take_properties;
	kafka->log = log ? *log : (kd_logger) {0};
	set_for_questions(&kafka->properties);
	const kd_code code = connect_to(kafka, timeout_ms, err);
	if (code != KD_OK)
		kd_kafka_close(kafka);
	else
		*ret_kafka = kafka;
	return code;
}

kd_code kd_kafka_open(const char *const *names, const char *const *values, size_t n, const kd_logger *log,
	int timeout_ms, kd_kafka **ret_kafka, kd_error *err)
{
	kd_properties properties = {0};
	kd_properties_set_arrays(&properties, names, values, n);
	return open_with(&properties, log, timeout_ms, ret_kafka, err);
}

kd_code kd_kafka_open_config(const kd_config *config, const kd_logger *log, int timeout_ms, kd_kafka **ret_kafka,
	kd_error *err)
{
	kd_properties properties = {0};
	kd_properties_set_config(&properties, config);
	return open_with(&properties, log, timeout_ms, ret_kafka, err);
}

void kd_kafka_close(kd_kafka *kafka)
{
	if (!kafka)
		return;
	kd_reader_close(kafka->scanner);
	kd_client_close(kafka->uncommitted);
	kd_client_close(kafka->client);
	kd_properties_done(&kafka->properties);
	free(kafka->cluster_id);
	free(kafka);
}

const char *kd_kafka_cluster_id(kd_kafka *kafka)
{
	return kafka->cluster_id;
}

static bool reads_uncommitted(const kd_kafka *kafka)
{
	return strcmp(kd_properties_get(&kafka->properties, "isolation.level"), "read_uncommitted") == 0;
}

// The handle whose ends are high watermarks.
static kd_code uncommitted_client(kd_kafka *kafka, kd_client **ret_client, kd_error *err)
{
	kd_code code = KD_OK;
	if (!reads_uncommitted(kafka) && !kafka->uncommitted) {
		kd_properties properties = {0};
		kd_properties_merge(&properties, &kafka->properties);
		kd_properties_set(&properties, "isolation.level", "read_uncommitted");
		code = kd_client_open(&properties, &kafka->log, &kafka->uncommitted, err);
		kd_properties_done(&properties);
	}
	*ret_client = reads_uncommitted(kafka) ? kafka->client : kafka->uncommitted;
	return code;
}

typedef void put_fn(kd_offsets *row, int64_t offset);
static void put_low(kd_offsets *row, int64_t offset) { row->low = offset; }
static void put_last_stable(kd_offsets *row, int64_t offset) { row->last_stable = offset; }
static void put_high(kd_offsets *row, int64_t offset) { row->high = offset; }

static kd_code fill(kd_kafka *kafka, kd_client *client, kd_offsets *rows, size_t n, int64_t which, put_fn *put,
	int64_t deadline_ms, kd_error *err)
{
	kd_offset_answer *answers = calloc(n ? n : 1, sizeof *answers);
	if (!answers)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not ask for offsets: out of memory");
	const int64_t left_ms = deadline_ms - kd_clock_mono_ms();
	bool *careful = client == kafka->client ? &kafka->client_is_careful : &kafka->uncommitted_is_careful;
	const kd_code code = kd_offsets_query(client, rows, n, which, left_ms > 1 ? (int) left_ms : 1, careful, answers,
		err);
	for (size_t i = 0; i < n && code == KD_OK; i++) {
		put(&rows[i], answers[i].native ? -1 : answers[i].offset);
		if (answers[i].native && !rows[i].native)
			rows[i].native = answers[i].native;
	}
	free(answers);
	return code;
}

kd_code kd_kafka_offsets(kd_kafka *kafka, kd_offsets *rows, size_t n, int what, int timeout_ms, kd_error *err)
{
	const int64_t deadline_ms = kd_clock_mono_ms() + timeout_ms;
	kd_client *uncommitted = NULL;
	kd_code code = KD_OK;
	for (size_t i = 0; i < n; i++)
		rows[i].native = 0;
	// Low first and high last: what is told together then never contradicts itself (low <= last stable <= high).
	if (what & KD_OFFSETS_LOW)
		code = fill(kafka, kafka->client, rows, n, RD_KAFKA_OFFSET_BEGINNING, put_low, deadline_ms, err);
	if (code == KD_OK && (what & KD_OFFSETS_LAST_STABLE))
		code = fill(kafka, kafka->client, rows, n, RD_KAFKA_OFFSET_END, put_last_stable, deadline_ms, err);
	if (code == KD_OK && (what & KD_OFFSETS_HIGH)) {
		code = uncommitted_client(kafka, &uncommitted, err);
		if (code == KD_OK)
			code = fill(kafka, uncommitted, rows, n, RD_KAFKA_OFFSET_END, put_high, deadline_ms, err);
	}
	return code;
}

static void put_at_time(kd_offsets *row, int64_t offset) { row->at_time = offset; }

// Where nothing is so late the answer is the end of the log.
static kd_code fill_ends(kd_kafka *kafka, kd_offsets *rows, size_t n, int64_t deadline_ms, kd_error *err)
{
	kd_offsets *late = calloc(n ? n : 1, sizeof *late);
	if (!late)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not ask for offsets: out of memory");
	size_t n_late = 0;
	for (size_t i = 0; i < n; i++)
		if (!rows[i].native && rows[i].at_time < 0)
			late[n_late++] = rows[i];
	const kd_code code = fill(kafka, kafka->client, late, n_late, RD_KAFKA_OFFSET_END, put_at_time, deadline_ms, err);
	for (size_t i = 0, k = 0; code == KD_OK && i < n; i++)
		if (!rows[i].native && rows[i].at_time < 0)
			rows[i] = late[k++];
	free(late);
	return code;
}

kd_code kd_kafka_offsets_at(kd_kafka *kafka, kd_offsets *rows, size_t n, int64_t time_ms, int timeout_ms, kd_error *err)
{
	const int64_t deadline_ms = kd_clock_mono_ms() + timeout_ms;
	for (size_t i = 0; i < n; i++)
		rows[i].native = 0;
	// Below 0 the protocol has other meanings; no record is older than 1970.
	const int64_t which = time_ms > 0 ? time_ms : 0;
	const kd_code code = fill(kafka, kafka->client, rows, n, which, put_at_time, deadline_ms, err);
	return code == KD_OK ? fill_ends(kafka, rows, n, deadline_ms, err) : code;
}

// Without a right on the group librdkafka finds no coordinator and waits for one to the end of the time, while the
// reason comes as an event: so it is asked in pieces.
static rd_kafka_resp_err_t ask_committed(kd_client *client, rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
	const int64_t deadline_ms = kd_clock_mono_ms() + timeout_ms;
	rd_kafka_resp_err_t native;
	int64_t left_ms = timeout_ms;
	int piece_ms = COMMITTED_FIRST_MS;
	do {
		native = rd_kafka_committed(client->rk, list, left_ms < piece_ms ? (int) left_ms : piece_ms);
		kd_client_serve(client);
		if (native == RD_KAFKA_RESP_ERR__TIMED_OUT && client->group_refused)
			return RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
		left_ms = deadline_ms - kd_clock_mono_ms();
		piece_ms *= 2;
	} while (native == RD_KAFKA_RESP_ERR__TIMED_OUT && left_ms > 0);
	return native;
}

static kd_code read_committed_offsets(kd_client *client, const char *group, kd_offsets *rows, size_t n, int timeout_ms,
	kd_error *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int) n);
	for (size_t i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, rows[i].topic, rows[i].partition);
	const rd_kafka_resp_err_t native = ask_committed(client, list, timeout_ms);
	for (size_t i = 0; i < n; i++) {
		rows[i].native = list->elems[i].err;
		rows[i].group = !native && !list->elems[i].err && list->elems[i].offset >= 0 ? list->elems[i].offset : -1;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return native ? kd_kafka_error(native, err, "could not read the offsets of group \"%s\": %s", group,
		rd_kafka_err2str(native)) : KD_OK;
}

kd_code kd_kafka_group_offsets(kd_kafka *kafka, const char *group, kd_offsets *rows, size_t n, int timeout_ms,
	kd_error *err)
{
	kd_properties properties = {0};
	kd_client *client = NULL;
	kd_properties_merge(&properties, &kafka->properties);
	kd_properties_set(&properties, "group.id", group);
	kd_code code = kd_client_open(&properties, &kafka->log, &client, err);
	kd_properties_done(&properties);
	if (code == KD_OK)
		code = read_committed_offsets(client, group, rows, n, timeout_ms, err);
	kd_client_close(client);
	return code;
}
