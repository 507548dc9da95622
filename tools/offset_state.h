/* SPDX-License-Identifier: Apache-2.0 */
/* offset_state: one word for where a job stands in a partition.  Pure. */
#ifndef TOOLS_OFFSET_STATE_H
#define TOOLS_OFFSET_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct offset_facts {
	int64_t low, last_stable, high; /* Kafka's; -1: not known */
	int64_t planned, committed;     /* the job's; -1: it does not know the partition yet */
	int64_t log_start;              /* Kafka's log start as the job saw it last; -1: never */
	bool read_uncommitted;
	bool other_log;    /* another record stands where the job's last one was */
	bool blocked_long; /* the same open transaction was there at a second look */
	bool news_is_young; /* what is missing came within the time that makes a job stalled */
	int64_t since_commit_ms; /* since the last commit, or the job's start; -1: not known */
	int64_t stalled_after_ms;
};

/* In the order in which they are tested. */
enum offset_state {
	OFFSET_UNKNOWN,  /* Kafka did not answer for the partition */
	OFFSET_LOST,     /* committed < low: offsets are gone that were not read */
	OFFSET_DRIFT,    /* beyond the end, or another log than the one that was read */
	OFFSET_BLOCKED,  /* all is committed up to an open transaction that has been there for a while */
	OFFSET_STALLED,  /* there is something to read and nothing was committed for a while */
	OFFSET_BEHIND,
	OFFSET_OK
};

enum offset_state offset_state(const struct offset_facts *facts);
const char *offset_state_name(enum offset_state state);
bool offset_state_needs_person(enum offset_state state); /* LOST, DRIFT, STALLED */

/* Where the job's reading ends, and what is between it and committed (or low); -1 where not known. */
int64_t offset_end(const struct offset_facts *facts);
int64_t offset_lag(const struct offset_facts *facts);

/* Would the state be this one if a second look confirmed it? */
bool offset_may_be_blocked(const struct offset_facts *facts);
bool offset_may_be_stalled(const struct offset_facts *facts);

#endif
