/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/sink.h: what a sink promises, and the table of functions it fills in.
 *
 * A transactional sink keeps the rows and the job's ledger in one database, so that one transaction moves both.  The
 * protocol that makes this exactly-once lives in the library (lib/ledger.c, lib/commit.c); a sink supplies its
 * atomic steps, says what they found, and decides nothing: "the compare-and-set matched nothing" is an answer
 * (KD_CAS_MISS), not an error.
 *
 * Three objects:
 *   sink      one per job: configuration, target, layout.  Its calls may come from any thread, none overlap.
 *   session   one connection.  Used by one thread at a time; the driver has one, each worker has one.
 *   encoder   turns records into rows' bytes, ahead of the transaction; one per worker, used by its reader thread.
 *
 * Order of calls of a session:
 *   ledger     take_over, then any of add_partitions, append_plan, withdraw, new_segment, verify, prune
 *   data       begin -> write* -> commit | abort, for one batch partition after another
 *   a miss     reread (in a transaction of its own, with the rows locked)
 * After an error with action RETRY, REPLAY or RESOLVE the session is either usable or broken; the library calls abort
 * and then, where usable() says no, disconnect and connect.  A new session never means a new epoch.
 *
 * Errors: RETRY = nothing happened; REPLAY = the open transaction is gone; RESOLVE = the outcome of a commit (of
 * any transaction here) is unknown; STOP = repetition cannot help, also for every error the sink does not know. */
#ifndef KDIRECT_SINK_H
#define KDIRECT_SINK_H

#include "kdirect/config.h"
#include "kdirect/error.h"
#include "kdirect/log.h"
#include "kdirect/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KD_SINK_ABI 1u
#define KD_OWNER_SIZE 33 /* 32 hex digits and NUL */
#define KD_REASON_SIZE 256

/* Who owns a job: both must match for a write to count.  An epoch number alone can come back after a restore. */
typedef struct kd_owner {
	int64_t epoch;
	char id[KD_OWNER_SIZE]; /* this start's random id */
} kd_owner;

/* The last delivered record of a position: proof that the log is still the same one.  offset -1: none yet. */
typedef struct kd_witness {
	int64_t offset;
	int64_t timestamp_ms;
	uint32_t checksum; /* CRC-32C of key and value, by kd_witness_checksum */
} kd_witness;

KD_API uint32_t kd_witness_checksum(const void *key, size_t key_size, const void *value, size_t value_size);

typedef enum kd_batch_state { KD_BATCH_ABSENT, KD_BATCH_PLANNED, KD_BATCH_COMMITTED, KD_BATCH_WITHDRAWN } kd_batch_state;

/* A segment as the ledger holds it: one life of one Kafka partition in a job.  Strings are owned by the image. */
typedef struct kd_segment {
	int32_t partition_index;
	char *topic;
	int32_t partition;
	int32_t segment;
	bool closed;
	char *closed_reason; /* NULL while open */
	int64_t start_offset;
	int64_t planned_until;
	int64_t committed_until;
	int64_t last_batch_time_ms; /* 0: none */
	int64_t log_start;          /* Kafka's log start as last seen */
	int64_t log_from;           /* batch partitions below it were pruned */
	int64_t pruned_batches, pruned_records, pruned_rows, pruned_dropped, pruned_gap; /* what pruning removed */
	kd_witness witness;
	kd_owner owner;
	int64_t committed_at_ms; /* of the last commit, by the database's clock; 0: none */
	/* Only take_over has to fill these: the segment's own identifier of last_batch_time_ms; KD_BATCH_ABSENT: there is none.
	 * The library compares the positions with it, and refuses those that were edited by hand. */
	kd_batch_state newest_state;
	kd_range newest_range;
} kd_segment;

/* An identifier's row. */
typedef struct kd_batch_row {
	int32_t partition_index;
	int64_t batch_time_ms;
	kd_range range;
	kd_batch_state state;
	int64_t planned_at_ms, committed_at_ms, withdrawn_at_ms; /* the database's clock; 0: not */
	int64_t records, rows, dropped, dead_letters, gap;
	char instance[KD_OWNER_SIZE];
} kd_batch_row;

/* Offsets given up, by policy or by hand. */
typedef struct kd_gap {
	int32_t partition_index;
	kd_range range;
	int64_t batch_time_ms; /* of the batch partition that wrote it; 0: a closed segment's rest */
	int64_t at_ms;         /* the database's clock; filled by the sink */
	char reason[KD_REASON_SIZE];
	char who[64]; /* user@host, or "policy" */
} kd_gap;

/* What take-over read, under its locks. */
typedef struct kd_ledger_image {
	kd_owner owner; /* mine from now on */
	bool created;   /* this start made the job's row */
	kd_segment *segments; /* open and closed, by partition_index; with their newest identifiers */
	size_t n_segments;
	kd_batch_row *plans; /* of open segments, neither committed nor withdrawn, by (partition_index, from, batch time) */
	size_t n_plans;
} kd_ledger_image;

/* Frees what the image holds. */
KD_API void kd_ledger_image_done(kd_ledger_image *image);

/* Who owns a job that is about to be taken over. */
typedef struct kd_incumbent {
	kd_owner owner;        /* epoch 0 and no id: nobody yet */
	int64_t started_at_ms; /* of that instance; 0: not known */
} kd_incumbent;

typedef struct kd_take_over {
	const char *job;
	const char *owner_id;     /* 32 hex digits, new at every process start */
	const char *cluster_id;   /* Kafka's */
	const char *start_policy; /* as text, for the ledger's reader */
	const char *isolation;    /* "read_committed" or "read_uncommitted" */
	const char *const *topics;
	size_t n_topics;
	const char *host;
	int64_t pid;
	int64_t started_at_ms;
	const char *version;
	/* Not NULL: called once the job is locked and before anything is written, with who owns it.  What it returns, if not
	 * KD_OK, take_over returns, and has changed nothing: a start that was held up does not take the job back from one that
	 * came after it.  A sink that locks by keeping others out may ask earlier, too, with what was committed by then. */
	kd_code (*judge)(void *opaque, const kd_incumbent *incumbent, kd_error *err);
	void *opaque;
	/* The highest epoch that this process has had; 0: none yet.  It is not given out again, also by a database that went
	 * back: with epoch and id alike, a statement of before that arrives late would count as the owner's own. */
	int64_t had_epoch;
} kd_take_over;

/* The epoch that a take-over gives, where the job's is `now` (0: there is no job). */
static inline int64_t kd_take_over_epoch(const kd_take_over *request, int64_t now)
{
	return (request->had_epoch > now ? request->had_epoch : now) + 1;
}

typedef struct kd_new_partition {
	const char *topic;
	int32_t partition;
	int64_t start_offset;
	int64_t log_start;
	bool new_segment;          /* close the open segment of this partition and open the next */
	const char *closed_reason; /* with new_segment */
	const char *who;           /* with new_segment */
} kd_new_partition;

/* Did a compare-and-set find all that it compared with? */
typedef enum kd_cas { KD_CAS_DONE, KD_CAS_MISS } kd_cas;

/* What a re-read for update found about one batch partition. */
typedef struct kd_reread {
	bool found; /* the segment's row is there */
	kd_owner owner;
	int64_t position; /* KD_REREAD_PLAN: planned_until; KD_REREAD_DATA: committed_until */
	int64_t last_batch_time_ms; /* KD_REREAD_PLAN only */
	kd_batch_state batch;
	kd_range range; /* the batch row's, where it is there */
} kd_reread;
typedef enum kd_reread_kind { KD_REREAD_PLAN, KD_REREAD_DATA } kd_reread_kind;

/* What a batch partition came to, written beside its rows. */
typedef struct kd_batch_result {
	int64_t records; /* delivered by Kafka */
	int64_t rows;    /* handed to write */
	int64_t dropped; /* by the job's own rule */
	int64_t log_start;  /* -1: unchanged */
	kd_witness witness; /* offset -1: unchanged */
	const kd_gap *gaps;
	size_t n_gaps;
} kd_batch_result;

typedef enum kd_durability {
	KD_DURABLE,
	KD_DURABLE_HERE_ONLY /* committed, but a standby that should have confirmed did not */
} kd_durability;

/* What a sink tells about itself once it is open. */
typedef struct kd_sink_info {
	const char *target;   /* as a person names it: "public.orders" */
	const char *identity; /* what it is, stable over a rename: "pg:7312...:16402" */
	const char *layout;   /* "raw", "fields" */
	const char *summary;  /* one line: server, version, table, columns read */
	bool has_offsets;     /* rows carry topic, partition and offset: audit --deep can compare */
} kd_sink_info;

/* Tools read the ledger through a view: each function may be NULL.  Return false to end the reading of that kind. */
typedef struct kd_ledger_view {
	void *opaque;
	bool (*job)(void *opaque, const char *job, int64_t epoch, const char *cluster_id, const char *target,
		const char *identity, const char *isolation, const char *start_policy);
	bool (*segment)(void *opaque, const kd_segment *segment); /* by partition_index */
	bool (*batch)(void *opaque, const kd_batch_row *row);     /* by (partition_index, from, batch time) */
	bool (*gap)(void *opaque, const kd_gap *gap);             /* by (partition_index, from) */
	bool (*instance)(void *opaque, const kd_owner *owner, const char *host, int64_t pid, int64_t started_at_ms,
		const char *version); /* newest first */
	size_t last_batches; /* above 0: only the newest so many batch times, newest first */
} kd_ledger_view;

/* kdirect check reports each thing it looked at. */
typedef enum kd_finding_level { KD_FINDING_OK, KD_FINDING_NOTE, KD_FINDING_BAD } kd_finding_level;
typedef void kd_finding_fn(void *opaque, kd_finding_level level, const char *what, const char *message);

/* What a sink can promise.  check, audit and the ledger's readers name it. */
typedef enum kd_guarantee {
	KD_GUARANTEE_NONE,         /* "none": a benchmark's sink */
	KD_GUARANTEE_KEYED,        /* "keyed": at least once, repetitions identical and by key: see keyed.h */
	KD_GUARANTEE_EXACTLY_ONCE, /* "exactly once": rows and ledger move in one transaction */
} kd_guarantee;
KD_API const char *kd_guarantee_name(kd_guarantee guarantee);

typedef struct kd_sink_context {
	const struct kd_sink_ops *ops; /* the table that is being used */
	const kd_config *config;
	const kd_logger *log;
	bool read_only; /* a tool: create nothing, change nothing */
} kd_sink_context;

typedef struct kd_sink_ops {
	uint32_t abi; /* KD_SINK_ABI */
	const char *name;    /* the value of sink.type */
	const char *summary; /* one line for --help */
	const kd_option *options; /* its configuration keys, "sink...." */
	size_t n_options;
	kd_guarantee guarantee;
	const void *more; /* the sink's own, for tables that are made of others; else NULL */
	/* What it stands on, for --version: "libpq 15.3".  NULL: nothing of its own. */
	const char *(*library)(void);

	/* ---- the sink ---- */

	/* Connects, looks at the target, creates ledger and raw table where they are missing and it may (never when
	 * read_only), and refuses targets that cannot give the guarantee (KD_ETARGET, STOP).  Blocks; RETRY where the
	 * server is away. */
	kd_code (*open)(const kd_sink_context *context, void **ret_sink, kd_error *err);
	/* Accepts NULL.  All sessions and encoders were closed before. */
	void (*close)(void *sink);
	/* Borrowed; valid until close. */
	const kd_sink_info *(*info)(void *sink);
	/* For `check`: reports everything it looks at, then returns KD_OK, also when it found something bad. */
	kd_code (*check)(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err);
	/* For `check --sql`: appends all DDL and the least rights, as SQL that a person can run.  Needs no server. */
	kd_code (*ddl)(const kd_sink_context *context, kd_buf *out, kd_error *err);

	/* ---- sessions ---- */

	/* role: "driver", "worker-0": for the server's list of sessions. */
	kd_code (*connect)(void *sink, const char *role, void **ret_session, kd_error *err);
	/* Rolls back what is open.  Accepts NULL; cannot fail. */
	void (*disconnect)(void *session);
	/* False: the connection is gone for good, disconnect it. */
	bool (*usable)(void *session);
	/* Makes a call that is blocked in this session fail soon (RETRY, or RESOLVE where a commit was sent), and every later
	 * one: the job is being stopped and cannot wait.  Any thread, while another one is in a call.  NULL: calls of this
	 * sink never block for long. */
	void (*interrupt)(void *session);

	/* ---- the ledger (one transaction each, committed when it returns KD_OK and KD_CAS_DONE) ---- */

	/* Takes the job over: locks job, partitions, positions in this order and by partition_index; a new epoch; my
	 * owner into every row; then reads the image.  Creates the job's row on first sight.  Asks request->judge, where it
	 * is set, between the job's lock and the first write.  Refuses (KD_ECONFIG, STOP)
	 * another cluster or target than the stored ones, and a target that another job feeds from the same topic, naming
	 * old, new and the way out.  Waits for work in flight; ends a blocker past its lock wait, or KD_EBUSY/RETRY naming
	 * it and the statement that ends it. */
	kd_code (*take_over)(void *session, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err);

	/* Adds segments, in the order given, under the job's lock and my epoch, all or none.  KD_CAS_MISS: not mine.
	 * Repeated after a lost answer it returns what is already there.
	 * With new_segment: withdraws the old segment's uncommitted plans, records [committed_until, planned_until) of it
	 * as a gap, closes it, opens the next.  ret_segments: n images, the caller frees each topic. */
	kd_code (*add_partitions)(void *session, const kd_owner *me, const char *job, const kd_new_partition *partitions,
		size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err);

	/* Makes a plan durable: moves planned_until from range.from to range.until and last_batch_time up to the batch
	 * time on every segment named, where it is mine, and inserts the identifiers from what moved.  All n or nothing
	 * (KD_CAS_MISS).  All entries have the same batch time. */
	kd_code (*append_plan)(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
		kd_cas *ret_cas, kd_error *err);

	/* Gives a plan back that nobody committed; must be its segment's newest.  planned_until returns to range.from; the
	 * row stays, marked: its identifier never commits. */
	kd_code (*withdraw)(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
		kd_error *err);

	/* After a miss or an unknown outcome: locks each entry's segment row (partition for PLAN, position for DATA, in
	 * partition_index order), then reads it and the identifier's row, in that order.  Ends its transaction. */
	kd_code (*reread)(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
		kd_reread *ret_rows, kd_error *err);

	/* A plain read, for an idle owner: fills owner, planned_until and committed_until of the job's open segments, in
	 * partition_index order, into at most n images (their topic stays NULL); ret_n: how many there are. */
	kd_code (*verify)(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err);

	/* Deletes committed identifiers older than keep_days by the database's clock, below committed_until and never a
	 * segment's last, and adds what it removes to the sums.  At most a bounded number a call; ret_more: call again. */
	kd_code (*prune)(void *session, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
		bool *ret_more, kd_error *err);

	/* ---- the data transaction ---- */

	/* Opens it and, first of all, moves committed_until from range.from to range.until where it is mine, and from that
	 * marks the identifier with exactly this range, neither committed nor withdrawn.  KD_CAS_MISS: anything but (1,1);
	 * everything is rolled back.  Nothing is sent to the target before this is known. */
	kd_code (*begin)(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err);
	/* Lands encoded rows; bytes are what one encoder wrote for this batch partition, cut only where flush ended.
	 * KD_ERECORD with err->row where the server refuses a row. */
	kd_code (*write)(void *session, const void *bytes, size_t size, kd_error *err);
	/* Ends it.  Fails (KD_ESINK, STOP) where the target stored another number of rows than result->rows.  RESOLVE where
	 * the answer was lost. */
	kd_code (*commit)(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err);
	/* Rolls back.  Idempotent; cannot fail; safe with nothing open. */
	void (*abort)(void *session);
	/* Reads within the open data transaction, between begin and commit, also between two writes.  params are text ($1,
	 * $2, ...; NULL: a null), the answer's rows too.  NULL: the sink has no tables to read. */
	kd_code (*query)(void *session, const char *sql, const char *const *params, size_t n_params,
		bool (*row)(void *opaque, const char *const *values, size_t n), void *opaque, kd_error *err);

	/* ---- encoders ---- */

	kd_code (*encoder_open)(void *sink, void **ret_encoder, kd_error *err);
	void (*encoder_close)(void *encoder);
	/* As interrupt, for an encoder that asks a server.  NULL: it never blocks. */
	void (*encoder_interrupt)(void *encoder);
	/* Adds one record's rows, to the table that record->table names (NULL: the sink's own; a name that sink.tables does
	 * not list is KD_ECONFIG, STOP).  Where record->fields are there they say what the value says, and spare reading it.
	 * Where a transform splits a record this is called several times with its offset.  *ret_rows: how many (0: dropped
	 * by the job's rule).  The encoder may hold rows back until flush; then out has them in the order of the calls.
	 * KD_ERECORD, STOP where it cannot be delivered: err->offset, and the message names the column and the reason.
	 * Calls for one batch partition never interleave with another's without a flush between. */
	kd_code (*encode)(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
		uint32_t *ret_rows, kd_error *err);
	/* Writes out what was held back.  After an error of encode or flush the encoder has forgotten what it held back: the
	 * library reads the batch partition again from its start, or ends. */
	kd_code (*flush)(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err);

	/* ---- for tools: all reads of one snapshot ---- */

	kd_code (*snapshot_begin)(void *session, kd_error *err);
	void (*snapshot_end)(void *session);
	/* Reads a job's ledger through the view; KD_ECONFIG, STOP where there is no such job (or no ledger). */
	kd_code (*read_ledger)(void *session, const char *job, const kd_ledger_view *view, kd_error *err);
	/* The offsets that the target holds of a topic-partition within range, ascending, repeats kept.  Only where
	 * info.has_offsets. */
	kd_code (*scan_offsets)(void *session, const char *topic, int32_t partition, kd_range range,
		bool (*row)(void *opaque, int64_t offset), void *opaque, kd_error *err);
	/* Is an instance of the job alive?  Writes who ("pid 4711 on host a since ...") where so, "" where not. */
	kd_code (*owner_alive)(void *session, const char *job, char *ret_who, size_t size, kd_error *err);
} kd_sink_ops;

#ifdef __cplusplus
}
#endif
#endif
