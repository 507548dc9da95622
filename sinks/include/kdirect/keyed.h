/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/keyed.h: a sink for a target that has no transactions, but takes puts by key: an HTTP service, a cache, a
 * search index.
 *
 * What such a target can have, and no more: every record is put at least once; after a failure puts are repeated with
 * the same identifier, the same key and the same content (the plan makes repetitions identical), in the order of the
 * log within a partition.  Where a put replaces what stands under its key, the end state is that of exactly once.
 * check and audit name this guarantee "keyed"; docs/GUARANTEES.md says what holds, invariant by invariant.
 *
 * The ledger (plan, positions, identifiers) is kept in an SQLite file: sink.ledger.  It is as dear as the data: whoever
 * loses it starts anew.  A position moves only after flush said that everything put is there to stay.
 *
 * The order of calls of a session, for one batch partition after another:
 *   the ledger says that the batch partition is mine to do -> put* (before each the ledger is asked again) -> flush ->
 *   position and identifier move, by compare-and-set
 * No transaction and no lock of the ledger is held while put or flush runs.  After a failure the batch partition is put
 * again from its start, in a new session.
 *
 * What an author should know:
 *   - put and flush must end by themselves: give every request a time-out.  The ledger waits for nobody, but the job
 *     stops only when the call returns, unless there is an `interrupt`.
 *   - An observer sees records before their range counts as committed, and while a range is repeated he sees older
 *     values again.  A count of puts may be too high.
 *   - A process that was frozen in a put and superseded may still finish that one call, after its successor has gone
 *     on: an old value may come back, and stay until its key is put again.  Where that matters, let the target refuse
 *     a version lower than the one it holds (not an equal one: repetitions are equal).
 *   - Versions are compared within one topic-partition.  Where records of one key come from several (several topics, a
 *     topic that was given more partitions), they have no common order, and neither has what stands under the key.
 *   - No two jobs into one key space: each would take the other's puts for its own.  The ledger refuses a second job
 *     for the same target and topic, but it sees only the jobs of its own file.
 *   - What the target loses after flush confirmed it (put back from a copy, say) is not noticed.
 *
 *     static const kd_keyed_ops webhook = {.abi = KD_KEYED_ABI, .name = "webhook", ...};
 *     const kd_sink_ops *const sinks[] = {kd_keyed_sink(&webhook), NULL};
 */
#ifndef KDIRECT_KEYED_H
#define KDIRECT_KEYED_H

#include <kdirect/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KD_KEYED_ABI 1u
#define KD_KEYED_MOST_PUTS 500 /* in one call */
#define KD_KEYED_TRIES 5       /* repetitions of a put that gets no further, with pauses of 20, 40, ... ms */

/* One row to put.  Borrowed: valid until put returns. */
typedef struct kd_put {
	int64_t offset;       /* the record's, in Kafka */
	int64_t version;      /* grows with the offset within a topic-partition, and over a topic made anew (the segment is
	                       * its upper 16 bits).  Equal for the rows of one record, and on a repetition */
	int64_t timestamp_ms; /* -1: none */
	const void *key;      /* the record's; NULL: a null key, which an empty key is not */
	size_t key_size;
	const void *value;    /* the record's value, or the document of the row's fields; NULL: a null value (delete) */
	size_t value_size;
	const char *table;      /* one of sink.tables, where a transform set it; "" none.  May keep keys apart */
	const char *identifier; /* "job/topic/partition/segment/offset/row": unique for ever, the same on a repetition */
} kd_put;

typedef enum kd_keyed_by {
	KD_KEYED_BY_RECORD,    /* a put replaces what stands under the record's key (a null key is a bad record) */
	KD_KEYED_BY_IDENTIFIER /* a put is known by its identifier; a repetition changes nothing */
} kd_keyed_by;

typedef struct kd_keyed_ops {
	uint32_t abi; /* KD_KEYED_ABI */
	const char *name;    /* the value of sink.type */
	const char *summary; /* one line for --help */
	const kd_option *options; /* its configuration keys, "sink....", beside sink.ledger */
	size_t n_options;
	kd_keyed_by by;

	/* Makes ready; looks at the target.  ret_target: how a person names it, without secrets, owned by the sink until
	 * close; the job's ledger belongs to this name for ever.  RETRY where it is away.  `check` calls it with
	 * context->read_only: change nothing then.  Tools that only read the ledger do not call it. */
	kd_code (*open)(const kd_sink_context *context, void **ret_sink, const char **ret_target, kd_error *err);
	void (*close)(void *sink); /* accepts NULL */
	/* One per worker, when it has something to put, and again after a put or flush that failed; calls of one session
	 * never overlap. */
	kd_code (*connect)(void *sink, void **ret_session, kd_error *err);
	void (*disconnect)(void *session); /* accepts NULL */
	/* Sends n puts (1 to KD_KEYED_MOST_PUTS) of a batch partition, in order.  RETRY: the target is busy; put is called
	 * again after a moment, for those from err->row (from 1, within this call; 0: all) on, KD_KEYED_TRIES times without
	 * getting further, then as REPLAY.  REPLAY or RESOLVE: the library repeats the batch partition from its start, in a
	 * new session, for retry_timeout_ms.  KD_ERECORD with err->row: the target refuses this one; any other STOP ends the
	 * job. */
	kd_code (*put)(void *session, const kd_batch_partition *batch, const kd_put *puts, size_t n, kd_error *err);
	/* Everything put since the last flush is there to stay when it returns KD_OK.  NULL: put itself says so. */
	kd_code (*flush)(void *session, kd_error *err);
	/* Makes a put or flush that is blocked in this session fail soon, and every later one: the job is being stopped and
	 * cannot wait.  Any thread, while another one is in a call.  NULL: put and flush never block for long. */
	void (*interrupt)(void *session);
} kd_keyed_ops;

/* The sink's table of functions, made of ops, which must outlive the program's jobs; made once and kept: the same ops
 * give the same table.  NULL only without memory: a table of another abi, or without a function that it must have, is
 * refused by name when it is loaded or opened.  Any thread. */
KD_API const kd_sink_ops *kd_keyed_sink(const kd_keyed_ops *ops);

#ifdef __cplusplus
}
#endif
#endif
