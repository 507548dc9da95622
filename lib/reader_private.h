/* SPDX-License-Identifier: Apache-2.0 */
/* reader_private: what the reader's files share: reader.c the handle, the waiting and the slots' table; reader_slot.c
 * one partition: assignment, records, events; reader_judge.c what an error of a partition means. */
#ifndef KD_READER_PRIVATE_H
#define KD_READER_PRIVATE_H

#include <stdatomic.h>

#include "kafka_client.h"
#include "range.h"
#include "reader.h"

#define KD_READER_STASH 128

typedef enum kd_slot_state {
	KD_SLOT_PENDING,  /* to be assigned at tracker.cursor */
	KD_SLOT_ASSIGNED,
	KD_SLOT_BROKEN    /* librdkafka gave up on it, or moved past what is due: assign anew before it is read again */
} kd_slot_state;

typedef struct kd_slot {
	kd_reader *reader;
	char *topic;
	int32_t partition;
	rd_kafka_queue_t *queue;
	rd_kafka_topic_partition_list_t *position; /* one element, for rd_kafka_position */
	kd_slot_state state;
	kd_range_tracker tracker;
	bool active;             /* a range is begun and not complete */
	size_t active_at;        /* in reader->active */
	bool fresh;              /* nothing came since it was assigned */
	bool position_is_right;  /* see kd_slot_position */
	bool at_end;             /* the last thing that came was an EOF */
	int restarts;            /* re-assignments in a row that brought nothing */
	bool again;              /* fetching began anew, and the caller was not told yet */
	atomic_bool ready;       /* the queue got something since it was last emptied; set by librdkafka's threads */
	int64_t polled_ms;       /* when the queue was last looked into */
	int64_t called_ms;       /* when the caller last asked */
	int64_t empty_since_ms;  /* when a due range was first found without records; 0: not */
	int64_t log_start;       /* as last seen; -1 */
	rd_kafka_message_t **stash; /* taken from the queue and not handed out yet: [stash_at, stash_n) */
	size_t stash_at, stash_n;
} kd_slot;

struct kd_reader {
	kd_client *client;
	rd_kafka_queue_t *main_queue;
	rd_kafka_queue_t *dump;  /* for what comes to partitions that are not read any more */
	int event_fd;
	atomic_bool signalled;   /* event_fd was written since it was last read */
	kd_slot **slots;         /* by number; NULL: free */
	size_t n_slots;
	kd_slot **active;        /* room for n_slots */
	size_t n_active;
	bool pending;            /* a slot waits for its assignment */
	bool more;               /* a slot had more to hand out than it was asked for, or began a range */
	bool needs_wakes;        /* librdkafka before 2.2: a broker thread may sleep although a queue has run empty */
	uint64_t queued_messages; /* queued.min.messages */
	int64_t wake_after_ms;   /* how long after one wake the next may follow */
	int64_t woken_ms;
	size_t wake_from;        /* takes turns among the active slots */
	uint64_t wakes;
};

/* properties: the user's own, which win over the defaults.  They are copied. */
kd_code kd_reader_open_with(const kd_properties *properties, const char *group, const kd_logger *log,
	size_t n_partitions, kd_reader **ret_reader, kd_error *err) KD_CHECK;

/* Makes the next kd_reader_wait return.  Any thread. */
void kd_reader_signal(kd_reader *reader);

/* Assigns all pending slots at once. */
kd_code kd_reader_assign_pending(kd_reader *reader, kd_error *err) KD_CHECK;

/* Wakes the broker thread of a slot whose queue runs low while its range is still owed more. */
void kd_reader_wake_early(kd_slot *slot, int64_t now_ms);

/* ---- reader_slot.c ---- */
kd_slot *kd_slot_new(kd_reader *reader, const char *topic, int32_t partition, int64_t position);
void kd_slot_free(kd_slot *slot);
/* Forgets what was fetched and starts anew at `position`, once pending slots are assigned. */
kd_code kd_slot_restart(kd_slot *slot, int64_t position, kd_error *err) KD_CHECK;
kd_code kd_slot_poll(kd_slot *slot, size_t max, kd_reader_fn *fn, void *opaque, kd_reader_status *ret_status,
	kd_error *err) KD_CHECK;

/* ---- reader_judge.c ---- */
/* What an error event in the slot's queue means.  KD_OK: nothing, reading goes on. */
kd_code kd_slot_judge_event(kd_slot *slot, const rd_kafka_message_t *event, kd_error *err) KD_CHECK;
/* The first thing that came after the assignment lies at `offset`: was what is missing before it deleted? */
kd_code kd_slot_judge_first(kd_slot *slot, int64_t offset, kd_error *err) KD_CHECK;
/* A due range brings no records for too long. */
kd_code kd_slot_judge_silence(kd_slot *slot, int64_t now_ms, kd_error *err) KD_CHECK;

#endif
