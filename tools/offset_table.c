/* SPDX-License-Identifier: Apache-2.0 */
/* offset_table: gathers in as few requests as there are questions, each about all partitions at once: low, last
 * stable, high; then, where asked for, by time and of a group.  With a job the ledger is read before Kafka is asked:
 * an offset committed meanwhile can then not seem to be beyond the end.
 *
 * Three verdicts need a second look, which is taken only where the first one calls for it: BLOCKED asks Kafka again
 * until --blocked-after is over; STALLED asks for the offsets at the time from which on the job has had time, so that
 * news on an idle topic is none; DRIFT reads the job's last record again and compares it with the witness. */
#include "offset_table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "properties.h"
#include "range_arg.h"
#include "times.h"

enum { LOOK_MS = 1000, WITNESS_BUDGET_MS = 5000, WAITING_BUDGET_MS = 3000, STALLED_MS = 60000 };

/* ---- which partitions ---- */

static kd_code connect_kafka(struct offset_table *table, kd_error *err)
{
	struct properties properties;
	bool has_brokers = false;
	kd_code code;

	if (table->file)
		return kd_kafka_open_config(table->file->config, table->log, VERB_TIMEOUT_MS, &table->kafka, err);
	code = properties_collect(table->args, &properties, err);
	for (size_t i = 0; i < properties.n; i++)
		has_brokers = has_brokers || strcmp(properties.names[i], "bootstrap.servers") == 0;
	if (!code && !has_brokers)
		code = kd_error_set(err, KD_ECONFIG, KD_STOP, "which cluster? give -b HOST:PORT or a job file");
	if (!code)
		code = kd_kafka_open((const char *const *) properties.names, (const char *const *) properties.values,
			properties.n, table->log, VERB_TIMEOUT_MS, &table->kafka, err);
	properties_free(&properties);
	return code;
}

static kd_code list_topics(struct offset_table *table, kd_error *err)
{
	const struct strings *given = &table->args->topics;
	size_t n = given->n ? given->n : table->file ? kd_config_topic_count(table->file->config) : 0;
	const char **names = calloc(n + 1, sizeof *names);
	kd_code code;

	if (!names)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	for (size_t i = 0; i < n; i++)
		names[i] = given->n ? given->items[i] : kd_config_topic(table->file->config, i);
	code = kd_kafka_topics(table->kafka, names, n, VERB_TIMEOUT_MS, &table->topics, &table->n_topics, err);
	free(names);
	return code;
}

static kd_code make_rows(struct offset_table *table, kd_error *err)
{
	size_t most = 0;

	for (size_t i = 0; i < table->n_topics; i++)
		most += (size_t) table->topics[i].partitions;
	table->kafka_rows = calloc(most + 1, sizeof *table->kafka_rows);
	table->rows = calloc(most + 1, sizeof *table->rows);
	if (!table->kafka_rows || !table->rows)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	for (size_t i = 0; i < table->n_topics; i++)
		for (int32_t p = 0; p < table->topics[i].partitions; p++)
			if (partitions_hold(table->args->partitions, p)) {
				table->kafka_rows[table->n] = (kd_offsets){.topic = table->topics[i].name, .partition = p, .low = -1,
					.last_stable = -1, .high = -1, .at_time = -1, .group = -1};
				table->rows[table->n] = (struct offset_row){.witness.offset = -1, .waiting_since_ms = -1,
					.facts = {.planned = -1, .committed = -1, .log_start = -1, .since_commit_ms = -1}};
				table->n++;
			}
	return KD_OK;
}

/* ---- the job's side ---- */

struct ledger_look {
	struct segments segments;
	int64_t started_at_ms; /* of the newest instance; 0: none */
};

static bool on_instance(void *opaque, const kd_owner *owner, const char *host, int64_t pid, int64_t started_at_ms,
	const char *version)
{
	struct ledger_look *look = opaque;

	(void) owner;
	(void) host;
	(void) pid;
	(void) version;
	look->started_at_ms = started_at_ms;
	return false;
}

static bool on_segment(void *opaque, const kd_segment *segment)
{
	struct ledger_look *look = opaque;

	return segment->closed || segments_add(&look->segments, segment);
}

static int by_place(const void *left, const void *right)
{
	const kd_segment *a = left, *b = right;
	int order = strcmp(a->topic, b->topic);

	return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

static int64_t stalled_after_ms(const kd_config *config)
{
	int64_t intervals = 10 * kd_config_int(config, "batch.interval_ms");

	return intervals > STALLED_MS ? intervals : STALLED_MS;
}

static void fill_job_row(struct offset_row *row, const kd_segment *segment, const struct ledger_look *look,
	int64_t at_ms)
{
	/* A job that was just started has not stalled yet. */
	int64_t since = segment->committed_at_ms > look->started_at_ms ? segment->committed_at_ms : look->started_at_ms;

	row->facts.planned = segment->planned_until;
	row->facts.committed = segment->committed_until;
	row->facts.log_start = segment->log_start;
	row->facts.since_commit_ms = since > 0 && at_ms > since ? at_ms - since : since > 0 ? 0 : -1;
	row->witness = segment->witness;
}

static kd_code read_ledger(struct offset_table *table, struct ledger_look *look, kd_error *err)
{
	struct ledger_session ledger;
	kd_ledger_view view = {.opaque = look, .segment = on_segment, .instance = on_instance};
	kd_code code = ledger_session_open(table->file, table->log, &ledger, err);

	if (!code)
		code = ledger_session_read(&ledger, &view, err);
	if (!code && look->segments.failed)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	ledger_session_close(&ledger);
	return code;
}

static void join_ledger(struct offset_table *table, struct ledger_look *look)
{
	bool uncommitted = !kd_config_read_committed(table->file->config);
	int64_t at_ms = now_ms(), after_ms = stalled_after_ms(table->file->config);

	if (look->segments.n)
		qsort(look->segments.items, look->segments.n, sizeof *look->segments.items, by_place);
	for (size_t i = 0; i < table->n; i++) {
		kd_segment key = {.topic = (char *) table->kafka_rows[i].topic, .partition = table->kafka_rows[i].partition};
		const kd_segment *segment = look->segments.n ? bsearch(&key, look->segments.items, look->segments.n,
			sizeof *look->segments.items, by_place) : NULL;

		table->rows[i].facts.read_uncommitted = uncommitted;
		table->rows[i].facts.stalled_after_ms = after_ms;
		if (segment)
			fill_job_row(&table->rows[i], segment, look, at_ms);
	}
}

/* ---- Kafka's side ---- */

static kd_code ask_kafka(struct offset_table *table, kd_error *err)
{
	const struct args *args = table->args;
	kd_code code = kd_kafka_offsets(table->kafka, table->kafka_rows, table->n,
		KD_OFFSETS_LOW | KD_OFFSETS_LAST_STABLE | KD_OFFSETS_HIGH, VERB_TIMEOUT_MS, err);

	if (!code && table->at_ms >= 0)
		code = kd_kafka_offsets_at(table->kafka, table->kafka_rows, table->n, table->at_ms, VERB_TIMEOUT_MS, err);
	if (!code && args->group)
		code = kd_kafka_group_offsets(table->kafka, args->group, table->kafka_rows, table->n, VERB_TIMEOUT_MS, err);
	for (size_t i = 0; i < table->n; i++) {
		table->rows[i].facts.low = table->kafka_rows[i].low;
		table->rows[i].facts.last_stable = table->kafka_rows[i].last_stable;
		table->rows[i].facts.high = table->kafka_rows[i].high;
	}
	return code;
}

/* ---- second looks ---- */

/* The rows that `wanted` picks, to ask Kafka about; which[i] is the row's number.  Free with picked_free. */
struct picked {
	kd_offsets *rows;
	size_t *which;
	size_t n;
};

static void picked_free(struct picked *picked)
{
	free(picked->rows);
	free(picked->which);
}

static bool pick(const struct offset_table *table, bool (*wanted)(const struct offset_facts *), struct picked *ret)
{
	*ret = (struct picked){calloc(table->n + 1, sizeof *ret->rows), calloc(table->n + 1, sizeof *ret->which), 0};
	if (!ret->rows || !ret->which)
		return false;
	for (size_t i = 0; i < table->n; i++)
		if (wanted(&table->rows[i].facts)) {
			ret->rows[ret->n] = table->kafka_rows[i];
			ret->which[ret->n++] = i;
		}
	return true;
}

static void sleep_look(void)
{
	struct timespec span = {.tv_sec = LOOK_MS / 1000, .tv_nsec = LOOK_MS % 1000 * 1000000L};

	nanosleep(&span, NULL);
}

/* Drops from picked what has moved, which is then judged as it is now; the transaction behind the others is still the
 * same one. */
static void keep_blocked(struct offset_table *table, struct picked *picked)
{
	size_t kept = 0;

	for (size_t i = 0; i < picked->n; i++) {
		size_t row = picked->which[i];

		if (picked->rows[i].last_stable == table->rows[row].facts.last_stable) {
			picked->rows[kept] = picked->rows[i];
			picked->which[kept++] = row;
			continue;
		}
		table->rows[row].facts.last_stable = table->kafka_rows[row].last_stable = picked->rows[i].last_stable;
		table->rows[row].facts.high = table->kafka_rows[row].high = picked->rows[i].high;
	}
	picked->n = kept;
}

static kd_code look_for_blocked(struct offset_table *table, kd_error *err)
{
	int64_t deadline_ms = now_ms() + table->args->blocked_after_s * 1000;
	struct picked picked;
	kd_code code = KD_OK;

	if (!pick(table, offset_may_be_blocked, &picked))
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	if (!code && picked.n)
		kd_log(table->log, KD_LOG_INFO, 0,
			"an open transaction holds %zu partitions; looking for %lld s whether it ends", picked.n,
			(long long) table->args->blocked_after_s);
	while (!code && picked.n && now_ms() < deadline_ms) {
		sleep_look();
		code = kd_kafka_offsets(table->kafka, picked.rows, picked.n, KD_OFFSETS_LAST_STABLE | KD_OFFSETS_HIGH,
			VERB_TIMEOUT_MS, err);
		if (!code)
			keep_blocked(table, &picked);
	}
	for (size_t i = 0; !code && i < picked.n; i++)
		table->rows[picked.which[i]].facts.blocked_long = true;
	picked_free(&picked);
	return code;
}

static void look_for_news(struct offset_table *table)
{
	struct picked picked;
	kd_error ignored = {0};
	int64_t at_ms = now_ms() - (table->n ? table->rows[0].facts.stalled_after_ms : 0);

	/* A cluster that cannot look up times leaves the verdict as it is. */
	if (pick(table, offset_may_be_stalled, &picked) && picked.n &&
	    kd_kafka_offsets_at(table->kafka, picked.rows, picked.n, at_ms, VERB_TIMEOUT_MS, &ignored) == KD_OK)
		for (size_t i = 0; i < picked.n; i++) {
			struct offset_facts *facts = &table->rows[picked.which[i]].facts;

			facts->news_is_young = picked.rows[i].native == 0 && picked.rows[i].at_time >= 0 &&
				picked.rows[i].at_time <= facts->committed;
		}
	picked_free(&picked);
}

struct witness_look {
	const kd_witness *witness;
	bool differs;
};

static bool compare_witness(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
	const void *value, size_t value_size)
{
	struct witness_look *look = opaque;

	if (offset == look->witness->offset)
		look->differs = timestamp_ms != look->witness->timestamp_ms ||
			kd_witness_checksum(key, key_size, value, value_size) != look->witness->checksum;
	return false;
}

/* An absent record proves nothing: compaction and retention take records away. */
static void look_at_witnesses(struct offset_table *table)
{
	int64_t deadline_ms = now_ms() + WITNESS_BUDGET_MS;
	size_t left_out = 0;

	for (size_t i = 0; i < table->n; i++) {
		struct offset_row *row = &table->rows[i];
		struct witness_look look = {.witness = &row->witness};
		kd_error ignored = {0};
		int64_t left_ms = deadline_ms - now_ms();

		if (row->witness.offset < 0 || row->witness.offset < row->facts.low ||
		    row->witness.offset >= row->facts.last_stable)
			continue;
		if (left_ms <= 0 || kd_kafka_scan(table->kafka, table->kafka_rows[i].topic, table->kafka_rows[i].partition,
			row->witness.offset, row->witness.offset + 1, compare_witness, &look, (int) left_ms, &ignored))
			left_out++;
		row->facts.other_log = look.differs;
	}
	if (left_out)
		kd_log(table->log, KD_LOG_WARN, 0, "%zu partitions were not compared with the record that the job read last",
			left_out);
}

static bool note_time(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
	const void *value, size_t value_size)
{
	(void) offset, (void) key, (void) key_size, (void) value, (void) value_size;
	*(int64_t *) opaque = timestamp_ms;
	return false;
}

/* How long the first record that is not landed has been waiting. */
static void look_at_waiting(struct offset_table *table)
{
	int64_t deadline_ms = now_ms() + WAITING_BUDGET_MS;

	for (size_t i = 0; i < table->n; i++) {
		struct offset_row *row = &table->rows[i];
		kd_error ignored = {0};
		int64_t left_ms = deadline_ms - now_ms();

		if (offset_lag(&row->facts) <= 0 || row->facts.committed < row->facts.low || left_ms <= 0)
			continue;
		if (kd_kafka_scan(table->kafka, table->kafka_rows[i].topic, table->kafka_rows[i].partition,
			row->facts.committed, row->facts.last_stable, note_time, &row->waiting_since_ms, (int) left_ms, &ignored))
			row->waiting_since_ms = -1;
	}
}

/* ---- all of it ---- */

static kd_code look_again(struct offset_table *table, kd_error *err)
{
	kd_code code;

	if (!table->args->no_witness)
		look_at_witnesses(table);
	look_at_waiting(table);
	look_for_news(table);
	code = look_for_blocked(table, err);
	for (size_t i = 0; i < table->n; i++)
		table->rows[i].state = offset_state(&table->rows[i].facts);
	return code;
}

kd_code offset_table_fill(struct offset_table *table, kd_error *err)
{
	struct ledger_look look = {0};
	kd_code code = KD_OK;

	if (table->file)
		code = read_ledger(table, &look, err);
	code = code ? code : connect_kafka(table, err);
	code = code ? code : list_topics(table, err);
	code = code ? code : make_rows(table, err);
	if (!code && table->file)
		join_ledger(table, &look);
	code = code ? code : ask_kafka(table, err);
	if (!code && table->file)
		code = look_again(table, err);
	segments_free(&look.segments);
	return code;
}

void offset_table_done(struct offset_table *table)
{
	free(table->kafka_rows);
	free(table->rows);
	kd_topics_free(table->topics, table->n_topics);
	if (table->kafka)
		kd_kafka_close(table->kafka);
}
