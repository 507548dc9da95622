/* SPDX-License-Identifier: Apache-2.0 */
/* audit_window: compares the offsets that a table holds with those that Kafka serves, a window of offsets at a time,
 * in memory of one fixed size.  Pure.
 *
 * Order of calls: audit_window_open for one window after another; in each first audit_window_table for every row of
 * the table, then audit_window_kafka for every record, both ascending; audit_window_close adds the window up. */
#ifndef TOOLS_AUDIT_WINDOW_H
#define TOOLS_AUDIT_WINDOW_H

#include <kdirect/types.h>

enum { WINDOW_OFFSETS = 1 << 20, WINDOW_EXAMPLES = 8 };

struct audit_window_sums {
	int64_t kafka;    /* records that Kafka holds */
	int64_t rows;     /* rows of the table */
	int64_t both;     /* records of Kafka that are in the table */
	int64_t missing;  /* records of Kafka that are not, and in no gap */
	int64_t in_gaps;  /* records of Kafka that were given up */
	int64_t doubled;  /* rows too many of an offset */
	int64_t alike;    /* further rows of an offset that another segment of the same partition explains */
	int64_t gone;     /* offsets of the table that Kafka no longer holds: not checkable */
	int64_t from_gap; /* offsets of the table that were given up */
	size_t n_missing_examples, n_doubled_examples;
	int64_t missing_examples[WINDOW_EXAMPLES], doubled_examples[WINDOW_EXAMPLES];
};

struct audit_window {
	struct audit_window_sums sums;
	kd_range range; /* of the window */
	const kd_range *gaps; /* of the segment, ascending; borrowed */
	size_t n_gaps, gap;
	const kd_range *others; /* committed ranges of other segments of the same Kafka partition; borrowed */
	size_t n_others;
	unsigned char *counts; /* WINDOW_OFFSETS: rows of each offset; the highest bit: Kafka has it */
};

void audit_window_open(struct audit_window *window, int64_t from, int64_t until);
void audit_window_table(struct audit_window *window, int64_t offset);
void audit_window_kafka(struct audit_window *window, int64_t offset);
void audit_window_close(struct audit_window *window);

#endif
