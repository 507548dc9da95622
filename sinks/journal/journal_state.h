/* SPDX-License-Identifier: Apache-2.0 */
/* journal_state: what the files of this folder share: the state that lines add up to, and the lines that it makes.
 *
 * Lines come in any order, so everything is made when its first line comes, and knows which of its lines it has. */
#ifndef KD_JOURNAL_STATE_H
#define KD_JOURNAL_STATE_H

#include <string.h>

#include "journal.h"

#define JOURNAL_NAME_SIZE 101 /* a job's name and NUL */

/* An identifier. */
typedef struct journal_identifier {
	kd_batch_row row;
	char *note; /* JSON; NULL: none */
} journal_identifier;

/* A segment: the two keys partition/... and position/..., and its identifiers by batch time. */
typedef struct journal_part {
	bool has_partition, has_position;
	kd_segment segment; /* its owner is the partition's */
	kd_owner position_owner;
	int64_t opened_at_ms, closed_at_ms, pruned_dead_letters;
	char *closed_by; /* NULL while open */
	journal_identifier *identifier; /* [first, first + n): pruning takes from the front */
	size_t first, n, capacity;
} journal_part;

typedef struct journal_start {
	kd_owner owner;
	char *host, *process, *version;
	int64_t pid, started_at_ms, taken_over_at_ms;
} journal_start;

typedef struct journal_job {
	char name[JOURNAL_NAME_SIZE];
	bool has_job;
	kd_owner owner;
	char *cluster_id, *target, *identity, *start_policy, *isolation;
	int64_t created_at_ms;
	journal_part *part; /* by partition index */
	size_t n_parts, parts_capacity;
	kd_gap *gap; /* by (partition index, from) */
	size_t n_gaps, gaps_capacity;
	journal_start *start; /* by (epoch, owner) */
	size_t n_starts, starts_capacity;
} journal_job;

struct journal {
	journal_job *job; /* in the order of their first lines */
	size_t n, capacity;
};

/* ---- finding: journal_state.c.  NULL: not there ---- */

journal_job *journal_find_job(const journal *j, const char *name);
journal_part *journal_find_part(const journal_job *job, int32_t index);
journal_identifier *journal_find_identifier(const journal_part *part, int64_t batch_time_ms);
journal_start *journal_find_start(const journal_job *job, const kd_owner *owner);
/* The part of this index, where both its lines are there. */
journal_part *journal_whole_part(const journal *j, const char *job, int32_t index);
/* The newest segment of a topic-partition. */
journal_part *journal_newest_part(const journal_job *job, const char *topic, int32_t partition);
/* The job, where me owns it. */
journal_job *journal_job_of(const journal *j, const char *job, const kd_owner *me);

static inline bool journal_same_owner(const kd_owner *a, const kd_owner *b)
{
	return a->epoch == b->epoch && strcmp(a->id, b->id) == 0;
}

/* ---- making room: NULL without memory.  What is new is zero, but for what names it ---- */

journal_job *journal_make_job(journal *j, const char *name);
journal_part *journal_make_part(journal_job *job, int32_t index);
journal_identifier *journal_make_identifier(journal_part *part, int64_t batch_time_ms);
kd_gap *journal_make_gap(journal_job *job, int32_t index, int64_t from);
journal_start *journal_make_start(journal_job *job, const kd_owner *owner);

void journal_remove_identifier(journal_part *part, int64_t batch_time_ms);
void journal_remove_gap(journal_job *job, int32_t index, int64_t from);
void journal_remove_start(journal_job *job, const kd_owner *owner);

/* ---- writing lines: journal_write.c.  False without memory ---- */

bool journal_put_job(journal_step *step, const journal_job *job) KD_CHECK;
bool journal_put_start(journal_step *step, const char *job, const journal_start *start) KD_CHECK;
bool journal_put_partition(journal_step *step, const char *job, const journal_part *part) KD_CHECK;
bool journal_put_position(journal_step *step, const char *job, const journal_part *part) KD_CHECK;
bool journal_put_identifier(journal_step *step, const char *job, const journal_identifier *identifier) KD_CHECK;
bool journal_put_gap(journal_step *step, const char *job, const kd_gap *gap) KD_CHECK;
bool journal_put_removal(journal_step *step, const char *job, int32_t index, int64_t batch_time_ms) KD_CHECK;

/* Forgets the step and says so. */
kd_code journal_no_memory(journal_step *step, kd_error *err);

/* KD_ECONFIG, STOP where another job feeds the target from this topic. */
kd_code journal_refuse_shared_topic(const journal *j, const char *job, const journal_target *target, const char *topic,
	kd_error *err) KD_CHECK;

#endif
