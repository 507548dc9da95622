// SPDX-License-Identifier: Apache-2.0
// Cases: the data transaction (I1, I2, I3, I4, I9).
#include <inttypes.h>

#include "conformance.h"

/* I2 */
void case_a_committed_identifier_is_not_committed_again(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	plan_and_land(i, &e);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	kd_reread r = reread(i, KD_REREAD_DATA, &e);
	expect(is_committed(&r, &e));
	expect_eq(rows_between(w, 0, 100), 10);
	instance_close(i);
}

/* I3, I6: position, range and identifier must all be the planned ones. */
void case_a_commit_moves_only_from_where_the_position_is(world *w)
{
	instance *i = instance_start(w, 'a', 2);
	kd_batch_partition first = entry(0, 1000, 0, 10), second = entry(0, 2000, 10, 20);
	expect_eq(plan(i, &first), KD_CAS_DONE);
	expect_eq(plan(i, &second), KD_CAS_DONE);
	const kd_batch_partition wrong[] = {
		second,                  /* its turn has not come */
		entry(0, 1000, 0, 9),    /* another until */
		entry(0, 1000, 0, 20),   /* two ranges in one */
		entry(0, 1000, 1, 10),   /* another from */
		entry(0, 2000, 0, 10),   /* the next one's time */
		entry(0, 1500, 0, 10),   /* nobody's time */
		entry(1, 1000, 0, 10),   /* another partition */
		entry(7, 1000, 0, 10),   /* no partition */
	};
	for (size_t n = 0; n < sizeof wrong / sizeof *wrong; n++)
		expect_eq(begin(i, &wrong[n]), KD_CAS_MISS, "entry %zu", n);
	expect_eq(reread(i, KD_REREAD_DATA, &first).position, 0);
	land(i, &first);
	land(i, &second);
	expect_eq(reread(i, KD_REREAD_DATA, &second).position, 20);
	expect_eq(rows_between(w, 0, 100), 20);
	instance_close(i);
}

/* I9: where the identifier is not free, the position that moved first goes back. */
void case_a_miss_leaves_nothing_behind(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), other = entry(0, 1001, 0, 10);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &other), KD_CAS_MISS);
	ledger *l = read_ledger(i);
	expect_eq(l->segment[0].committed_until, 0);
	expect_eq(l->batch[0].state, KD_BATCH_PLANNED);
	free(l);
	land(i, &e);
	instance_close(i);
}

void case_an_aborted_batch_partition_leaves_nothing_behind(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &e), KD_CAS_DONE);
	write_range(i, &e);
	w->ops->abort(i->session);
	expect_eq(rows_between(w, 0, 100), 0);
	kd_reread r = reread(i, KD_REREAD_DATA, &e);
	expect_eq(r.position, 0);
	expect_eq(r.batch, KD_BATCH_PLANNED);
	land(i, &e);
	expect_eq(rows_between(w, 0, 100), 10);
	instance_close(i);
}

void case_abort_with_nothing_open_does_nothing(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	w->ops->abort(i->session);
	plan_and_land(i, &e);
	w->ops->abort(i->session);
	w->ops->abort(i->session);
	expect(w->ops->usable(i->session));
	expect_eq(rows_between(w, 0, 100), 10);
	instance_close(i);
}

typedef struct contents {
	size_t n;
	int mask; /* which of the three were seen */
	char all_bytes[256];
} contents;

static bool holds(const void *bytes, size_t size, const void *expected, size_t expected_size)
{
	if (!expected)
		return bytes == NULL;
	return bytes && size == expected_size && memcmp(bytes, expected, size) == 0;
}

static bool compare_row(void *opaque, const kd_conformance_row *row)
{
	contents *c = opaque;
	const struct {
		int64_t timestamp_ms;
		const void *bytes;
		size_t size;
	} expected[] = {{-1, NULL, 0}, {0, "", 0}, {1, c->all_bytes, sizeof c->all_bytes}};
	c->n++;
	expect(row->offset >= 0 && row->offset < 3, "offset %lld", (long long) row->offset);
	expect_str_eq(row->topic, TOPIC);
	expect_eq(row->partition, 0);
	expect_eq(row->timestamp_ms, expected[row->offset].timestamp_ms, "offset %lld", (long long) row->offset);
	expect(holds(row->key, row->key_size, expected[row->offset].bytes, expected[row->offset].size), "offset %lld",
		(long long) row->offset);
	expect(holds(row->value, row->value_size, expected[row->offset].bytes, expected[row->offset].size), "offset %lld",
		(long long) row->offset);
	c->mask |= 1 << row->offset;
	return true;
}

/* I4: byte for byte; null is not empty; no timestamp is not the timestamp 0. */
void case_rows_hold_what_kafka_served(world *w)
{
	needs(w, w->hooks->rows, "needs the hook rows");
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 3);
	contents c = {0};
	for (size_t b = 0; b < sizeof c.all_bytes; b++)
		c.all_bytes[b] = (char) b;
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &e), KD_CAS_DONE);
	write_record(i, &e, &(kd_record) {.offset = 0, .timestamp_ms = -1});
	write_record(i, &e, &(kd_record) {.offset = 1, .timestamp_ms = 0, .key = "", .value = ""});
	write_record(i, &e, &(kd_record) {.offset = 2, .timestamp_ms = 1, .key = c.all_bytes, .key_size = 256,
		.value = c.all_bytes, .value_size = 256});
	commit(i, &e);
	MUST(w->hooks->rows(w->db, compare_row, &c, &e_));
	expect_eq(c.n, 3);
	expect_eq(c.mask, 7);
	instance_close(i);
}

typedef struct offsets {
	size_t n, most;
	int64_t offset[64];
} offsets;

static bool take_offset(void *opaque, int64_t offset)
{
	offsets *o = opaque;
	o->offset[o->n++] = offset;
	return o->n < o->most;
}

static offsets scan(instance *i, const char *topic, int partition, kd_range range, size_t most)
{
	offsets o = {.most = most};
	MUST(i->w->ops->snapshot_begin(i->session, &e_));
	MUST(i->w->ops->scan_offsets(i->session, topic, partition, range, take_offset, &o, &e_));
	i->w->ops->snapshot_end(i->session);
	return o;
}

/* A record that a transform splits has several rows with its offset. */
void case_offsets_are_scanned_in_order_with_repeats(world *w)
{
	instance *i = instance_start(w, 'a', 2);
	if (!w->ops->info(i->sink)->has_offsets) {
		instance_close(i);
		needs(w, false, "needs a sink that tells its offsets (kd_sink_info.has_offsets)");
	}
	kd_batch_partition e = entry(0, 1000, 0, 5), three = entry(0, 1000, 3, 4), other = entry(1, 1000, 0, 3);
	kd_batch_result result = {.records = 5, .rows = 6, .witness = {.offset = -1}};
	kd_durability durability;
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &e), KD_CAS_DONE);
	write_range(i, &e);
	write_range(i, &three);
	MUST(w->ops->commit(i->session, &result, &durability, &e_));
	plan_and_land(i, &other);
	offsets o = scan(i, TOPIC, 0, (kd_range) {1, 4}, 64);
	const int64_t expected[] = {1, 2, 3, 3};
	expect_eq(o.n, 4);
	expect(memcmp(o.offset, expected, sizeof expected) == 0, "not ascending, or without the repeat");
	expect_eq(scan(i, TOPIC, 1, (kd_range) {0, 100}, 64).n, 3);
	expect_eq(scan(i, TOPIC, 0, (kd_range) {0, 100}, 2).n, 2, "it went on after the reader had said enough");
	expect_eq(scan(i, "others", 0, (kd_range) {0, 100}, 64).n, 0);
	instance_close(i);
}

/* I1, I10 */
void case_a_gap_is_written_with_the_rows_or_not_at_all(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	const kd_gap gaps[] = {
		{.range = {2, 5}, .reason = "the log starts at 5", .who = "policy"},
		{.range = {8, 9}, .reason = "it is bad", .who = "me@here"},
	};
	kd_batch_result result = {.records = 6, .rows = 6, .log_start = 5, .witness = {.offset = -1}, .gaps = gaps,
		.n_gaps = 2};
	kd_batch_partition part = entry(0, 1000, 0, 6);
	kd_durability durability;
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &e), KD_CAS_DONE);
	w->ops->abort(i->session);
	ledger *l = read_ledger(i);
	expect_eq(l->n_gaps, 0);
	free(l);
	expect_eq(begin(i, &e), KD_CAS_DONE);
	write_range(i, &part);
	MUST(w->ops->commit(i->session, &result, &durability, &e_));
	l = read_ledger(i);
	expect_eq(l->n_gaps, 2);
	expect_eq(l->gap[0].partition_index, 0);
	expect_eq(l->gap[0].range.from, 2);
	expect_eq(l->gap[0].range.until, 5);
	expect_eq(l->gap[0].batch_time_ms, 1000);
	expect(l->gap[0].at_ms > 0);
	expect_str_eq(l->gap[1].reason, "it is bad");
	expect_str_eq(l->gap[1].who, "me@here");
	expect_eq(find_batch(l, &e)->gap, 4);
	free(l);
	instance_close(i);
}

void case_a_commit_records_what_the_batch_partition_came_to(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), next = entry(0, 2000, 10, 20), part = entry(0, 1000, 0, 7);
	kd_batch_result result = {.records = 9, .rows = 7, .dropped = 2, .log_start = 3,
		.witness = {.offset = 9, .timestamp_ms = 1234, .checksum = 0xfedcba98}};
	kd_durability durability;
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &e), KD_CAS_DONE);
	write_range(i, &part);
	MUST(w->ops->commit(i->session, &result, &durability, &e_));
	expect_eq(durability, KD_DURABLE);
	/* Without a witness and a log start, as where all of a range was given up: the old ones stay. */
	result = (kd_batch_result) {.records = 10, .rows = 10, .log_start = -1, .witness = {.offset = -1}};
	expect_eq(plan(i, &next), KD_CAS_DONE);
	expect_eq(begin(i, &next), KD_CAS_DONE);
	write_range(i, &next);
	MUST(w->ops->commit(i->session, &result, &durability, &e_));
	ledger *l = read_ledger(i);
	const kd_batch_row *b = find_batch(l, &e);
	expect_eq(b->records, 9);
	expect_eq(b->rows, 7);
	expect_eq(b->dropped, 2);
	expect(b->planned_at_ms > 1600000000000);
	expect(b->committed_at_ms >= b->planned_at_ms);
	expect_str_eq(b->instance, i->me.id);
	expect_eq(l->segment[0].witness.offset, 9);
	expect_eq(l->segment[0].witness.timestamp_ms, 1234);
	expect_eq(l->segment[0].witness.checksum, 0xfedcba98);
	expect_eq(l->segment[0].log_start, 3);
	expect(l->segment[0].committed_at_ms > 0);
	free(l);
	instance_close(i);
}

/* I1 */
void case_a_table_that_swallows_rows_stops_the_commit(world *w)
{
	needs(w, w->hooks->swallow, "needs the hook swallow");
	instance *i = instance_start(w, 'a', 1);
	MUST(w->hooks->swallow(w->db, &e_));
	kd_batch_partition e = entry(0, 1000, 0, 10);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &e), KD_CAS_DONE);
	write_range(i, &e);
	kd_batch_result result = result_of(&e);
	kd_durability durability;
	kd_error err = {0};
	expect_eq(w->ops->commit(i->session, &result, &durability, &err), KD_ESINK);
	expect_eq(err.action, KD_STOP);
	w->ops->abort(i->session);
	kd_reread r = reread(i, KD_REREAD_DATA, &e);
	expect_eq(r.position, 0);
	expect_eq(r.batch, KD_BATCH_PLANNED);
	instance_close(i);
}

/* The table refuses offset 7, the eighth row: write or commit says so, and nothing of the batch partition stays. */
void case_a_refused_row_is_named(world *w)
{
	needs(w, w->hooks->refuse, "needs the hook refuse");
	MUST(w->hooks->refuse(w->db, 7, &e_));
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	void *encoder;
	kd_buf buf = {0};
	kd_error err = {0};
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &e), KD_CAS_DONE);
	MUST(w->ops->encoder_open(i->sink, &encoder, &e_));
	for (int64_t offset = 0; offset < 10; offset++) {
		uint32_t rows;
		kd_record record = {.offset = offset, .timestamp_ms = 1, .value = "v", .value_size = 1};
		MUST(w->ops->encode(encoder, &e, &record, &buf, &rows, &e_));
	}
	MUST(w->ops->flush(encoder, &e, &buf, &e_));
	kd_batch_result result = result_of(&e);
	kd_durability durability;
	kd_code code = w->ops->write(i->session, buf.data, buf.size, &err);
	if (!code)
		code = w->ops->commit(i->session, &result, &durability, &err);
	expect_eq(code, KD_ERECORD, "%s", err.message);
	expect_eq(err.action, KD_STOP);
	expect_eq(err.row, 8);
	w->ops->abort(i->session);
	expect_eq(rows_between(w, 0, 100), 0);
	expect_eq(reread(i, KD_REREAD_DATA, &e).position, 0);
	kd_buf_done(&buf);
	w->ops->encoder_close(encoder);
	instance_close(i);
}

/* A range that holds nothing but markers or aborted records. */
void case_an_empty_batch_partition_commits(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	kd_batch_result result = {.witness = {.offset = -1}};
	kd_durability durability;
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &e), KD_CAS_DONE);
	MUST(w->ops->commit(i->session, &result, &durability, &e_));
	kd_reread r = reread(i, KD_REREAD_DATA, &e);
	expect(is_committed(&r, &e));
	expect_eq(rows_between(w, 0, 100), 0);
	instance_close(i);
}
