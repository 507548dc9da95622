// SPDX-License-Identifier: Apache-2.0
// kafka_data: the data transaction: rows, position and identifier in one Kafka transaction (I1, I2, I9).
//
// begin compares with the ledger in memory, which is exact while this process is not fenced, and once it is the broker
// refuses whatever follows.  The lines of the ledger go behind the rows: by then the counts are known.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/fault.h>

#include "kafka_sink.h"

/* What begin was given, to be used after it returned. */
static bool remember(kafka_session *session, const kd_owner *me, const kd_batch_partition *entry)
{
	session->job = strdup(entry->job);
	session->topic = strdup(entry->topic);
	session->me = *me;
	session->entry = *entry;
	session->entry.job = session->job;
	session->entry.topic = session->topic;
	session->rows = 0;
	return session->job && session->topic;
}

static void forget(kafka_session *session)
{
	session->in_data = false;
	free(session->job);
	free(session->topic);
	session->job = session->topic = NULL;
}

static kd_code open_transaction(kafka_session *session, const kd_owner *me, const kd_batch_partition *entry,
	kd_cas *ret_cas, kd_error *err)
{
	kafka_sink *sink = session->sink;
	kd_code code = kafka_ready(session, me, err);
	if (code)
		return code;
	*ret_cas = sink->producer ? journal_may_commit(sink->ledger.journal, me, entry) : KD_CAS_MISS;
	if (*ret_cas == KD_CAS_MISS)
		return KD_OK;
	*ret_cas = KD_CAS_MISS;
	code = remember(session, me, entry) ? kafka_producer_begin(sink->producer, err) : kafka_no_memory(err);
	if (code)
		return code;
	session->in_data = true;
	code = KD_FAULT_ERROR("kafka.begun", KD_ESINK, KD_REPLAY, err);
	if (!code)
		*ret_cas = KD_CAS_DONE;
	return code;
}

kd_code kafka_begin(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err)
{
	kafka_session *session = opaque;
	*ret_cas = KD_CAS_MISS;
	kd_code code = kafka_turn_take(session, err);
	if (code)
		return code;
	code = open_transaction(session, me, entry, ret_cas, err);
	if (!session->in_data) {
		forget(session);
		kafka_turn_give(session);
	}
	return code;
}

/* By its key, or to the partition of the source's number. */
static kd_code choose_partition(const kafka_session *session, kafka_message *message, kd_error *err)
{
	const kafka_target *target = &session->sink->target;
	message->partition = target->by_source ? session->entry.partition : RD_KAFKA_PARTITION_UA;
	const kafka_topic *topic = &target->topic[message->topic];
	if (!target->by_source || session->entry.partition < topic->partitions)
		return KD_OK;
	return kd_error_set(err, KD_ETARGET, KD_STOP,
		"could not write to topic \"%s\": it has %d partitions, and sink.partitioner \"source\" needs number %d; add "
		"partitions to it", topic->name, topic->partitions, session->entry.partition);
}

static kd_code send_row(kafka_session *session, kafka_message *message, kd_error *err)
{
	kd_code code = choose_partition(session, message, err);
	if (!code)
		return kafka_producer_send(session->sink->producer, message, &session->interrupted, err);
	if (message->take_headers)
		rd_kafka_headers_destroy(message->take_headers);
	return code;
}

kd_code kafka_write(void *opaque, const void *bytes, size_t size, kd_error *err)
{
	kafka_session *session = opaque;
	if (!session->in_data)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not write: no batch partition is open");
	const char *cursor = bytes, *end = cursor + size;
	kd_code code = KD_OK;
	while (!code && cursor < end) {
		kafka_message message;
		code = kafka_row_read(&cursor, &message, err);
		message.row = ++session->rows;
		if (!code)
			code = send_row(session, &message, err);
	}
	return code ? code : KD_FAULT_ERROR("kafka.rows_sent", KD_ESINK, KD_REPLAY, err);
}

static kd_code send_ledger(kafka_session *session, const journal_step *step, kd_error *err)
{
	kafka_sink *sink = session->sink;
	kd_code code = KD_OK;
	for (size_t i = 0; !code && i < step->n; i++)
		code = kafka_producer_send_line(sink->producer, &step->line[i], &session->interrupted, err);
	if (!code && sink->target.group)
		code = kafka_producer_send_offset(sink->producer, sink->target.group, &session->entry, &session->interrupted, err);
	return code;
}

static kd_code make_step(kafka_session *session, const kd_batch_result *result, journal_step *step, kd_error *err)
{
	kd_cas cas = KD_CAS_MISS;
	kd_code code = journal_commit(session->sink->ledger.journal, &session->me, &session->entry, result, NULL,
		kafka_wall_ms(), &cas, step, err);
	if (!code && cas == KD_CAS_MISS)
		code = kd_error_set(err, KD_ELEDGER, KD_STOP, "the ledger changed under an open transaction of job \"%s\"",
			session->job);
	return code;
}

kd_code kafka_commit(void *opaque, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	kafka_session *session = opaque;
	kafka_sink *sink = session->sink;
	journal_step step = {0};
	*ret_durability = KD_DURABLE;
	if (!session->in_data)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not commit: no batch partition is open");
	if (session->rows != result->rows)
		return kd_error_set(err, KD_ESINK, KD_STOP, "could not commit to \"%s\": it was given %" PRId64 " of %" PRId64
			" rows", sink->info.target, session->rows, result->rows);
	kd_code code = make_step(session, result, &step, err);
	if (!code)
		code = send_ledger(session, &step, err);
	if (!code)
		code = KD_FAULT_ERROR("kafka.commit.before", KD_ESINK, KD_REPLAY, err);
	if (!code)
		code = kafka_producer_commit(sink->producer, &session->interrupted, err);
	if (!code && KD_FAULT_FAILS("kafka.commit.after"))
		code = kafka_producer_doubt(sink->producer, rd_kafka_error_new(RD_KAFKA_RESP_ERR__TIMED_OUT, "told to fail"), err);
	if (!code) {
		kafka_ledger_took(&sink->ledger, &step, sink->producer->last_line);
		forget(session);
		kafka_turn_give(session);
	}
	journal_step_done(&step);
	return code;
}

void kafka_abort(void *opaque)
{
	kafka_session *session = opaque;
	if (!session->in_data)
		return;
	kafka_producer_abort(session->sink->producer, &session->interrupted);
	forget(session);
	kafka_turn_give(session);
}
