/* SPDX-License-Identifier: Apache-2.0 */
/* journal: the ledger as a sequence of text lines, for targets that can append but have no tables: files, a compacted
 * Kafka topic.
 *
 * Theory of operation.  A line is a key and a state: JSON, or none where the key is removed.  It says how the thing
 * that the key names is now, never how it changed.  So the last line of a key is all that counts of it, and a journal
 * may be compacted by key at any time: all lines in order, or only the last line of each key in any order, give the
 * same state.  The keys are those of the ledger's tables in a database:
 *
 *     job/JOB                       epoch, owner, cluster, target, start policy, isolation
 *     instance/JOB/EPOCH/OWNER      a start
 *     partition/JOB/INDEX           planned_until, last_batch_time, owner, closed: written by planning and take-over
 *     position/JOB/INDEX            committed_until, owner, witness, sums of pruning: written by commits and take-over
 *     batch/JOB/INDEX/BATCH_TIME    an identifier
 *     gap/JOB/INDEX/FROM            offsets given up
 *
 * One journal holds several jobs.  This is a state machine without I/O, threads or a clock.  A sink changes the ledger
 * in three moves, in which it makes the lines of a step durable all together or not at all:
 *
 *     code = journal_append_plan(journal, me, entries, n, now_ms, &cas, &step, err);   // may I?  which lines?
 *     if (!code && cas == KD_CAS_DONE) {
 *             code = ...write step.line[0 .. step.n) durably...;                        // the commit point
 *             if (!code)
 *                     code = journal_take(journal, &step, err);                          // now it is so
 *     }
 *     journal_step_done(&step);
 *
 * A compare-and-set compares with the state that was applied: the sink reads what others have written, and keeps others
 * from writing, before it asks (a lock; a fenced producer).  Steps whose keys differ may be under way at the same time:
 * a plan and the commits of other batch partitions never write the same key.
 *
 * Semantics are those of the database sinks (docs/LEDGER.md), including what a repeated call finds.  A journal is used
 * by one thread at a time: the sink locks. */
#ifndef KD_JOURNAL_H
#define KD_JOURNAL_H

#include <jansson.h>
#include <kdirect/sink.h>

#define JOURNAL_VERSION 1 /* of the lines; newer ones are refused */

typedef struct journal journal;

journal *journal_new(void); /* an empty one; NULL without memory */
void journal_free(journal *j); /* accepts NULL */

/* ---- lines ---- */

typedef struct journal_line {
	char *key;   /* UTF-8, without white space or quotes */
	char *state; /* one JSON object without a line break; NULL: the key is removed */
} journal_line;

/* What one change writes: all of it or nothing.  {0} is an empty one. */
typedef struct journal_step {
	journal_line *line;
	size_t n, capacity;
} journal_step;
void journal_step_done(journal_step *step);

/* A JSON text of the journal.  jansson leaves out a byte without a word where its buffer cannot grow: so a text is read
 * twice, and what comes out the same was read as it stands.  NULL with *ret_no_memory: there was no memory for it. */
json_t *journal_load(const char *text, size_t size, bool *ret_no_memory);
/* A value as such a text, read back for the same reason; the caller frees it.  NULL: no memory. */
char *journal_text(const json_t *value);

/* Replaces what the key says.  KD_ELEDGER, STOP where the line makes no sense, KD_ETARGET, STOP where it is of a newer
 * version; then the journal is as it was.  The bytes need no NUL at their end and are copied; state NULL: removed. */
kd_code journal_apply(journal *j, const char *key, size_t key_size, const char *state, size_t state_size,
	kd_error *err) KD_CHECK;
/* The same of all lines of a step that was made durable. */
kd_code journal_take(journal *j, const journal_step *step, kd_error *err) KD_CHECK;
/* After everything was read: does it hang together?  KD_ELEDGER, STOP where a key is missing that others need. */
kd_code journal_check(const journal *j, kd_error *err) KD_CHECK;
/* The whole state, a line a key: what a compacted journal holds. */
kd_code journal_dump(const journal *j, journal_step *ret_step, kd_error *err) KD_CHECK;
/* How many lines that would be. */
size_t journal_size(const journal *j);

/* ---- changes: each says whether it may be, and makes the lines ----
 * *ret_step is empty (and *ret_cas KD_CAS_MISS, where there is one) after an error or a miss.  me, the request and the
 * entries are as in kd_sink_ops.  now_ms: since 1970 UTC.  KD_ENOMEM is RETRY. */

/* The sink's target, as its kd_sink_info tells it. */
typedef struct journal_target {
	const char *name;     /* "/data/orders" */
	const char *identity; /* compared */
	const char *noun;     /* "folder", "topic": for messages */
} journal_target;

/* A new epoch; my owner into every partition and position.  Asks request->judge first.  Refuses another cluster or target, and a target that
 * another job of this journal feeds from one of the topics (KD_ECONFIG, STOP).  process: tells this process from a
 * later one of the same number ("" where nobody asks).  *ret_owner: mine, once the step is taken. */
kd_code journal_take_over(const journal *j, const kd_take_over *request, const journal_target *target,
	const char *process, int64_t now_ms, kd_owner *ret_owner, journal_step *ret_step, kd_error *err) KD_CHECK;
/* What take_over hands out: the state of the job, after the step was taken.  created: was there no such job before it?
 * (journal_knows, asked before). */
kd_code journal_image(const journal *j, const char *job, bool created, kd_ledger_image *ret_image,
	kd_error *err) KD_CHECK;
bool journal_knows(const journal *j, const char *job);

/* *ret_step may be empty with KD_CAS_DONE: everything is there already.  Where a partition is named twice in a call,
 * the second one finds what the first one made. */
kd_code journal_add_partitions(const journal *j, const kd_owner *me, const char *job, const journal_target *target,
	const kd_new_partition *partitions, size_t n, int64_t now_ms, kd_cas *ret_cas, journal_step *ret_step,
	kd_error *err) KD_CHECK;
/* After the step was taken: the newest segment of each partition, as add_partitions hands them out (the caller frees
 * topic). */
kd_code journal_added(const journal *j, const char *job, const kd_new_partition *partitions, size_t n,
	kd_segment *ret_segments, kd_error *err) KD_CHECK;

kd_code journal_append_plan(const journal *j, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	int64_t now_ms, kd_cas *ret_cas, journal_step *ret_step, kd_error *err) KD_CHECK;
kd_code journal_withdraw(const journal *j, const kd_owner *me, const kd_batch_partition *entry, int64_t now_ms,
	kd_cas *ret_cas, journal_step *ret_step, kd_error *err) KD_CHECK;

/* What begin compares: may me commit exactly this range under this identifier now? */
kd_cas journal_may_commit(const journal *j, const kd_owner *me, const kd_batch_partition *entry);
/* Compares the same again, then writes position, identifier and gaps.  note: the sink's own word about the batch
 * partition, one JSON value without a line break (where its files are); NULL: none. */
kd_code journal_commit(const journal *j, const kd_owner *me, const kd_batch_partition *entry,
	const kd_batch_result *result, const char *note, int64_t now_ms, kd_cas *ret_cas, journal_step *ret_step,
	kd_error *err) KD_CHECK;

/* Removes committed identifiers that were committed before before_ms: a prefix of each segment's, never its last, at
 * most `most` in all (*ret_more: there may be more).  An empty step with *ret_removed 0: nothing to do. */
kd_code journal_prune(const journal *j, const kd_owner *me, const char *job, int64_t before_ms, size_t most,
	int64_t *ret_removed, bool *ret_more, journal_step *ret_step, kd_error *err) KD_CHECK;

/* ---- reading ---- */

void journal_reread(const journal *j, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows);
/* As kd_sink_ops.verify: *ret_n 0 where there is no such job. */
void journal_verify(const journal *j, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n);
/* As kd_sink_ops.read_ledger. */
kd_code journal_read(const journal *j, const char *job, const kd_ledger_view *view, kd_error *err) KD_CHECK;

/* The segment of this index; NULL where there is none.  Borrowed until the next apply. */
const kd_segment *journal_segment(const journal *j, const char *job, int32_t partition_index);
/* An identifier's row, and the note that its commit left (NULL: none).  False: absent. */
bool journal_batch(const journal *j, const char *job, int32_t partition_index, int64_t batch_time_ms,
	kd_batch_row *ret_row, const char **ret_note);
/* Each identifier of a segment, by batch time, until fn says false. */
void journal_batches(const journal *j, const char *job, int32_t partition_index,
	bool (*fn)(void *opaque, const kd_batch_row *row, const char *note), void *opaque);

/* The instance that owns the job.  False: no such job.  Borrowed until the next apply. */
typedef struct journal_instance {
	kd_owner owner;
	const char *host, *process, *version;
	int64_t pid, started_at_ms, taken_over_at_ms;
} journal_instance;
bool journal_owner(const journal *j, const char *job, journal_instance *ret_instance);

/* The i-th job's name, from 0; NULL past the last. */
const char *journal_job_at(const journal *j, size_t i);

#endif
