// SPDX-License-Identifier: Apache-2.0
// store_data: the data transaction: rows are gathered, and appended with the lines that move the position (I1, I2, I9).
#include <stdlib.h>
#include <string.h>

#include "store_sink.h"

static void forget_transaction(store_session *s)
{
	free(s->job);
	free(s->topic);
	kd_buf_done(&s->rows);
	s->job = s->topic = NULL;
	s->open = false;
}

static bool remember(store_session *s, const kd_owner *me, const kd_batch_partition *entry)
{
	s->owner = *me;
	s->entry = *entry;
	s->entry.job = s->job = strdup(entry->job);
	s->entry.topic = s->topic = strdup(entry->topic);
	s->open = true;
	return s->job && s->topic;
}

kd_code store_begin(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err)
{
	store_session *s = opaque;
	store_abort(s);
	kd_code code = store_lock(s, err);
	if (code)
		return code;
	*ret_cas = journal_may_commit(s->journal, me, entry);
	if (*ret_cas == KD_CAS_MISS) {
		store_unlock(s);
		return KD_OK;
	}
	if (remember(s, me, entry))
		return KD_OK;
	store_abort(s);
	return store_no_memory(err);
}

kd_code store_write(void *opaque, const void *bytes, size_t size, kd_error *err)
{
	store_session *s = opaque;
	return kd_buf_append(&s->rows, bytes, size) ? KD_OK :
		kd_error_set(err, KD_ENOMEM, KD_REPLAY, "could not keep the rows of a batch partition: no memory");
}

kd_code store_commit(void *opaque, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	store_session *s = opaque;
	journal_step step = {0};
	kd_cas cas;
	*ret_durability = KD_DURABLE;
	kd_code code = journal_commit(s->journal, &s->owner, &s->entry, result, NULL, store_now_ms(), &cas, &step, err);
	if (!code && cas == KD_CAS_MISS)
		code = kd_error_set(err, KD_ELEDGER, KD_STOP, "could not commit: the ledger changed under the %s's lock",
			s->sink->ops->noun);
	if (!code)
		code = store_append(s, &step, &s->rows, err);
	journal_step_done(&step);
	store_abort(s);
	return code;
}

void store_abort(void *opaque)
{
	store_session *s = opaque;
	if (!s->open)
		return;
	forget_transaction(s);
	store_unlock(s);
}

/* ---- encoders: the sink itself, for it has no state ---- */

kd_code store_encoder_open(void *sink, void **ret_encoder, kd_error *err)
{
	(void) err;
	*ret_encoder = sink;
	return KD_OK;
}

void store_encoder_close(void *encoder)
{
	(void) encoder;
}

static bool is_known(const kd_config *config, const char *table)
{
	const char *name;
	for (size_t i = 0; (name = kd_config_strings_at(config, "sink.tables", i)); i++)
		if (!strcmp(name, table))
			return true;
	return false;
}

kd_code store_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	store_sink *sink = encoder;
	if (record->table && !is_known(sink->config, record->table))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not store a row for table \"%s\": sink.tables does not list it",
			record->table);
	return sink->ops->encode(sink->store, batch, record, out, ret_rows, err);
}

kd_code store_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	(void) encoder, (void) batch, (void) out, (void) err;
	return KD_OK;
}
