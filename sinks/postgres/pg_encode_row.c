// SPDX-License-Identifier: Apache-2.0
// pg_encode_row: one record to one tuple.
//
// In the fields layout the document is read to its end before a byte is written: only then is it known to be
// well-formed, and which of two equal keys is the last.  A record with a value that is not plain goes to the judge as a
// whole.
#include <string.h>

#include "pg_encode_impl.h"
#include "pg_values.h"
#include "pg_values_wire.h"

// ---- which columns ----

static void add_column(struct pg_table_encoder *encoder, size_t i)
{
	const struct pg_column *column = &encoder->columns->column[i];
	if (column->source == PG_FROM_SERVER)
		return;
	if (column->source == PG_FROM_FIELD && column->default_text)
		encoder->late[encoder->n_late++] = (uint16_t) i;
	else
		encoder->order[encoder->n_order++] = (uint16_t) i;
	encoder->has_own |= column->source != PG_FROM_FIELD;
	encoder->has_headers |= column->source == PG_FROM_HEADERS;
}

// A column with a default is in the tuples from now on.
static void join(struct pg_table_encoder *encoder, uint16_t late)
{
	encoder->order[encoder->n_order++] = encoder->late[late];
	encoder->late[late] = encoder->late[--encoder->n_late];
}

kd_code pg_rows_init(struct pg_table_encoder *encoder, kd_error *err)
{
	const struct pg_columns *columns = encoder->columns;
	for (size_t i = 0; i < columns->n; i++)
		add_column(encoder, i);
	if (encoder->n_order == 0 && encoder->n_late > 0)
		join(encoder, 0); // COPY wants at least one
	if (encoder->n_order == 0)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use table \"%s.%s\": it has no column to fill",
			columns->schema, columns->table);
	return KD_OK;
}

// ---- columns filled from fields ----

static bool is_seen(const struct pg_table_encoder *encoder, size_t column)
{
	return encoder->slot[column].document == encoder->document;
}

// A field without a column; each name is logged once.
static void note_unknown(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_json_key *key,
	bool is_new, kd_json_key *first)
{
	const struct pg_columns *columns = encoder->columns;
	const struct pg_names *names = &encoder->names;
	encoder->stats->unknown_fields++;
	if (!first->text)
		*first = *key;
	if (is_new && !encoder->conf->unknown_fields_error)
		kd_log(encoder->conf->log, KD_LOG_WARN, batch->batch_time_ms,
			"field \"%s\" of the records has no column in \"%s.%s\" and is ignored%s",
			names->unknown[names->n_unknown - 1], columns->schema, columns->table,
			names->n_unknown == PG_MAX_UNKNOWN ? " (further names are not logged)" : "");
}

// The fields of a document that was read before.
static void take_fields(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_json_fields *fields,
	kd_json_key *ret_unknown)
{
	struct pg_names *names = &encoder->names;
	encoder->json.flags = fields->flags;
	encoder->document++;
	for (size_t i = 0; i < fields->n; i++) {
		const kd_json_field *field = &fields->items[i];
		const struct pg_name *guess = pg_names_guess(names, i);
		kd_json_key key = {.text = field->name, .size = field->name_size,
			.guessed = guess->size == field->name_size && memcmp(guess->text, field->name, guess->size) == 0};
		bool is_new = false;
		uint16_t column = key.guessed ? guess->column : pg_names_find(names, i, &key, &is_new);
		if (column == PG_NO_COLUMN) {
			note_unknown(encoder, batch, &key, is_new, ret_unknown);
			continue;
		}
		encoder->slot[column] = (struct pg_slot) {.value = field->value, .document = encoder->document};
	}
}

// Reads the document into the slots.  False: it is not well-formed.  *ret_unknown: the first key that has no column.
static bool scan(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_json_key *ret_unknown)
{
	struct pg_names *names = &encoder->names;
	if (record->fields && encoder->columns->utf8) {
		take_fields(encoder, batch, record->fields, ret_unknown);
		return true;
	}
	// In another encoding the flags count, and those of a key that is guessed are not known.
	size_t no_guess = encoder->columns->utf8 ? 0 : SIZE_MAX / 2;
	kd_json_key key;
	kd_json_value unread;
	kd_json_open(&encoder->json, record->value, record->value_size);
	encoder->document++;
	for (size_t i = 0;; i++) {
		const struct pg_name *guess = pg_names_guess(names, no_guess + i);
		kd_json_step step = kd_json_read_key(&encoder->json, guess->text, guess->size, &key);
		if (step != KD_JSON_FIELD)
			return step == KD_JSON_END;
		bool is_new = false;
		uint16_t column = key.guessed ? guess->column : pg_names_find(names, i, &key, &is_new);
		struct pg_slot *slot = column != PG_NO_COLUMN ? &encoder->slot[column] : NULL;
		if (!kd_json_read_value(&encoder->json, slot ? &slot->value : &unread))
			return false;
		if (slot)
			slot->document = encoder->document;
		else
			note_unknown(encoder, batch, &key, is_new, ret_unknown);
	}
}

static void join_seen(struct pg_table_encoder *encoder)
{
	for (uint16_t i = 0; i < encoder->n_late;) {
		if (is_seen(encoder, encoder->late[i]))
			join(encoder, i);
		else
			i++;
	}
}

// What only the server can say of a document that is well-formed.
static bool is_odd(const struct pg_table_encoder *encoder, const kd_record *record)
{
	if (record->value_size > PG_LARGE_DOCUMENT || encoder->json.flags & KD_JSON_DEEP)
		return true;
	return !encoder->columns->utf8 && encoder->json.flags & KD_JSON_NON_ASCII;
}

// Writes a tuple; NULL: some value is not plain.  With `judged` a mark stands for each value of the document.
static char *put_tuple(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	bool judged, char *to, unsigned *ret_waits)
{
	*ret_waits = judged ? PG_WAIT_VERDICT : PG_WAIT_NONE;
	to = pg_put16(to, encoder->n_order);
	for (size_t i = 0; i < encoder->n_order; i++) {
		size_t index = encoder->order[i];
		const struct pg_column *column = &encoder->columns->column[index];
		if (column->source != PG_FROM_FIELD) {
			to = pg_own_put(encoder, column, batch, record, to);
		} else if (is_seen(encoder, index)) {
			encoder->odd = column;
			to = judged ? pg_put32(to, PG_FIELD_JUDGED) : pg_value_write(column, &encoder->slot[index].value, to);
			if (!to)
				return NULL;
		} else if (column->default_text) {
			*ret_waits |= PG_WAIT_DEFAULTS;
			to = pg_put32(to, PG_FIELD_DEFAULT);
		} else {
			to = pg_put_null(to);
		}
	}
	return to;
}

// The bytes that a tuple may need at most.
static size_t tuple_room(const struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_record *record)
{
	size_t bytes = strlen(batch->topic) + record->key_size + record->value_size + encoder->headers.size;
	return 2 + (size_t) encoder->n_order * PG_VALUE_ROOM + bytes;
}

// ---- where the row goes ----

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not encode a record: no memory");
}

static kd_code hold(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_record *record, bool judged,
	kd_error *err)
{
	char *to = pg_held_begin_row(&encoder->held, tuple_room(encoder, batch, record));
	unsigned waits = PG_WAIT_NONE;
	char *end = to ? put_tuple(encoder, batch, record, judged, to, &waits) : NULL;
	if (!end || !pg_held_end_row(encoder, end, waits, record))
		return no_memory(err);
	return KD_OK;
}

static const char not_taken[] = "the value is not a JSON object that PostgreSQL takes";

// The server has the words for what is wrong.  Should it find nothing wrong, it is still nothing we can read.
static kd_code refuse_malformed(struct pg_table_encoder *encoder, const kd_record *record, kd_error *err)
{
	struct pg_document document = {record->value, record->value_size, record->offset};
	PGresult *rows = NULL;
	kd_code code = encoder->judge ? pg_judge_documents(encoder->judge, &document, 1, &rows, err) : KD_OK;
	PQclear(rows);
	return code ? code : pg_refuse(record, "22P02", err, "%s", not_taken);
}

static kd_code judge(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	bool well_formed, kd_error *err)
{
	size_t at;
	if (!kd_utf8_is_text(record->value, record->value_size, &at))
		return pg_refuse_bytes(record, not_taken, record->value, record->value_size, at, err);
	if (!well_formed)
		return refuse_malformed(encoder, record, err);
	if (encoder->judge)
		return hold(encoder, batch, record, true, err);
	return pg_refuse(record, "22P02", err, "column \"%s\": not a plain value, and there is no server to ask",
		encoder->odd ? encoder->odd->name : "");
}

static kd_code encode_tuple(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out, kd_error *err)
{
	unsigned waits;
	size_t room = tuple_room(encoder, batch, record);
	bool holding = encoder->held.line_up->n_rows > 0;
	char *to = holding ? pg_held_begin_row(&encoder->held, room)
		: pg_frame_begin_row(&encoder->frame, out, encoder->order, encoder->n_order, room);
	if (!to)
		return no_memory(err);
	char *end = put_tuple(encoder, batch, record, false, to, &waits);
	if (!end)
		return judge(encoder, batch, record, true, err);
	if (waits && !encoder->judge)
		return pg_refuse(record, "22004", err, "a field with a default is absent, and there is no server to ask");
	if (holding)
		return pg_held_end_row(encoder, end, waits, record) ? KD_OK : no_memory(err);
	if (waits)
		return hold(encoder, batch, record, false, err);
	pg_frame_end_row(&encoder->frame, out, end);
	return KD_OK;
}

static kd_code encode_fields(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out, kd_error *err)
{
	kd_json_key unknown = {0};
	if (!record->value)
		return pg_refuse(record, "22004", err, "the value is null, and sink.null_value is \"error\"");
	encoder->odd = NULL;
	if (!scan(encoder, batch, record, &unknown))
		return judge(encoder, batch, record, false, err);
	if (unknown.text && encoder->conf->unknown_fields_error)
		return pg_refuse(record, "42703", err, "field \"%.*s\" has no column, and sink.unknown_fields is \"error\"",
			unknown.size > 256 ? 256 : (int) unknown.size, unknown.text);
	join_seen(encoder);
	if (is_odd(encoder, record))
		return judge(encoder, batch, record, true, err);
	return encode_tuple(encoder, batch, record, out, err);
}

kd_code pg_row_encode(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out, kd_error *err)
{
	kd_code code = encoder->has_own ? pg_own_check(encoder, record, err) : KD_OK;
	if (code)
		return code;
	if (encoder->columns->layout == PG_LAYOUT_FIELDS)
		return encode_fields(encoder, batch, record, out, err);
	return encode_tuple(encoder, batch, record, out, err);
}
