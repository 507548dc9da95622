// SPDX-License-Identifier: Apache-2.0
// pg_encode: the encoder's calls.  See pg_encode.h for the promise and pg_encode_impl.h for the parts.
//
// Rows leave in the order of the records (I5).  A record that waits for the server holds back all that follow it, of
// whatever table, up to a bound; then, or at flush, the server is asked about all of them at once.  After an error
// nothing is held back any more: the library reads the batch partition again from its start.
#include "pg_encode.h"

#include <inttypes.h>
#include <stdlib.h>

#include "pg_encode_impl.h"

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not encode records: no memory");
}

// ---- opening and closing ----

static bool init_parts(struct pg_encoder *all, struct pg_table_encoder *encoder)
{
	const struct pg_columns *columns = encoder->columns;
	if (!pg_names_init(&encoder->names, columns) || !pg_held_init(&encoder->held, columns, &all->line_up))
		return false;
	encoder->slot = calloc(columns->n + 1, sizeof *encoder->slot);
	encoder->order = calloc(columns->n + 1, sizeof *encoder->order);
	encoder->late = calloc(columns->n + 1, sizeof *encoder->late);
	if (all->conf.connect)
		encoder->judge = pg_judge_open(columns, &all->helper);
	return encoder->slot && encoder->order && encoder->late && (encoder->judge || !all->conf.connect);
}

static kd_code open_table(struct pg_encoder *all, size_t i, kd_error *err)
{
	struct pg_table_encoder *encoder = &all->table[i];
	if (!all->conf.tables[i].columns)
		return KD_OK; // a read-only look at a job whose table is not there yet
	encoder->conf = &all->conf;
	encoder->columns = all->conf.tables[i].columns;
	encoder->stats = &all->stats;
	encoder->frame.table = (uint16_t) i;
	return init_parts(all, encoder) ? pg_rows_init(encoder, err) : no_memory(err);
}

static void close_table(struct pg_table_encoder *encoder)
{
	pg_judge_close(encoder->judge);
	pg_names_done(&encoder->names);
	pg_held_done(&encoder->held);
	kd_buf_done(&encoder->headers);
	free(encoder->slot);
	free(encoder->order);
	free(encoder->late);
}

kd_code pg_encoder_open(const struct pg_encoder_conf *conf, struct pg_encoder **ret_encoder, kd_error *err)
{
	*ret_encoder = NULL;
	struct pg_encoder *encoder = calloc(1, sizeof *encoder);
	if (!encoder)
		return no_memory(err);
	encoder->conf = *conf;
	encoder->helper.connect = conf->connect;
	encoder->helper.opaque = conf->opaque;
	encoder->table = calloc(conf->n_tables, sizeof *encoder->table);
	kd_code code = encoder->table ? KD_OK : no_memory(err);
	for (size_t i = 0; i < conf->n_tables && !code; i++)
		code = open_table(encoder, i, err);
	if (code)
		pg_encoder_close(encoder);
	else
		*ret_encoder = encoder;
	return code;
}

void pg_encoder_interrupt(struct pg_encoder *encoder)
{
	pg_helper_interrupt(&encoder->helper);
}

void pg_encoder_close(struct pg_encoder *encoder)
{
	if (!encoder)
		return;
	for (size_t i = 0; i < encoder->conf.n_tables && encoder->table; i++)
		close_table(&encoder->table[i]);
	pg_helper_close(&encoder->helper);
	free(encoder->table);
	free(encoder);
}

const struct pg_encoder_stats *pg_encoder_stats(const struct pg_encoder *encoder)
{
	return &encoder->stats;
}

// ---- which batch partition, which table ----

static bool same_batch(const kd_batch_partition *a, const kd_batch_partition *b)
{
	return a->partition_index == b->partition_index && a->batch_time_ms == b->batch_time_ms &&
		a->range.from == b->range.from && a->range.until == b->range.until;
}

static void end_frames(struct pg_encoder *encoder)
{
	for (size_t i = 0; i < encoder->conf.n_tables; i++)
		encoder->table[i].frame.open = false;
}

static void forget(struct pg_encoder *encoder)
{
	pg_held_forget(encoder);
	end_frames(encoder);
}

// A range that is read again, or another one, begins with nothing held back.
static void follow(struct pg_encoder *encoder, const kd_batch_partition *batch, int64_t offset)
{
	bool on = encoder->in_batch && same_batch(&encoder->batch, batch) && offset >= encoder->last_offset;
	if (on)
		return;
	forget(encoder);
	encoder->in_batch = true;
	encoder->batch = *batch;
	encoder->last_offset = INT64_MIN;
}

// By the name that the record gives.
static kd_code find_table(struct pg_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	struct pg_table_encoder **ret_table, kd_error *err)
{
	const pg_table *tables = encoder->conf.tables;
	const pg_table *table = pg_tables_find(tables, encoder->conf.n_tables, record->table);
	if (!table)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not store \"%s/%" PRId32 "@%" PRId64 "\": its row goes to "
			"table \"%s\", which \"sink.tables\" does not name", batch->topic, batch->partition, record->offset,
			record->table);
	if (!table->columns)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not encode rows: table \"%s\" is not there", table->written);
	*ret_table = &encoder->table[table - tables];
	return KD_OK;
}

// ---- records ----

// err holds a refusal, but the first refused record is the one to tell of, and it may be among those that wait.
static kd_code refuse_first(struct pg_encoder *encoder, kd_buf *out, kd_error *err)
{
	kd_error earlier = {0};
	kd_code code = pg_held_release(encoder, out, &earlier);
	if (code && err)
		*err = earlier;
	return code ? code : KD_ERECORD;
}

static kd_code encode(struct pg_encoder *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	struct pg_table_encoder *table = encoder->table;
	bool named = record->table && *record->table;
	kd_code code = named ? find_table(encoder, batch, record, &table, err) : KD_OK;
	if (!code && pg_held_is_full(&table->held))
		code = pg_held_release(encoder, out, err);
	if (code)
		return code;
	bool fields = table->columns->layout == PG_LAYOUT_FIELDS;
	bool skip = fields && !record->value && encoder->conf.null_value_skip;
	code = skip ? KD_OK : pg_row_encode(table, batch, record, out, err);
	if (code == KD_ERECORD && encoder->line_up.n_rows > 0)
		return refuse_first(encoder, out, err);
	if (code)
		return code;
	encoder->last_offset = record->offset;
	encoder->stats.records++;
	*ret_rows = !skip;
	return KD_OK;
}

kd_code pg_encode(struct pg_encoder *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	*ret_rows = 0;
	follow(encoder, batch, record->offset);
	kd_code code = encode(encoder, batch, record, out, ret_rows, err);
	if (code)
		forget(encoder);
	return code;
}

kd_code pg_flush(struct pg_encoder *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	if (!encoder->in_batch || !same_batch(&encoder->batch, batch))
		follow(encoder, batch, INT64_MIN);
	kd_code code = encoder->line_up.n_rows ? pg_held_release(encoder, out, err) : KD_OK;
	if (code)
		forget(encoder);
	else
		end_frames(encoder);
	return code;
}
