/* SPDX-License-Identifier: Apache-2.0 */
/* reader: fetches exactly the planned offset ranges of a set of Kafka partitions, one librdkafka consumer per reader.
 *
 * A reader belongs to one thread (kd_reader_wake excepted).  Each partition has a slot.  Order of calls for a slot:
 * kd_reader_add, then (kd_reader_begin, kd_reader_poll until complete) for one range after another in order, then
 * kd_reader_remove.  kd_reader_begin may go back to an earlier offset (a range is read again): the slot is then
 * re-assigned there.  What was fetched beyond a range stays for the next one; nothing is ever sought or paused. */
#ifndef KD_READER_H
#define KD_READER_H

#include "kdirect/config.h"
#include "kdirect/error.h"
#include "kdirect/log.h"
#include "kdirect/types.h"

typedef struct kd_reader kd_reader;

/* Called for each record of the range, in offset order; a failure ends the poll and is passed on, and the record
 * counts as delivered. */
typedef kd_code kd_reader_fn(void *opaque, const kd_record *record, kd_error *err);

typedef struct kd_reader_status {
	size_t delivered;  /* records handed out by this call */
	bool complete;     /* the range holds no further record */
	int64_t next;      /* the next offset that could still be delivered */
	int64_t log_start; /* Kafka's, as last seen; -1 not known */
	bool again;        /* after an error fetching began anew at `next`: is it still the same log? */
} kd_reader_status;

/* n_partitions: how many slots the whole job has, over all readers: sizes the prefetch so that memory stays bounded
 * (memory_mb is the encoded read-ahead; the prefetch has a budget of its own, see reader.c). */
kd_code kd_reader_open(const kd_config *config, const kd_logger *log, size_t n_partitions, kd_reader **ret_reader,
	kd_error *err) KD_CHECK;
void kd_reader_close(kd_reader *reader);

/* Starts fetching at `position`.  ret_slot: a small number, reused after remove. */
kd_code kd_reader_add(kd_reader *reader, const char *topic, int32_t partition, int64_t position, int *ret_slot,
	kd_error *err) KD_CHECK;
void kd_reader_remove(kd_reader *reader, int slot);

/* The slot's next range; the one before it is complete or given up. */
kd_code kd_reader_begin(kd_reader *reader, int slot, kd_range range, kd_error *err) KD_CHECK;

/* Hands out at most `max` records of the slot's range that are here now; never blocks.  Errors:
 *   KD_ELOSS/STOP   the range begins below the log start, or beyond the end of the log: status->log_start says where
 *   KD_EBROKER/...  by kafka_error.c; transient ones are not reported while librdkafka retries by itself */
kd_code kd_reader_poll(kd_reader *reader, int slot, size_t max, kd_reader_fn *fn, void *opaque,
	kd_reader_status *ret_status, kd_error *err) KD_CHECK;

/* Waits until an active slot may have something to poll, kd_reader_wake was called, or the time is over.  Serves
 * librdkafka's callbacks.  A broker-wide error (authentication, all brokers down for long) is returned here. */
kd_code kd_reader_wait(kd_reader *reader, int timeout_ms, kd_error *err) KD_CHECK;

/* Any thread. */
void kd_reader_wake(kd_reader *reader);

#endif
