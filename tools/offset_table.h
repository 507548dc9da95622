/* SPDX-License-Identifier: Apache-2.0 */
/* offset_table: what `kdirect offsets` knows of each partition, from Kafka and, with a job, from its ledger. */
#ifndef TOOLS_OFFSET_TABLE_H
#define TOOLS_OFFSET_TABLE_H

#include <kdirect/kafka.h>

#include "args.h"
#include "ledger_session.h"
#include "offset_state.h"

struct offset_row {
	struct offset_facts facts;
	kd_witness witness;
	int64_t waiting_since_ms; /* Kafka's time of the first record that is not landed; -1: none, or not known */
	enum offset_state state;
};

struct offset_table {
	const struct args *args;
	const kd_logger *log;
	const struct job_file *file; /* NULL: no job */
	kd_kafka *kafka;
	kd_topic *topics;
	size_t n_topics;
	kd_offsets *kafka_rows; /* by topic, then partition */
	struct offset_row *rows; /* one for each of kafka_rows */
	size_t n;
	int64_t at_ms;          /* of --at; -1: not asked for */
};

/* Connects and fills everything in.  The caller calls offset_table_done in every case. */
kd_code offset_table_fill(struct offset_table *table, kd_error *err) KD_CHECK;
void offset_table_done(struct offset_table *table);

#endif
