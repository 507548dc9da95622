// SPDX-License-Identifier: Apache-2.0
// pg_encode: the encoder's calls.  See pg_encode.h for the promise and pg_encode_impl.h for the parts.
//
// Rows leave in the order of the records (I5).  A record that waits for the server holds back all that follow it, up to
// a bound; then, or at flush, the server is asked about all of them at once.  Nothing is written to out before its
// answer is there, so that a call that fails with RETRY may be repeated.
#include "pg_encode.h"

#include <stdlib.h>

#include "pg_encode_impl.h"

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not encode records: no memory");
}

static bool init_parts(struct pg_encoder *encoder)
{
	const struct pg_columns *columns = encoder->conf.columns;
	if (!pg_names_init(&encoder->names, columns) || !pg_held_init(&encoder->held, columns))
		return false;
	encoder->slot = calloc(columns->n + 1, sizeof *encoder->slot);
	encoder->order = calloc(columns->n + 1, sizeof *encoder->order);
	encoder->late = calloc(columns->n + 1, sizeof *encoder->late);
	if (encoder->conf.connect)
		encoder->judge = pg_judge_open(columns, encoder->conf.connect, encoder->conf.opaque);
	return encoder->slot && encoder->order && encoder->late && (encoder->judge || !encoder->conf.connect);
}

kd_code pg_encoder_open(const struct pg_encoder_conf *conf, struct pg_encoder **ret_encoder, kd_error *err)
{
	*ret_encoder = NULL;
	struct pg_encoder *encoder = calloc(1, sizeof *encoder);
	if (!encoder)
		return no_memory(err);
	encoder->conf = *conf;
	kd_code code = init_parts(encoder) ? pg_rows_init(encoder, err) : no_memory(err);
	if (code)
		pg_encoder_close(encoder);
	else
		*ret_encoder = encoder;
	return code;
}

void pg_encoder_interrupt(struct pg_encoder *encoder)
{
	if (encoder->judge)
		pg_judge_interrupt(encoder->judge);
}

void pg_encoder_close(struct pg_encoder *encoder)
{
	if (!encoder)
		return;
	pg_judge_close(encoder->judge);
	pg_names_done(&encoder->names);
	pg_held_done(&encoder->held);
	kd_buf_done(&encoder->headers);
	free(encoder->slot);
	free(encoder->order);
	free(encoder->late);
	free(encoder);
}

const struct pg_encoder_stats *pg_encoder_stats(const struct pg_encoder *encoder)
{
	return &encoder->stats;
}

static bool same_batch(const kd_batch_partition *a, const kd_batch_partition *b)
{
	return a->partition_index == b->partition_index && a->batch_time_ms == b->batch_time_ms &&
		a->range.from == b->range.from && a->range.until == b->range.until;
}

// A range that is read again, or another one, begins with nothing held back.
static void follow(struct pg_encoder *encoder, const kd_batch_partition *batch, int64_t offset)
{
	bool on = encoder->in_batch && same_batch(&encoder->batch, batch) && offset > encoder->last_offset;
	if (on)
		return;
	pg_held_forget(&encoder->held);
	encoder->frame.open = false;
	encoder->in_batch = true;
	encoder->batch = *batch;
	encoder->last_offset = INT64_MIN;
}

// err holds a refusal, but the first refused record is the one to tell of, and it may be among those that wait.
static kd_code refuse_first(struct pg_encoder *encoder, kd_buf *out, kd_error *err)
{
	kd_error earlier = {0};
	kd_code code = pg_held_release(encoder, out, &earlier);
	if (code && err)
		*err = earlier;
	return code ? code : KD_ERECORD;
}

kd_code pg_encode(struct pg_encoder *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	*ret_rows = 0;
	follow(encoder, batch, record->offset);
	if (pg_held_is_full(&encoder->held)) {
		kd_code code = pg_held_release(encoder, out, err);
		if (code)
			return code;
	}
	bool fields = encoder->conf.columns->layout == PG_LAYOUT_FIELDS;
	bool skip = fields && !record->value && encoder->conf.null_value_skip;
	kd_code code = skip ? KD_OK : pg_row_encode(encoder, batch, record, out, err);
	if (code == KD_ERECORD && encoder->held.n_rows > 0)
		return refuse_first(encoder, out, err);
	if (code)
		return code;
	encoder->last_offset = record->offset;
	encoder->stats.records++;
	*ret_rows = !skip;
	return KD_OK;
}

kd_code pg_flush(struct pg_encoder *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	if (!encoder->in_batch || !same_batch(&encoder->batch, batch))
		follow(encoder, batch, INT64_MIN);
	kd_code code = encoder->held.n_rows ? pg_held_release(encoder, out, err) : KD_OK;
	if (!code)
		encoder->frame.open = false;
	return code;
}
