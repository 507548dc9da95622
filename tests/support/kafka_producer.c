/* SPDX-License-Identifier: Apache-2.0 */
/* A producer for tests: see kafka_producer.h. */
#include "kafka_producer.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "oracle.h"

#define TIMEOUT_MS 60000

struct kt_producer {
	rd_kafka_t *rk;
	rd_kafka_resp_err_t failure; /* the first message that was not delivered */
	kt_notes *notes;             /* NULL: none are wanted */
	bool in_transaction;
};

/* A repeated idempotent send may be acknowledged without its place: nothing can be noted of it. */
static void note(kt_producer *producer, const rd_kafka_message_t *message)
{
	if (!producer->notes || message->offset < 0)
		return;
	kt_notes_add(producer->notes, &(kt_note) {
		.partition = message->partition,
		.state = producer->in_transaction ? KT_NOTE_OPEN : KT_NOTE_COMMITTED,
		.offset = message->offset,
		.checksum = kt_checksum(message->key, message->key_len, message->payload, message->len),
		.writer = producer,
	});
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	kt_producer *producer = opaque;

	(void) rk;
	if (message->err && !producer->failure)
		producer->failure = message->err;
	else if (!message->err)
		note(producer, message);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char reason[512];

	kt_check(rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK, "%s", reason);
}

static void check(rd_kafka_error_t *error, const char *what)
{
	if (error)
		kt_fail("could not %s: %s", what, rd_kafka_error_string(error));
}

kt_producer *kt_producer_open(const char *bootstrap, ...)
{
	kt_producer *producer = calloc(1, sizeof(*producer));
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const char *name;
	bool transactional = false;
	char reason[512];
	va_list args;

	kt_check(producer, "no memory");
	set(conf, "bootstrap.servers", bootstrap ? bootstrap : kt_env("KD_TEST_KAFKA"));
	set(conf, "linger.ms", "5");
	set(conf, "log_level", "2");
	va_start(args, bootstrap);
	while ((name = va_arg(args, const char *))) {
		transactional |= strcmp(name, "transactional.id") == 0;
		set(conf, name, va_arg(args, const char *));
	}
	va_end(args);
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rd_kafka_conf_set_opaque(conf, producer);
	producer->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	kt_check(producer->rk, "could not make a producer: %s", reason);
	if (transactional)
		check(rd_kafka_init_transactions(producer->rk, TIMEOUT_MS), "get a producer id");
	return producer;
}

void kt_producer_close(kt_producer *producer)
{
	if (!producer)
		return;
	rd_kafka_destroy(producer->rk);
	free(producer);
}

void kt_producer_note(kt_producer *producer, kt_notes *notes)
{
	producer->notes = notes;
}

static rd_kafka_headers_t *make_headers(const char *const *texts)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(4);

	for (; texts && *texts; texts += 2)
		rd_kafka_header_add(headers, texts[0], -1, texts[1], -1);
	return headers;
}

void kt_produce(kt_producer *producer, const char *topic, int partition, const kt_message *message)
{
	rd_kafka_resp_err_t code;

	for (;;) {
		rd_kafka_headers_t *headers = make_headers(message->headers);
		code = rd_kafka_producev(producer->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(message->key, message->key_size),
			RD_KAFKA_V_VALUE((void *) message->value, message->value_size),
			RD_KAFKA_V_TIMESTAMP(message->timestamp_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
		if (!code)
			break;
		rd_kafka_headers_destroy(headers);
		kt_check(code == RD_KAFKA_RESP_ERR__QUEUE_FULL, "could not produce to \"%s\": %s", topic,
			rd_kafka_err2str(code));
		rd_kafka_poll(producer->rk, 100);
	}
	rd_kafka_poll(producer->rk, 0);
}

void kt_produce_text(kt_producer *producer, const char *topic, int partition, const char *key, const char *value)
{
	kt_message message = {.key = key, .key_size = key ? strlen(key) : 0, .value = value};

	message.value_size = value ? strlen(value) : 0;
	kt_produce(producer, topic, partition, &message);
}

void kt_produce_many(kt_producer *producer, const char *topic, int partition, int64_t n, kt_fill_fn *fill,
	void *opaque)
{
	for (int64_t i = 0; i < n; i++) {
		kt_message message;

		memset(&message, 0, offsetof(kt_message, key_space));
		fill(opaque, i, &message);
		kt_produce(producer, topic, partition, &message);
	}
}

void kt_fill_numbers(void *opaque, int64_t i, kt_message *ret_message)
{
	(void) opaque;
	ret_message->key = ret_message->key_space;
	ret_message->key_size =
		(size_t) snprintf(ret_message->key_space, sizeof(ret_message->key_space), "k%" PRId64, i % 1000);
	ret_message->value = ret_message->value_space;
	ret_message->value_size =
		(size_t) snprintf(ret_message->value_space, sizeof(ret_message->value_space), "%" PRId64, i);
}

void kt_producer_flush(kt_producer *producer)
{
	rd_kafka_resp_err_t code = rd_kafka_flush(producer->rk, TIMEOUT_MS);

	kt_check(!code, "could not flush: %s", rd_kafka_err2str(code));
	kt_check(!producer->failure, "a message was not delivered: %s", rd_kafka_err2str(producer->failure));
}

void kt_txn_begin(kt_producer *producer)
{
	check(rd_kafka_begin_transaction(producer->rk), "begin a transaction");
	producer->in_transaction = true;
}

static void end(kt_producer *producer, bool committed)
{
	producer->in_transaction = false;
	if (producer->notes)
		kt_notes_end(producer->notes, producer, committed);
}

void kt_txn_commit(kt_producer *producer)
{
	kt_producer_flush(producer);
	check(rd_kafka_commit_transaction(producer->rk, TIMEOUT_MS), "commit a transaction");
	end(producer, true);
}

void kt_txn_abort(kt_producer *producer)
{
	kt_producer_flush(producer);
	check(rd_kafka_abort_transaction(producer->rk, TIMEOUT_MS), "abort a transaction");
	end(producer, false);
}
