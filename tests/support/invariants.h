/* SPDX-License-Identifier: Apache-2.0 */
/* The judge of exactly once: I1-I12 (docs/GUARANTEES.md) held against three independent ledgers, after a run.
 *
 *   what the producer noted   notes.h        acknowledged, committed or aborted
 *   what the broker holds     oracle.h       a plain consumer
 *   what the sink holds       job_store.h    plain SQL: rows, the ledger's tables, and what triggers of the judge's own
 *                                            wrote down while the job ran (kt_watch)
 *
 * Nothing of the engine is asked.  The judgement itself is pure: evidence in, findings out; so a doctored store shows
 * that each invariant is really looked at (unit/test_invariants).
 *
 *     kt_watch_table(&store);                     the table t, the counter (I11), the order of landings (I5)
 *     kt_job_catch_up(&job, NULL);                 makes the ledger
 *     kt_watch_ledger(&store);                     who planned and committed what, in which order (I6, I7)
 *     kt_observer *observer = kt_observer_start(&store, "t", "j");      (I5, I9, I11 while the job runs)
 *     ... faults ...
 *     kt_evidence e = {.caught_up = true};
 *     kt_evidence_read_kafka(&e, NULL, topic);
 *     kt_evidence_read_store(&e, &store, "t", topic, "j");
 *     kt_observer_stop(observer, &e);
 *     kt_judgement j = kt_judge_all(&e, notes);
 *     kt_judgement_print(&j, "crash");
 *     kt_judgement_must_be_clean(&j);
 *
 * What a process holds (I12) is holding.h's.
 * A partition that has more than one segment is judged by its ledger alone: offsets come back there on purpose. */
#ifndef KT_INVARIANTS_H
#define KT_INVARIANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "job_store.h"
#include "notes.h"

#define KT_INVARIANTS 12

/* ---- the verdict ---- */

typedef struct kt_finding {
	bool looked; /* there was evidence to look at */
	int64_t count;
	char first[240];
} kt_finding;

typedef struct kt_judgement {
	kt_finding of[KT_INVARIANTS + 1]; /* by number: of[1] is I1 */
	int64_t records, rows, identifiers, events, looks;
} kt_judgement;

/* One more finding, also by those who saw something that stands in no ledger: an exit code (I7, I8), say. */
void kt_found(kt_judgement *judgement, int invariant, const char *format, ...) KD_PRINTF(3, 4);
int64_t kt_judgement_findings(const kt_judgement *judgement);
/* The lowest number with a finding; 0: none. */
int kt_judgement_first(const kt_judgement *judgement);
/* A table on stdout: a line for each invariant. */
void kt_judgement_print(const kt_judgement *judgement, const char *name);
/* Fails the test on any finding, naming the first of each invariant. */
void kt_judgement_must_be_clean(const kt_judgement *judgement);

/* ---- the evidence ---- */

/* Arrays grow by kt_push(array, n, element). */
typedef struct kt_segment_row {
	int32_t index, partition, segment;
	bool closed;
	int64_t start, planned_until, committed_until, log_from, last_batch_time;
} kt_segment_row;

typedef struct kt_identifier {
	int32_t index;
	int64_t batch_time, from, until;
	bool committed, withdrawn;
	int64_t records, rows, dropped, dead_letters, gap;
	int64_t epoch; /* of who committed it; -1: unknown */
} kt_identifier;

/* A gap, or a dead letter (until = from + 1). */
typedef struct kt_span {
	int32_t index;
	int64_t from, until, batch_time;
} kt_span;

/* What one statement stored of a partition, in the order of landing. */
typedef struct kt_landing {
	int32_t partition;
	int64_t low, high;
} kt_landing;

/* What the judge's own triggers wrote down, in order. */
typedef enum kt_deed { KT_STARTED, KT_PLANNED, KT_COMMITTED, KT_WITHDRAWN, KT_CHANGED } kt_deed;

typedef struct kt_event {
	kt_deed deed;
	int32_t index;
	int64_t batch_time, from, until;
	int64_t epoch;   /* of who did it; -1: unknown */
	int64_t holding; /* the epoch that the segment was owned by then; -1: unknown */
	int64_t session, transaction; /* 0: unknown */
} kt_event;

/* The counter's row of a partition, and what it should be: each record that is stored, once. */
typedef struct kt_counter {
	int32_t partition;
	int64_t counted, counted_bytes, stored, stored_bytes;
} kt_counter;

/* What the observer saw of a partition. */
typedef struct kt_sight {
	int32_t partition;
	int64_t rows, last; /* visible; the highest offset among them */
} kt_sight;

typedef struct kt_evidence {
	bool caught_up; /* the job was let run until it had nothing left to do (I8) */
	bool content;   /* kafka and rows were read */
	bool ledger;    /* segments and identifiers were read */
	kt_oracle kafka, rows;
	kt_segment_row *segments;
	kt_identifier *identifiers;
	kt_span *gaps, *dead_letters;
	kt_landing *landings;
	kt_event *events;
	kt_counter *counters;
	kt_sight *sights;
	size_t n_segments, n_identifiers, n_gaps, n_dead_letters, n_landings, n_events, n_counters, n_sights;
	int64_t looks, sessions_left, locks_left; /* by the observer; at the end, of the job (-1: unknown) */
	kt_judgement seen; /* findings of those who looked while the job ran */
} kt_evidence;

void *kt_push_(void *array, size_t n, size_t size);
#define kt_push(array, n, ...) \
	do { \
		(array) = kt_push_((array), (n), sizeof(*(array))); \
		(array)[(n)++] = (__VA_ARGS__); \
	} while (0)

void kt_evidence_read_kafka(kt_evidence *evidence, const char *bootstrap, const char *topic);
void kt_evidence_read_store(kt_evidence *evidence, kt_store *store, const char *table, const char *topic,
	const char *job);
/* What the file sink's folder holds, without its ledger: every record of Kafka's is expected (I1, I2, I4). */
void kt_evidence_read_folder(kt_evidence *evidence, const char *folder, const char *topic);
/* Frees what it holds. */
void kt_evidence_done(kt_evidence *evidence);

/* notes NULL: nobody noted. */
kt_judgement kt_judge_all(const kt_evidence *evidence, kt_notes *notes);

/* Its parts, each with the invariants that it looks at. */
void kt_judge_content(kt_judgement *judgement, const kt_evidence *evidence, kt_notes *notes); /* I1 I2 I4 I5 I9 I11 */
void kt_judge_ledger(kt_judgement *judgement, const kt_evidence *evidence);                   /* I3 I6 I7 I8 I10 I12 */

/* ---- what is set up before a run ---- */

/* The raw layout's table t with two triggers: counter(partition, n, bytes), and landing, the order of statements. */
void kt_watch_table(kt_store *store);
/* Triggers on the ledger's tables, which must be there; may be called again. */
void kt_watch_ledger(kt_store *store);

#endif
