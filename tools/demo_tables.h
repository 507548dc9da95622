/* SPDX-License-Identifier: Apache-2.0 */
/* demo_tables: the demo's database, seen from outside: plain SQL on a connection of its own, while the job writes.
 * It shares no code with the sink that fills the tables. */
#ifndef TOOLS_DEMO_TABLES_H
#define TOOLS_DEMO_TABLES_H

#include <stdbool.h>
#include <stdint.h>

struct demo_tables;

struct demo_counts {
	int64_t stored;          /* rows */
	int64_t ids;             /* different order numbers from 1 to the last one produced */
	int64_t strangers;       /* rows with another order number or none */
	int64_t offsets;         /* different (partition, offset) */
	int64_t cents;           /* the sum of all rows */
};

/* Creates the file and in it the table of orders: no key, no index, nothing that would hide a double.
 * NULL: *ret_why says why, one line, valid until the next call. */
struct demo_tables *demo_tables_open(const char *path, const char **ret_why);
void demo_tables_close(struct demo_tables *tables);

/* Rows by now; -1 where the question failed. */
int64_t demo_tables_stored(struct demo_tables *tables);

/* Identifiers that the ledger holds as planned and not committed: work in flight. */
int64_t demo_tables_in_flight(struct demo_tables *tables);

/* The positions of all partitions, added up: what the ledger calls committed. */
int64_t demo_tables_committed(struct demo_tables *tables);

/* The final count, for orders numbered 1 to `events`; false: *ret_why. */
bool demo_tables_count(struct demo_tables *tables, int64_t events, struct demo_counts *ret_counts,
	const char **ret_why);

#endif
