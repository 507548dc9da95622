// SPDX-License-Identifier: Apache-2.0
// pg_judge: see the header.
//
// json_to_record with the target's columns and types converts as json_populate_record(null::target, ...) does: both are
// populate_record_worker in PostgreSQL's jsonfuncs.c.  It needs no rights on the target, and one statement takes any
// number of documents.  Where the statement is refused, halving finds the first document that is, and then each column
// is asked by itself.
#include "pg_judge.h"

#include <stdlib.h>
#include <string.h>

#include <kdirect/types.h>

#include "pg_judge_ask.h"
#include "pg_values_wire.h"

#define OID_TEXT 25
#define OID_TEXT_ARRAY 1009
#define OID_INT8 20

struct pg_judge {
	const struct pg_columns *columns;
	struct pg_helper *helper;
	char *documents_sql;
	kd_buf parameter; // kept for its memory
};

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not judge values: no memory");
}

// "a" integer, "b" text: the columns among [from, until) that are filled from fields.
static bool append_definitions(const struct pg_columns *columns, size_t from, size_t until, kd_buf *sql)
{
	bool first = true;
	for (size_t i = from; i < until; i++) {
		const struct pg_column *column = &columns->column[i];
		if (column->source != PG_FROM_FIELD)
			continue;
		if (!kd_buf_printf(sql, "%s%s %s", first ? "" : ", ", column->quoted, column->type_text))
			return false;
		first = false;
	}
	return !first || kd_buf_printf(sql, "x text"); // the documents themselves are still judged
}

// NULL without memory.
static char *make_documents_sql(const struct pg_columns *columns, size_t from, size_t until)
{
	static const char end[] = ") order by j.n";
	kd_buf sql = {0};
	if (kd_buf_printf(&sql, "select r.* from unnest($1) with ordinality as j (doc, n) "
			"cross join lateral json_to_record(j.doc::json) as r (") &&
		append_definitions(columns, from, until, &sql) && kd_buf_append(&sql, end, sizeof end))
		return sql.data;
	kd_buf_done(&sql);
	return NULL;
}

struct pg_judge *pg_judge_open(const struct pg_columns *columns, struct pg_helper *helper)
{
	struct pg_judge *judge = calloc(1, sizeof *judge);
	if (!judge)
		return NULL;
	judge->columns = columns;
	judge->helper = helper;
	judge->documents_sql = make_documents_sql(columns, 0, columns->n);
	if (judge->documents_sql)
		return judge;
	pg_judge_close(judge);
	return NULL;
}

void pg_judge_close(struct pg_judge *judge)
{
	if (!judge)
		return;
	free(judge->documents_sql);
	kd_buf_done(&judge->parameter);
	free(judge);
}

// An array of text in PostgreSQL's wire format.
static bool make_array(const struct pg_document *documents, size_t n, kd_buf *out)
{
	size_t size = 20;
	for (size_t i = 0; i < n; i++)
		size += 4 + documents[i].size;
	out->size = 0;
	char *to = kd_buf_reserve(out, size);
	if (!to)
		return false;
	to = pg_put32(to, 1); // dimensions
	to = pg_put32(to, 0); // no nulls
	to = pg_put32(to, OID_TEXT);
	to = pg_put32(to, (uint32_t) n);
	to = pg_put32(to, 1); // the first index
	for (size_t i = 0; i < n; i++)
		to = pg_put_bytes(to, documents[i].text, documents[i].size);
	out->size = size;
	return true;
}

static kd_code ask_documents(struct pg_judge *judge, const char *sql, const struct pg_document *documents, size_t n,
	PGresult **ret_rows, kd_error *err)
{
	if (!make_array(documents, n, &judge->parameter))
		return no_memory(err);
	struct pg_question question = {.sql = sql, .doing = "have the server judge values", .type = OID_TEXT_ARRAY,
		.parameter = judge->parameter.data, .size = judge->parameter.size};
	return pg_helper_ask(judge->helper, &question, ret_rows, err);
}

// Asks only for the verdict: KD_OK, KD_ERECORD or what kept the server from giving one.
static kd_code verdict(struct pg_judge *judge, const char *sql, const struct pg_document *documents, size_t n,
	kd_error *err)
{
	PGresult *rows;
	kd_code code = sql ? ask_documents(judge, sql, documents, n, &rows, err) : no_memory(err);
	if (!code)
		PQclear(rows);
	return code;
}

// One of these n is refused: the first such one moves to *ret_first.
static kd_code find_first(struct pg_judge *judge, const struct pg_document *documents, size_t n, size_t *ret_first,
	kd_error *err)
{
	size_t from = 0, until = n; // all before `from` are good, one in [from, until) is not
	while (until - from > 1) {
		size_t half = from + (until - from) / 2;
		kd_error refusal = {0};
		kd_code code = verdict(judge, judge->documents_sql, documents + from, half - from, &refusal);
		if (code && code != KD_ERECORD) {
			if (err)
				*err = refusal;
			return code;
		}
		if (code)
			until = half;
		else
			from = half;
	}
	*ret_first = from;
	return KD_OK;
}

// Is it this part of the table [from, until) that refuses the document?  Then err says why.
static kd_code ask_part(struct pg_judge *judge, const struct pg_document *document, size_t from, size_t until,
	kd_error *err)
{
	char *sql = make_documents_sql(judge->columns, from, until);
	kd_code code = verdict(judge, sql, document, 1, err);
	free(sql);
	return code;
}

// Says why a document is refused; the whole document comes before its columns.
static kd_code explain(struct pg_judge *judge, const struct pg_document *document, kd_error *err)
{
	kd_code code = ask_part(judge, document, 0, 0, err);
	if (code == KD_ERECORD)
		kd_error_prefix(err, "the value is not a JSON object that PostgreSQL takes");
	for (size_t i = 0; i < judge->columns->n && !code; i++) {
		if (judge->columns->column[i].source != PG_FROM_FIELD)
			continue;
		code = ask_part(judge, document, i, i + 1, err);
		if (code == KD_ERECORD)
			kd_error_prefix(err, "column \"%s\"", judge->columns->column[i].name);
	}
	return code;
}

kd_code pg_judge_documents(struct pg_judge *judge, const struct pg_document *documents, size_t n,
	PGresult **ret_rows, kd_error *err)
{
	kd_error refusal = {0};
	kd_code code = ask_documents(judge, judge->documents_sql, documents, n, ret_rows, &refusal);
	size_t first;
	if (code == KD_ERECORD) {
		kd_code found = find_first(judge, documents, n, &first, err);
		if (found)
			return found;
		kd_error reason = {0};
		kd_code explained = explain(judge, &documents[first], &reason);
		if (explained)
			refusal = reason;
		if (!explained || explained == KD_ERECORD)
			refusal.offset = documents[first].offset;
		code = refusal.code;
	}
	if (code && err && !err->code)
		*err = refusal;
	return code;
}

static bool append_defaults(const struct pg_columns *columns, const uint16_t *index, size_t n, kd_buf *sql)
{
	for (size_t i = 0; i < n; i++) {
		const struct pg_column *column = &columns->column[index[i]];
		if (!kd_buf_printf(sql, "%s(%s)::%s", i ? ", " : "select ", column->default_text, column->type_text))
			return false;
	}
	return kd_buf_append(sql, " from generate_series(1, $1)", sizeof " from generate_series(1, $1)");
}

kd_code pg_judge_defaults(struct pg_judge *judge, const uint16_t *columns, size_t n_columns, size_t n_rows,
	PGresult **ret_rows, kd_error *err)
{
	kd_buf sql = {0};
	char rows[8];
	pg_put64(rows, n_rows);
	struct pg_question question = {.doing = "have the server give the defaults of absent fields", .writes = true,
		.type = OID_INT8, .parameter = rows, .size = sizeof rows};
	kd_code code = KD_OK;
	if (!append_defaults(judge->columns, columns, n_columns, &sql))
		code = no_memory(err);
	question.sql = sql.data;
	if (!code)
		code = pg_helper_ask(judge->helper, &question, ret_rows, err);
	if (code == KD_ERECORD && err) { // no record is to blame for what a default does
		err->code = code = KD_ETARGET;
		kd_error_prefix(err, "could not %s", question.doing);
	}
	kd_buf_done(&sql);
	return code;
}

kd_code pg_judge_jsonb(struct pg_judge *judge, const char *text, size_t size, kd_error *err)
{
	PGresult *rows;
	struct pg_question question = {.sql = "select $1::jsonb is null", .doing = "have the server judge JSON",
		.type = OID_TEXT, .parameter = text, .size = size};
	kd_code code = pg_helper_ask(judge->helper, &question, &rows, err);
	if (!code)
		PQclear(rows);
	return code;
}
