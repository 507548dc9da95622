// SPDX-License-Identifier: Apache-2.0
// pg_encode_held: rows that wait for the server, and those behind them, of whatever table.
//
// A held row is a finished tuple but for the fields that wait: these have a mark in place of their length.  Once the
// answers are there, each row is copied out with the marks replaced.
#include <stdlib.h>
#include <string.h>

#include "pg_encode_impl.h"
#include "pg_values_wire.h"

#define MAX_BYTES (4u << 20)
#define MAX_ROWS 20000u
#define MAX_QUESTIONS 2000u

struct pg_held_row {
	size_t size; // of the tuple
	uint64_t number; // among the held rows of all tables
	unsigned waits; // enum pg_wait
};

struct pg_held_document {
	size_t at, size; // in documents
	int64_t offset;
};

// A verdict has a field for each column that is filled from one.
bool pg_held_init(struct pg_held *held, const struct pg_columns *columns, struct pg_line_up *line_up)
{
	held->line_up = line_up;
	held->verdict_field = calloc(columns->n + 1, sizeof *held->verdict_field);
	held->default_field = calloc(columns->n + 1, sizeof *held->default_field);
	if (!held->verdict_field || !held->default_field)
		return false;
	uint16_t field = 0;
	for (size_t i = 0; i < columns->n; i++)
		if (columns->column[i].source == PG_FROM_FIELD)
			held->verdict_field[i] = field++;
	return true;
}

void pg_held_done(struct pg_held *held)
{
	kd_buf_done(&held->rows);
	kd_buf_done(&held->documents);
	kd_buf_done(&held->refs);
	free(held->verdict_field);
	free(held->default_field);
	*held = (struct pg_held) {0};
}

void pg_held_forget(struct pg_encoder *encoder)
{
	for (size_t i = 0; i < encoder->conf.n_tables; i++) {
		struct pg_held *held = &encoder->table[i].held;
		held->rows.size = held->documents.size = held->refs.size = 0;
		held->n_rows = held->n_documents = held->n_defaults = 0;
	}
	encoder->line_up.n_rows = 0;
}

bool pg_held_is_full(const struct pg_held *held)
{
	return held->rows.size > MAX_BYTES || held->documents.size > MAX_BYTES || held->line_up->n_rows > MAX_ROWS ||
		held->n_documents > MAX_QUESTIONS || held->n_defaults > MAX_QUESTIONS;
}

char *pg_held_begin_row(struct pg_held *held, size_t room)
{
	char *head = kd_buf_reserve(&held->rows, sizeof(struct pg_held_row) + room);
	return head ? head + sizeof(struct pg_held_row) : NULL;
}

static bool add_document(struct pg_held *held, const kd_record *record)
{
	struct pg_held_document ref = {held->documents.size, record->value_size, record->offset};
	if (!kd_buf_reserve(&held->refs, sizeof ref) ||
		!kd_buf_append(&held->documents, record->value, record->value_size))
		return false;
	held->n_documents++;
	return kd_buf_append(&held->refs, &ref, sizeof ref);
}

bool pg_held_end_row(struct pg_table_encoder *encoder, const char *end, unsigned waits, const kd_record *document)
{
	struct pg_held *held = &encoder->held;
	char *head = held->rows.data + held->rows.size;
	struct pg_held_row row = {(size_t) (end - head) - sizeof row, held->line_up->next, waits};
	if (waits & PG_WAIT_VERDICT && !add_document(held, document))
		return false;
	memcpy(head, &row, sizeof row);
	held->rows.size = (size_t) (end - held->rows.data);
	held->n_rows++;
	held->line_up->n_rows++;
	held->line_up->next++;
	held->n_defaults += (waits & PG_WAIT_DEFAULTS) != 0;
	return true;
}

// ---- the questions ----

// A field of a held tuple with its length word, which may be a mark or COPY's null.
static size_t field_size(uint32_t length)
{
	return length >= PG_FIELD_JUDGED ? 4 : 4 + (size_t) length;
}

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not hold back records for the server to judge: no memory");
}

static kd_code ask_verdicts(struct pg_table_encoder *encoder, kd_error *err)
{
	struct pg_held *held = &encoder->held;
	struct pg_document *documents = calloc(held->n_documents, sizeof *documents);
	if (!documents)
		return no_memory(err);
	for (size_t i = 0; i < held->n_documents; i++) {
		struct pg_held_document ref;
		memcpy(&ref, held->refs.data + i * sizeof ref, sizeof ref);
		documents[i] = (struct pg_document) {held->documents.data + ref.at, ref.size, ref.offset};
	}
	kd_code code = pg_judge_documents(encoder->judge, documents, held->n_documents, &held->answers.verdicts,
		err);
	free(documents);
	return code;
}

// Marks in `wanted` the columns whose default some row waits for.
static void find_wanted(const struct pg_table_encoder *encoder, bool *wanted)
{
	const char *at = encoder->held.rows.data, *end = at + encoder->held.rows.size;
	while (at < end) {
		struct pg_held_row row;
		memcpy(&row, at, sizeof row);
		at += sizeof row;
		const char *field = at + 2, *row_end = at + row.size;
		for (size_t i = 0; row.waits & PG_WAIT_DEFAULTS && field < row_end; i++) {
			uint32_t size = pg_get32(field);
			wanted[encoder->order[i]] |= size == PG_FIELD_DEFAULT;
			field += field_size(size);
		}
		at = row_end;
	}
}

static kd_code ask_defaults(struct pg_table_encoder *encoder, kd_error *err)
{
	size_t n = encoder->columns->n;
	bool *wanted = calloc(n, sizeof *wanted);
	uint16_t *columns = calloc(n, sizeof *columns), n_columns = 0;
	kd_code code = KD_OK;
	if (!wanted || !columns)
		code = no_memory(err);
	else
		find_wanted(encoder, wanted);
	for (size_t i = 0; i < n && !code; i++) {
		if (!wanted[i])
			continue;
		encoder->held.default_field[i] = n_columns;
		columns[n_columns++] = (uint16_t) i;
	}
	if (!code)
		code = pg_judge_defaults(encoder->judge, columns, n_columns, encoder->held.n_defaults,
			&encoder->held.answers.defaults, err);
	free(wanted);
	free(columns);
	return code;
}

static kd_code ask(struct pg_table_encoder *encoder, kd_error *err)
{
	kd_code code = encoder->held.n_documents ? ask_verdicts(encoder, err) : KD_OK;
	return !code && encoder->held.n_defaults ? ask_defaults(encoder, err) : code;
}

// A refusal of one table does not keep the others from being asked: theirs may be of an earlier record.
static kd_code ask_all(struct pg_encoder *encoder, kd_error *err)
{
	kd_error first = {0};
	for (size_t i = 0; i < encoder->conf.n_tables; i++) {
		kd_error own = {0};
		kd_code code = ask(&encoder->table[i], &own);
		if (code && (!first.code || code != KD_ERECORD || own.offset < first.offset))
			first = own;
		if (code && code != KD_ERECORD)
			break;
	}
	if (first.code && err && !err->code)
		*err = first;
	return first.code;
}

// ---- the answers ----

static size_t answer_size(const PGresult *result, int row)
{
	size_t size = 0;
	for (int i = 0; i < PQnfields(result); i++)
		size += (size_t) PQgetlength(result, row, i);
	return size;
}

// One field of an answer, as COPY takes it.
static char *put_answer(char *to, const PGresult *result, int row, int field)
{
	if (PQgetisnull(result, row, field))
		return pg_put_null(to);
	return pg_put_bytes(to, PQgetvalue(result, row, field), (size_t) PQgetlength(result, row, field));
}

// Copies a tuple with its marks replaced.
static char *fill_tuple(const struct pg_table_encoder *encoder, const char *tuple, char *to)
{
	const struct pg_answers *answers = &encoder->held.answers;
	uint16_t n = pg_get16(tuple);
	to = pg_put16(to, n);
	tuple += 2;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t length = pg_get32(tuple);
		uint16_t column = encoder->order[i];
		size_t size = field_size(length);
		if (length == PG_FIELD_JUDGED)
			to = put_answer(to, answers->verdicts, answers->verdict, encoder->held.verdict_field[column]);
		else if (length == PG_FIELD_DEFAULT)
			to = put_answer(to, answers->defaults, answers->default_row, encoder->held.default_field[column]);
		else
			to = (char *) memcpy(to, tuple, size) + size;
		tuple += size;
	}
	return to;
}

// The table whose first row that is still held is the first of all; NULL: none is held.
static struct pg_table_encoder *first_in_line(struct pg_encoder *encoder, struct pg_held_row *ret_row)
{
	struct pg_table_encoder *first = NULL;
	for (size_t i = 0; i < encoder->conf.n_tables; i++) {
		const struct pg_held *held = &encoder->table[i].held;
		struct pg_held_row row;
		if (held->released == held->rows.size)
			continue;
		memcpy(&row, held->rows.data + held->released, sizeof row);
		if (!first || row.number < ret_row->number) {
			first = &encoder->table[i];
			*ret_row = row;
		}
	}
	return first;
}

static bool release_row(struct pg_table_encoder *encoder, const struct pg_held_row *row, kd_buf *out)
{
	struct pg_held *held = &encoder->held;
	struct pg_answers *answers = &held->answers;
	const char *tuple = held->rows.data + held->released + sizeof *row;
	size_t room = row->size;
	if (row->waits & PG_WAIT_VERDICT)
		room += answer_size(answers->verdicts, answers->verdict);
	if (row->waits & PG_WAIT_DEFAULTS)
		room += answer_size(answers->defaults, answers->default_row);
	char *to = pg_frame_begin_row(&encoder->frame, out, encoder->order, pg_get16(tuple), room);
	if (!to)
		return false;
	if (row->waits)
		to = fill_tuple(encoder, tuple, to);
	else
		to = (char *) memcpy(to, tuple, row->size) + row->size;
	pg_frame_end_row(&encoder->frame, out, to);
	answers->verdict += (row->waits & PG_WAIT_VERDICT) != 0;
	answers->default_row += (row->waits & PG_WAIT_DEFAULTS) != 0;
	held->released += sizeof *row + row->size;
	return true;
}

static bool release_rows(struct pg_encoder *encoder, kd_buf *out)
{
	struct pg_held_row row = {0};
	for (struct pg_table_encoder *first; (first = first_in_line(encoder, &row));)
		if (!release_row(first, &row, out))
			return false;
	return true;
}

static void drop_answers(struct pg_held *held)
{
	PQclear(held->answers.verdicts);
	PQclear(held->answers.defaults);
	held->answers = (struct pg_answers) {0};
	held->released = 0;
}

kd_code pg_held_release(struct pg_encoder *encoder, kd_buf *out, kd_error *err)
{
	size_t size_before = out->size;
	kd_code code = ask_all(encoder, err);
	if (!code && !release_rows(encoder, out)) {
		out->size = size_before;
		code = no_memory(err);
	}
	for (size_t i = 0; i < encoder->conf.n_tables; i++) {
		struct pg_held *held = &encoder->table[i].held;
		encoder->stats.judged += code ? 0 : (int64_t) held->n_documents;
		encoder->stats.defaults += code ? 0 : (int64_t) held->n_defaults;
		drop_answers(held);
	}
	if (!code)
		pg_held_forget(encoder);
	return code;
}
