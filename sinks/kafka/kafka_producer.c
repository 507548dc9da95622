// SPDX-License-Identifier: Apache-2.0
// kafka_producer: one transactional producer of librdkafka, in calls that end soon when they are asked to.
//
// librdkafka's transaction calls may be called again after a time-out to go on: so each is made in pieces, with a look
// at the interrupt in between.  Delivery reports are served by the thread that is in a call, so nothing here is shared.
// A transaction commits only when every message that was sent was reported as delivered.  One that failed is aborted, and
// its producer given up: whatever state it is in, a new one is surer, and failures are rare.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_sink.h"

/* Of a batch that is refused for one record's sake, told of all others; older headers do not name it. */
#define DIFFERENT_RECORD ((rd_kafka_resp_err_t) -138)

#define STALL_MS 1000       /* without a delivery: then librdkafka is asked what is wrong */
#define COMMIT_MS 15000
#define ABORT_MS 2000
#define QUEUE_STALL_MS 30000
#define POLL_EVERY 1024     /* messages sent between two looks at reports */

/* ---- what librdkafka tells ---- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	kafka_producer *p = opaque;
	(void) rk;
	if (p->ending)
		return;
	if (message->err) {
		if (!p->refused || p->refused == DIFFERENT_RECORD) {
			p->refused = message->err;
			p->refused_row = (intptr_t) message->_private;
		}
		return;
	}
	p->delivered++;
	if (!message->_private)
		p->last_line = message->offset;
}

static void on_error(rd_kafka_t *rk, int native, const char *reason, void *opaque)
{
	kafka_producer *p = opaque;
	kd_code code;
	kd_action action;
	(void) rk;
	snprintf(p->reason, sizeof p->reason, "%s", reason);
	kafka_error_judge((rd_kafka_resp_err_t) native, KAFKA_ASKING, &code, &action);
	if (code == KD_ETARGET && !p->fault)
		p->fault = (rd_kafka_resp_err_t) native;
	kd_log(p->log, KD_LOG_DEBUG, 0, "kafka sink: %s: %s", rd_kafka_err2name((rd_kafka_resp_err_t) native), reason);
}

/* Why a transaction failed is told here and nowhere else. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	kafka_producer *p = rd_kafka_opaque(rk);
	(void) level;
	if (!strcmp(facility, "TXNERR"))
		snprintf(p->reason, sizeof p->reason, "%s", text);
	kd_log(p->log, KD_LOG_DEBUG, 0, "kafka sink: %s: %s", facility, text);
}

/* ---- open and close ---- */

static bool open_topics(kafka_producer *p, const kafka_target *target)
{
	p->topic = calloc(target->n_topics, sizeof *p->topic);
	for (; p->topic && p->n_topics < target->n_topics; p->n_topics++) {
		p->topic[p->n_topics] = rd_kafka_topic_new(p->rk, target->topic[p->n_topics].name, NULL);
		if (!p->topic[p->n_topics])
			return false;
	}
	p->ledger = p->topic ? rd_kafka_topic_new(p->rk, target->ledger.name, NULL) : NULL;
	return p->ledger != NULL;
}

kd_code kafka_producer_open(const kafka_pairs *pairs, const kafka_target *target, const kd_logger *log,
	kafka_producer **ret_producer, kd_error *err)
{
	kafka_producer *p = calloc(1, sizeof *p);
	rd_kafka_conf_t *conf = p ? kafka_properties_conf(pairs, err) : NULL;
	if (!conf) {
		free(p);
		return p ? err->code : kafka_no_memory(err);
	}
	p->log = log;
	p->last_line = -1;
	rd_kafka_conf_set_opaque(conf, p);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_log_cb(conf, on_log);
	char text[256];
	p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (!p->rk) {
		rd_kafka_conf_destroy(conf);
		free(p);
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not set up the sink's producer: %s", text);
	}
	rd_kafka_set_log_queue(p->rk, NULL);
	if (!open_topics(p, target)) {
		kafka_producer_close(p);
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use \"%s\" as a topic", target->topic[0].name);
	}
	*ret_producer = p;
	return KD_OK;
}

void kafka_producer_close(kafka_producer *p)
{
	if (!p)
		return;
	p->ending = true;
	rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	for (size_t i = 0; i < p->n_topics; i++)
		rd_kafka_topic_destroy(p->topic[i]);
	if (p->ledger)
		rd_kafka_topic_destroy(p->ledger);
	rd_kafka_destroy(p->rk);
	free(p->topic);
	free(p);
}

/* ---- errors ---- */

static bool is_fencing(rd_kafka_resp_err_t native)
{
	return native == RD_KAFKA_RESP_ERR__FENCED || native == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
		native == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* Sets err from an error of a transaction's call, which it destroys. */
static kd_code fail(kafka_producer *p, rd_kafka_error_t *take_error, kafka_phase phase, const char *what, kd_error *err)
{
	rd_kafka_resp_err_t native = rd_kafka_error_code(take_error), cause = native;
	char text[256];
	snprintf(text, sizeof text, "%s", rd_kafka_error_string(take_error));
	bool fatal = rd_kafka_error_is_fatal(take_error) || rd_kafka_fatal_error(p->rk, NULL, 0);
	rd_kafka_error_destroy(take_error);
	if (fatal)
		cause = rd_kafka_fatal_error(p->rk, text, sizeof text);
	p->lost |= fatal || phase != KAFKA_ASKING;
	p->fenced |= is_fencing(native) || is_fencing(cause);
	if (p->fenced)
		return kafka_error_set(err, RD_KAFKA_RESP_ERR__FENCED, phase,
			"could not %s: another start of this job has its transactional id, or the transaction took longer than "
			"transaction.timeout.ms (%s)", what, text);
	if (p->fault)
		native = p->fault;
	else if (fatal)
		native = RD_KAFKA_RESP_ERR__FATAL; /* a new producer may do better */
	return kafka_error_set(err, native, phase, "could not %s: %s%s%s", what, text, *p->reason ? "; " : "", p->reason);
}

/* A message that was refused decides. */
static kd_code fail_refused(kafka_producer *p, kafka_phase phase, kd_error *err)
{
	if (rd_kafka_fatal_error(p->rk, NULL, 0)) /* then messages are only swept away */
		return fail(p, rd_kafka_error_new(p->refused, "%s", rd_kafka_err2str(p->refused)), phase, "write to Kafka", err);
	bool first = err && !err->code;
	p->lost = true;
	kd_code code = kafka_error_set(err, p->refused, phase, "could not write to Kafka: %s", rd_kafka_err2str(p->refused));
	if (first && code == KD_ERECORD)
		err->row = p->refused_row;
	return code;
}

static kd_code interrupted(kd_error *err)
{
	return kd_error_set(err, KD_ESTOPPED, KD_RETRY, "interrupted");
}

/* Makes a call again while it says that it goes on, at most ms. */
static rd_kafka_error_t *insist(kafka_producer *p, rd_kafka_error_t *(*call)(rd_kafka_t *, int), int64_t ms,
	const atomic_bool *stop)
{
	int64_t end_ms = kafka_mono_ms() + ms;
	for (;;) {
		rd_kafka_error_t *error = call(p->rk, KAFKA_PIECE_MS);
		rd_kafka_poll(p->rk, 0);
		if (!error || !rd_kafka_error_is_retriable(error) || p->fault || atomic_load(stop) ||
			kafka_mono_ms() >= end_ms)
			return error;
		if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT)
			kafka_pause(20);
		rd_kafka_error_destroy(error);
	}
}

/* ---- the transaction ---- */

kd_code kafka_producer_init(kafka_producer *p, const atomic_bool *stop, kd_error *err)
{
	if (p->ready)
		return KD_OK;
	rd_kafka_error_t *error = insist(p, rd_kafka_init_transactions, KAFKA_ANSWER_MS, stop);
	if (error)
		return fail(p, error, KAFKA_ASKING, "set up transactions", err);
	p->ready = true;
	return KD_OK;
}

kd_code kafka_producer_begin(kafka_producer *p, kd_error *err)
{
	rd_kafka_error_t *error = rd_kafka_begin_transaction(p->rk);
	if (error) {
		kd_code code = fail(p, error, KAFKA_ASKING, "begin a transaction", err);
		p->lost = true; /* it was ready: whatever this is, a new one is surer */
		return code;
	}
	p->in_txn = true;
	p->sent = p->delivered = 0;
	p->refused = RD_KAFKA_RESP_ERR_NO_ERROR;
	p->last_line = -1;
	p->reason[0] = '\0';
	return KD_OK;
}

/* librdkafka takes no message any more: where the transaction has failed, to commit it says why, and does nothing. */
static kd_code fail_sending(kafka_producer *p, rd_kafka_resp_err_t native, kd_error *err)
{
	if (p->refused)
		return fail_refused(p, KAFKA_IN_DATA, err);
	if (native == RD_KAFKA_RESP_ERR__STATE) {
		rd_kafka_error_t *error = rd_kafka_commit_transaction(p->rk, KAFKA_PIECE_MS);
		if (error)
			return fail(p, error, KAFKA_IN_DATA, "write to Kafka", err);
	}
	return fail(p, rd_kafka_error_new(native, "%s", rd_kafka_err2str(native)), KAFKA_IN_DATA, "write to Kafka", err);
}

/* Waits for room in librdkafka's queue. */
static kd_code await_room(kafka_producer *p, int64_t since_ms, const atomic_bool *stop, kd_error *err)
{
	rd_kafka_poll(p->rk, 50);
	if (p->refused)
		return fail_refused(p, KAFKA_IN_DATA, err);
	if (atomic_load(stop))
		return interrupted(err);
	if (kafka_mono_ms() - since_ms > QUEUE_STALL_MS)
		return fail(p, rd_kafka_error_new(RD_KAFKA_RESP_ERR__TIMED_OUT, "nothing was delivered in time"), KAFKA_IN_DATA,
			"write to Kafka", err);
	return KD_OK;
}

/* 0 would be now: the time of a record from the first millisecond of 1970 is one too high. */
static int64_t time_of(const kafka_message *m)
{
	return m->timestamp_ms ? m->timestamp_ms : 1;
}

static rd_kafka_resp_err_t produce(kafka_producer *p, rd_kafka_topic_t *topic, const kafka_message *m)
{
	if (m->take_headers)
		return rd_kafka_producev(p->rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(m->partition),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(m->key, m->key_size),
			RD_KAFKA_V_VALUE((void *) (uintptr_t) m->value, m->value_size), RD_KAFKA_V_TIMESTAMP(time_of(m)),
			RD_KAFKA_V_HEADERS(m->take_headers), RD_KAFKA_V_OPAQUE((void *) (intptr_t) m->row), RD_KAFKA_V_END);
	return rd_kafka_producev(p->rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(m->partition),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(m->key, m->key_size),
		RD_KAFKA_V_VALUE((void *) (uintptr_t) m->value, m->value_size), RD_KAFKA_V_TIMESTAMP(time_of(m)),
		RD_KAFKA_V_OPAQUE((void *) (intptr_t) m->row), RD_KAFKA_V_END);
}

static kd_code send_message(kafka_producer *p, rd_kafka_topic_t *topic, const kafka_message *message,
	const atomic_bool *stop, kd_error *err)
{
	int64_t since_ms = 0;
	rd_kafka_resp_err_t native;
	if (p->refused)
		return fail_refused(p, KAFKA_IN_DATA, err);
	while ((native = produce(p, topic, message)) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
		since_ms = since_ms ? since_ms : kafka_mono_ms();
		kd_code code = await_room(p, since_ms, stop, err);
		if (code)
			return code;
	}
	if (native == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && !p->refused) {
		p->refused = native;
		p->refused_row = message->row;
	}
	if (native)
		return fail_sending(p, native, err);
	if (++p->sent % POLL_EVERY == 0)
		rd_kafka_poll(p->rk, 0);
	return KD_OK; /* the message has its headers now */
}

kd_code kafka_producer_send(kafka_producer *p, const kafka_message *message, const atomic_bool *stop, kd_error *err)
{
	kd_code code = send_message(p, p->topic[message->topic], message, stop, err);
	if (code && message->take_headers)
		rd_kafka_headers_destroy(message->take_headers);
	return code;
}

kd_code kafka_producer_send_line(kafka_producer *p, const journal_line *line, const atomic_bool *stop, kd_error *err)
{
	const kafka_message m = {.timestamp_ms = kafka_wall_ms(), .key = line->key, .key_size = strlen(line->key),
		.value = line->state, .value_size = line->state ? strlen(line->state) : 0};
	return send_message(p, p->ledger, &m, stop, err);
}

kd_code kafka_producer_send_offset(kafka_producer *p, const char *group, const kd_batch_partition *entry,
	const atomic_bool *stop, kd_error *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata_new(group);
	rd_kafka_topic_partition_list_add(list, entry->topic, entry->partition)->offset = entry->range.until;
	int64_t end_ms = kafka_mono_ms() + KAFKA_ANSWER_MS;
	rd_kafka_error_t *error;
	while ((error = rd_kafka_send_offsets_to_transaction(p->rk, list, metadata, KAFKA_PIECE_MS)) &&
		rd_kafka_error_is_retriable(error) && !atomic_load(stop) && kafka_mono_ms() < end_ms)
		rd_kafka_error_destroy(error);
	rd_kafka_consumer_group_metadata_destroy(metadata);
	rd_kafka_topic_partition_list_destroy(list);
	return error ? fail(p, error, KAFKA_IN_DATA, "commit the group's offsets", err) : KD_OK;
}

/* Until all is delivered, one is refused, or nothing moves. */
static void deliver(kafka_producer *p, const atomic_bool *stop)
{
	int64_t last = -1, moved_ms = kafka_mono_ms();
	while (rd_kafka_outq_len(p->rk) > 0 && !p->refused && !atomic_load(stop)) {
		rd_kafka_flush(p->rk, KAFKA_PIECE_MS);
		if (p->delivered != last)
			moved_ms = kafka_mono_ms();
		else if (kafka_mono_ms() - moved_ms > STALL_MS)
			return;
		last = p->delivered;
	}
}

static kd_code judge_delivery(kafka_producer *p, const atomic_bool *stop, kd_error *err)
{
	if (p->refused)
		return fail_refused(p, KAFKA_IN_DATA, err);
	if (atomic_load(stop))
		return interrupted(err);
	if (rd_kafka_outq_len(p->rk) == 0 && p->delivered != p->sent)
		return kd_error_set(err, KD_ESINK, KD_STOP,
			"could not commit to Kafka: %" PRId64 " of %" PRId64 " messages were delivered", p->delivered, p->sent);
	return KD_OK;
}

kd_code kafka_producer_doubt(kafka_producer *p, rd_kafka_error_t *take_error, kd_error *err)
{
	/* Where the request was sent nobody knows what became of it; where it was not, to ask does no harm. */
	p->unknown = true;
	if (p->refused) {
		rd_kafka_error_destroy(take_error);
		return fail_refused(p, KAFKA_IN_COMMIT, err);
	}
	return fail(p, take_error, KAFKA_IN_COMMIT, "commit to Kafka", err);
}

kd_code kafka_producer_commit(kafka_producer *p, const atomic_bool *stop, kd_error *err)
{
	deliver(p, stop);
	kd_code code = judge_delivery(p, stop, err);
	if (code)
		return code;
	rd_kafka_error_t *error = insist(p, rd_kafka_commit_transaction, COMMIT_MS, stop);
	if (!error) {
		p->in_txn = false;
		return KD_OK;
	}
	return kafka_producer_doubt(p, error, err);
}

void kafka_producer_abort(kafka_producer *p, const atomic_bool *stop)
{
	if (!p->in_txn)
		return;
	p->in_txn = false;
	if (p->unknown || rd_kafka_fatal_error(p->rk, NULL, 0))
		return; /* the next producer's init ends it */
	p->ending = true;
	rd_kafka_error_t *error = insist(p, rd_kafka_abort_transaction, ABORT_MS, stop);
	p->ending = false;
	if (!error)
		return;
	kd_error why = {0};
	p->lost = true;
	fail(p, error, KAFKA_ASKING, "abort a transaction", &why);
	kd_log(p->log, KD_LOG_INFO, 0, "%s", why.message);
}
