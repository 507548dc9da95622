/* SPDX-License-Identifier: Apache-2.0 */
/* The release gate: far more of the faults of the suites crash and faults than a run of them has time for, in pieces.
 * torture.sh starts the servers and this program; what each piece did it appends to a file, a JSON object a line. */
#ifndef TORTURE_H
#define TORTURE_H

#include <stdint.h>

#include "tests/crash/crash.h"

/* Some faults of one piece, against a job of its own, which is judged at the end. */
typedef struct torture_part {
	const char *piece;
	const crash_sink *sink;
	unsigned int seed;
	int from;   /* how many faults of this piece were done against this sink before: it goes on there */
	int wanted;
	/* told by it */
	int faults;
	int64_t records, violations;
	char *what; /* what is violated; freed by who runs the part */
} torture_part;

typedef void torture_fn(torture_part *part);

torture_fn torture_singles, torture_doubles;    /* torture_kills.c */
torture_fn torture_pg_crashes;                  /* torture_pg.c */
torture_fn torture_zombies, torture_lost_answers; /* torture_rigs.c */

/* A campaign with now and then large batches, and no end of hits. */
void torture_open(crash_campaign *campaign, const torture_part *part);
/* Judges and tells the part. */
void torture_close(crash_campaign *campaign, torture_part *part);

#endif
