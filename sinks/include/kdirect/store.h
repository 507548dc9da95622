/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/store.h: a transactional sink for a target that can do one thing in one step: add some bytes and some lines,
 * durably, all or nothing.  A file that is appended to, an embedded key-value store, an object store that writes under a
 * condition.
 *
 * kd_store_sink makes a whole kd_sink_ops of the few functions below: the ledger's rules (compare-and-set, fencing,
 * withdrawal, pruning, what a repeated call finds) are the library's, the store keeps lines and rows.  The guarantee is
 * exactly once, because the lines that move a position are added together with the rows.
 *
 *     static const kd_store_ops ops = {.abi = KD_STORE_ABI, .name = "minimal", ...};
 *     const kd_sink_ops *const sinks[] = {kd_store_sink(&ops), NULL};
 *
 * A line is a key and what stands under it from now on: one JSON object, or nothing, where the key is removed.  Of the
 * lines of one key only the last one counts, so a store may forget the others (compact) whenever it likes, and a
 * key-value store just puts them.
 *
 * Order of calls of a session, which one thread at a time uses:
 *     change   lock -> read -> append -> read -> unlock          (without append where nothing is to be changed)
 *     data     lock -> read -> ... -> append -> unlock           one batch partition, whose rows are held in memory
 *     tools    read -> scan*                                     without the lock
 * Between lock and unlock nobody else changes anything: no other session, of this process or of another one.  So a store
 * has one writer at a time, as SQLite has; a job with several workers takes turns.
 *
 * Errors are those of sink.h: RETRY = nothing happened; RESOLVE = append may have happened; STOP for all that repetition
 * cannot help.   kdirect-sink-conformance (conformance.h) proves a store. */
#ifndef KDIRECT_STORE_H
#define KDIRECT_STORE_H

#include <kdirect/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KD_STORE_ABI 1u

/* A line of the ledger. */
typedef struct kd_store_line {
	const char *key;   /* UTF-8 without white space or quotes: "batch/orders/0/1700000000000" */
	const char *state; /* a JSON object without a line break; NULL: the key is removed */
} kd_store_line;

/* Where read hands its lines. */
typedef struct kd_store_reader {
	void *opaque;
	/* What was handed to this session before is no longer so: everything follows. */
	void (*forget)(void *opaque);
	/* One line; state NULL: the key was removed.  The bytes need no NUL behind them and are copied.  An error is to be
	 * returned by read as it is. */
	kd_code (*line)(void *opaque, const char *key, size_t key_size, const char *state, size_t state_size, kd_error *err);
} kd_store_reader;

/* What scan is asked for, and where it hands what it finds. */
typedef struct kd_store_scan {
	const char *topic;
	int32_t partition;
	kd_range range;
	void *opaque;
	/* A row's coordinates; those that were not asked for are ignored.  False: enough. */
	bool (*row)(void *opaque, const char *topic, int32_t partition, int64_t offset);
} kd_store_scan;

typedef struct kd_store_ops {
	uint32_t abi; /* KD_STORE_ABI */
	const char *name;    /* the value of sink.type */
	const char *summary; /* one line for --help */
	const kd_option *options; /* its configuration keys, "sink...." */
	size_t n_options;
	const char *noun; /* what a target is called in messages: "file", "bucket" */

	/* Opens the store, making what is missing (never where context->read_only), and tells about it: all of ret_info,
	 * whose strings are the store's own until close.  RETRY where it is away; KD_ETARGET, STOP where it cannot be used. */
	kd_code (*open)(const kd_sink_context *context, void **ret_store, kd_sink_info *ret_info, kd_error *err);
	void (*close)(void *store); /* NULL: there is nothing to close */
	kd_code (*connect)(void *store, void **ret_session, kd_error *err);
	void (*disconnect)(void *session); /* unlocks, too */

	/* Keeps all others from changing anything, or says at once that another one does so: KD_EBUSY, RETRY, naming the
	 * holder where it is known.  The library asks again for some seconds.  A process that ends, however it ends, must not
	 * keep the lock. */
	kd_code (*lock)(void *session, kd_error *err);
	void (*unlock)(void *session);
	/* Hands over every line that was added since this session's last read, oldest first.  On its first, and where the
	 * store has changed in any other way (an older state was played back, and perhaps continued since), forget and then
	 * everything.  After an error the session is disconnected. */
	kd_code (*read)(void *session, const kd_store_reader *reader, kd_error *err);
	/* Under the lock: adds the lines and the rows (bytes that encode wrote) in one step that a crash at any moment leaves
	 * done or not done, and that is on stable storage when it returns KD_OK. */
	kd_code (*append)(void *session, const kd_store_line *lines, size_t n, const void *rows, size_t size, kd_error *err);

	/* Adds one record's row to out, for the table that record->table names, one of sink.tables (NULL: the store's own).
	 * Sets *ret_rows: how many (0: dropped by the job's rule).  KD_ERECORD, STOP with err->offset where it cannot be
	 * stored.  From several threads at a time: it changes nothing of the store. */
	kd_code (*encode)(void *store, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
		uint32_t *ret_rows, kd_error *err);
	/* Hands over at least the rows that were asked for, in any order, repeats kept, as they were at this session's last
	 * read.  NULL where rows have no offsets (then ret_info->has_offsets is false). */
	kd_code (*scan)(void *session, const kd_store_scan *scan, kd_error *err);
} kd_store_ops;

/* The sink's table of functions, made of ops, which must outlive the program's jobs; made once and kept.  NULL only
 * without memory: a table of another abi, or without a function that it must have, is refused by name when it is loaded
 * or opened. */
KD_API const kd_sink_ops *kd_store_sink(const kd_store_ops *ops);

#ifdef __cplusplus
}
#endif
#endif
