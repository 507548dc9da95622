/* SPDX-License-Identifier: Apache-2.0 */
/* The judge of values is PostgreSQL itself: whatever our encoder and COPY store equals what json_populate_record
 * stores, and what that refuses we refuse, naming record, column and reason. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_values_twin.h"

static const char *const types[] = {"boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric",
	"numeric(12,2)", "numeric(3,0)", "text", "varchar(5)", "char(5)", "bytea", "uuid", "date", "time", "time(3)",
	"timestamp", "timestamp(2)", "timestamptz", "timestamptz(0)", "json", "jsonb"};

#define N(array) (sizeof(array) / sizeof *(array))

static uint64_t seed(void)
{
	const char *given = getenv("KD_SEED");
	uint64_t value = given ? strtoull(given, NULL, 10) : 20260101;
	printf("KD_SEED=%llu\n", (unsigned long long) value);
	return value;
}

/* For messages: at most 80 bytes of a document. */
static const char *show(const document *doc)
{
	static char text[512];
	size_t n = 0;
	for (size_t i = 0; i < doc->size && i < 80; i++) {
		unsigned char c = (unsigned char) doc->text[i];
		n += (size_t) snprintf(text + n, sizeof text - n, c < 0x20 || c == 0x7F ? "\\x%02x" : "%c", c);
	}
	return text;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The rows of `ours` against what was expected of the documents whose numbers they carry. */
static void compare_rows(twin *t, const char *type, const corpus *set, const outcome *expected)
{
	PGresult *rows = kt_pg_query(&t->pg,
		"select kafka_offset, format('%%s', c), c is null from ours order by kafka_offset");
	for (int row = 0; row < PQntuples(rows); row++) {
		size_t i = strtoul(PQgetvalue(rows, row, 0), NULL, 10);
		const char *stored = *PQgetvalue(rows, row, 2) == 't' ? NULL : PQgetvalue(rows, row, 1);
		cr_expect(same_text(stored, expected[i].text), "%s: %s is stored as %.60s, not %.60s", type,
			show(&set->document[i]), stored ? stored : "null", expected[i].text ? expected[i].text : "null");
	}
	PQclear(rows);
	kt_pg_exec(&t->pg, "truncate ours");
}

/* All documents that the server takes, in one batch. */
static void check_taken(twin *t, const char *type, const corpus *set, const outcome *expected)
{
	kd_batch_partition batch = twin_batch(t);
	kd_buf out = {0};
	int64_t taken = 0;
	for (size_t i = 0; i < set->n; i++) {
		kd_error err = {0};
		if (*expected[i].state)
			continue;
		cr_assert(!twin_encode(t->judged, &batch, set, i, &out, &err), "%s: %s: %s", type, show(&set->document[i]),
			err.message);
		taken++;
	}
	kd_error err = {0};
	cr_assert(!pg_flush(t->judged, &batch, &out, &err), "%s: %s", type, err.message);
	cr_assert_eq(twin_land(t->pg.conn, t->columns, &out), taken);
	compare_rows(t, type, set, expected);
	kd_buf_done(&out);
}

/* Each document that the server refuses, by itself. */
static void check_refused(twin *t, const char *type, const corpus *set, const outcome *expected)
{
	kd_buf out = {0};
	for (size_t i = 0; i < set->n; i++) {
		if (!*expected[i].state)
			continue;
		kd_error err = {0};
		kd_batch_partition batch = twin_batch(t);
		kd_code code = twin_encode(t->judged, &batch, set, i, &out, &err);
		if (!code)
			code = pg_flush(t->judged, &batch, &out, &err);
		cr_expect(code == KD_ERECORD && err.action == KD_STOP && err.offset == (int64_t) i &&
			strcmp(err.sqlstate, expected[i].state) == 0, "%s: %s: expected %s, got %s %s %s", type,
			show(&set->document[i]), expected[i].state, kd_code_name(code), err.sqlstate, err.message);
		cr_expect(strstr(err.message, "column \"c\": ") == err.message || strstr(err.message, "the value is not") ==
			err.message, "%s: %s: %s", type, show(&set->document[i]), err.message);
	}
	kd_buf_done(&out);
}

/* The encoder that cannot ask may refuse anything, but what it takes must be right. */
static void check_alone(twin *t, const char *type, const corpus *set, const outcome *expected)
{
	kd_batch_partition batch = twin_batch(t);
	kd_buf out = {0};
	for (size_t i = 0; i < set->n; i++) {
		kd_error err = {0};
		if (!twin_encode(t->alone, &batch, set, i, &out, &err))
			cr_expect(!*expected[i].state, "%s: %s is taken, the server says %s", type, show(&set->document[i]),
				expected[i].state);
		else
			cr_expect_eq(err.code, KD_ERECORD, "%s", err.message);
	}
	kd_error err = {0};
	cr_assert(!pg_flush(t->alone, &batch, &out, &err), "%s", err.message);
	twin_land(t->pg.conn, t->columns, &out);
	compare_rows(t, type, set, expected);
	kd_buf_done(&out);
}

static void check_types(const corpus *set)
{
	for (size_t i = 0; i < N(types); i++) {
		twin t;
		twin_open(&t, types[i]);
		outcome *expected = twin_expect(&t, set);
		check_taken(&t, types[i], set, expected);
		check_refused(&t, types[i], set, expected);
		check_alone(&t, types[i], set, expected);
		const struct pg_encoder_stats *alone = pg_encoder_stats(t.alone), *judged = pg_encoder_stats(t.judged);
		printf("%-16s %zu documents, %lld plain, %lld judged\n", types[i], set->n, (long long) alone->records,
			(long long) judged->judged);
		fflush(stdout);
		outcomes_free(expected, set->n);
		twin_close(&t);
	}
}

Test(pg_values, every_odd_value_is_stored_or_refused_as_the_server_does)
{
	corpus set;
	corpus_of_values(&set, seed());
	check_types(&set);
	corpus_free(&set);
}

Test(pg_values, every_odd_document_is_taken_or_refused_as_the_server_does)
{
	corpus set;
	corpus_of_documents(&set);
	check_types(&set);
	corpus_free(&set);
}
