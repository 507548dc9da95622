/* SPDX-License-Identifier: Apache-2.0 */
/* A producer for tests: keyed records, any compression, transactions.
 *
 *     kt_producer *producer = kt_producer_open(NULL, "compression.type", "zstd", NULL);
 *     kt_produce_many(producer, topic, KT_ANY_PARTITION, 1000, kt_fill_numbers, NULL);
 *     kt_producer_flush(producer);
 *     kt_producer_close(producer);
 *
 * With "transactional.id" among the properties records go between begin and commit or abort; closing the producer in
 * between leaves the transaction open, until the broker ends it after transaction.timeout.ms. */
#ifndef KT_KAFKA_PRODUCER_H
#define KT_KAFKA_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notes.h"

#define KT_ANY_PARTITION (-1) /* by the key's hash, at random without a key */

typedef struct kt_producer kt_producer;

typedef struct kt_message {
	const void *key; /* NULL: a null key */
	size_t key_size;
	const void *value; /* NULL: a null value */
	size_t value_size;
	int64_t timestamp_ms;       /* 0: now */
	const char *const *headers; /* name, text, name, text ..., ended by NULL */
	char key_space[64], value_space[512]; /* for a filler's own use */
} kt_message;

/* Makes the i-th message, from 0. */
typedef void kt_fill_fn(void *opaque, int64_t i, kt_message *ret_message);

/* Key "k<i % 1000>", value "<i>": every value once. */
kt_fill_fn kt_fill_numbers;

/* bootstrap NULL: the suite's cluster.  The rest are librdkafka properties as name, value pairs, ended by NULL. */
kt_producer *kt_producer_open(const char *bootstrap, ...) __attribute__((sentinel));
void kt_producer_close(kt_producer *producer);
/* Notes from now on what the broker acknowledges, and how transactions end. */
void kt_producer_note(kt_producer *producer, kt_notes *notes);

/* Queues one message, waiting where the queue is full. */
void kt_produce(kt_producer *producer, const char *topic, int partition, const kt_message *message);
/* Queues a message of text; key NULL: a null key; value NULL: a null value. */
void kt_produce_text(kt_producer *producer, const char *topic, int partition, const char *key, const char *value);
void kt_produce_many(kt_producer *producer, const char *topic, int partition, int64_t n, kt_fill_fn *fill,
	void *opaque);

/* Waits until everything is in the log; fails the test where a message was not delivered. */
void kt_producer_flush(kt_producer *producer);

/* Transactions.  commit and abort flush first: what is aborted is in the log, too. */
void kt_txn_begin(kt_producer *producer);
void kt_txn_commit(kt_producer *producer);
void kt_txn_abort(kt_producer *producer);

#endif
