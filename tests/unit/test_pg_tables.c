// SPDX-License-Identifier: Apache-2.0
// Several tables, without a server: which one a name means, the frames of each, and which row a line of a COPY is.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sinks/postgres/pg_encode.h"
#include "sinks/postgres/pg_lines.h"

#define N(array) (sizeof(array) / sizeof *(array))

/* ---- lines ---- */

Test(pg_lines, a_line_leads_back_to_its_row)
{
	static const struct {
		int64_t row, n;
	} runs[] = {{1, 1}, {5, 1}, {6, 2}, {9, 1}, {10, 90}, {1000, 3}};
	pg_lines lines = {0}, twice = {0};
	cr_assert_eq(pg_lines_row(&lines, 1), 0);
	for (size_t i = 0; i < N(runs); i++)
		cr_assert(pg_lines_add(&lines, runs[i].row, runs[i].n));
	cr_expect_eq(lines.n, 4, "what follows on costs nothing");
	cr_assert(pg_lines_append(&twice, &lines) && pg_lines_append(&twice, &lines));
	int64_t line = 1;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < N(runs); i++)
			for (int64_t k = 0; k < runs[i].n; k++, line++)
				cr_expect_eq(pg_lines_row(&twice, line), runs[i].row + k, "line %lld", (long long) line);
	cr_expect_eq(twice.lines, line - 1);
	cr_expect_eq(pg_lines_row(&twice, line), 0);
	cr_expect_eq(pg_lines_row(&twice, 0), 0);
	pg_lines_clear(&twice);
	cr_expect_eq(pg_lines_row(&twice, 1), 0);
	pg_lines_done(&lines);
	pg_lines_done(&twice);
}

/* ---- tables ---- */

static struct pg_column order_columns[] = {
	{.name = "a", .quoted = "\"a\"", .type = PG_INT4, .typmod = -1, .type_text = "integer"},
};
static struct pg_column line_columns[] = {
	{.name = "b", .quoted = "\"b\"", .type = PG_INT4, .typmod = -1, .type_text = "integer"},
	{.name = "kafka_offset", .quoted = "\"kafka_offset\"", .type = PG_INT8, .typmod = -1, .type_text = "bigint"},
};
static struct pg_columns orders = {.schema = "public", .table = "orders", .qualified = "\"public\".\"orders\"",
	.column = order_columns, .n = N(order_columns), .utf8 = true};
static struct pg_columns lines_of = {.schema = "public", .table = "lines", .qualified = "\"public\".\"lines\"",
	.column = line_columns, .n = N(line_columns), .utf8 = true};

static const pg_table tables[] = {
	{.written = (char *) "Orders", .schema = (char *) "public", .table = (char *) "orders",
		.target = (char *) "public.orders", .columns = &orders},
	{.written = (char *) "public.lines", .schema = (char *) "public", .table = (char *) "lines",
		.target = (char *) "public.lines", .columns = &lines_of},
	{.written = (char *) "old.orders", .schema = (char *) "old", .table = (char *) "orders",
		.target = (char *) "old.orders"},
};

Test(pg_tables_names, a_name_means_one_table_or_none)
{
	static const struct {
		const char *name;
		int table; /* -1: none */
	} rows[] = {{"Orders", 0}, {"public.orders", 0}, {"public.lines", 1}, {"lines", 1}, {"old.orders", 2},
		{"orders", -1}, {"line", -1}, {"public.line", -1}, {"old.lines", -1}, {"", -1}};
	for (size_t i = 0; i < N(rows); i++) {
		const pg_table *found = pg_tables_find(tables, N(tables), rows[i].name);
		cr_expect_eq(found ? (int) (found - tables) : -1, rows[i].table, "%s", rows[i].name);
	}
}

static struct pg_encoder *open_two(void)
{
	struct pg_encoder_conf conf = {.tables = tables, .n_tables = N(tables)};
	struct pg_encoder *encoder;
	kd_error err = {0};
	cr_assert(!pg_columns_choose(&orders, PG_LAYOUT_FIELDS, PG_FORMAT_RAW, &err), "%s", err.message);
	cr_assert(!pg_columns_choose(&lines_of, PG_LAYOUT_FIELDS, PG_FORMAT_RAW, &err), "%s", err.message);
	cr_assert(!pg_encoder_open(&conf, &encoder, &err), "%s", err.message);
	return encoder;
}

static kd_code put(struct pg_encoder *encoder, int64_t offset, const char *table, const char *text, kd_buf *out,
	kd_error *err)
{
	kd_batch_partition batch = {.topic = "t", .partition = 4, .range = {0, 100}};
	uint32_t rows = 0;
	kd_record record = {.offset = offset, .timestamp_ms = -1, .value = text, .value_size = strlen(text), .table = table};
	kd_code code = pg_encode(encoder, &batch, &record, out, &rows, err);
	cr_expect_eq(rows, !code);
	return code;
}

Test(pg_tables_frames, a_frame_holds_rows_of_one_table_in_the_order_of_the_records)
{
	static const struct {
		const char *table, *text;
	} rows[] = {{NULL, "{\"a\": 1}"}, {"", "{\"a\": 2}"}, {"public.lines", "{\"b\": 3}"}, {"lines", "{\"b\": 4}"},
		{"Orders", "{\"a\": 5}"}, {"lines", "{\"b\": 6}"}};
	static const struct {
		unsigned table, rows;
		const char *sql;
	} frames[] = {{0, 2, "COPY \"public\".\"orders\" (\"a\")"}, {1, 2, "COPY \"public\".\"lines\" (\"b\", \"kafka_offset\")"},
		{0, 1, "COPY \"public\".\"orders\" (\"a\")"}, {1, 1, "COPY \"public\".\"lines\" (\"b\", \"kafka_offset\")"}};
	struct pg_encoder *encoder = open_two();
	kd_buf out = {0};
	kd_error err = {0};
	for (size_t i = 0; i < N(rows); i++) /* two rows a record */
		cr_assert(!put(encoder, (int64_t) i / 2, rows[i].table, rows[i].text, &out, &err), "%s", err.message);
	struct pg_frame frame, first;
	size_t position = 0, i = 0;
	for (; pg_frame_next(out.data, out.size, &position, &frame); i++) {
		kd_buf sql = {0};
		cr_assert_lt(i, N(frames));
		cr_expect_eq(frame.table, frames[i].table);
		cr_expect_eq(frame.rows, frames[i].rows);
		first = i == 0 ? frame : first;
		cr_expect_eq(pg_frame_same_columns(&frame, &first), frame.table == first.table);
		cr_assert(pg_frame_copy_sql(tables[frame.table].columns, &frame, &sql) && kd_buf_append(&sql, "", 1));
		cr_expect_eq(strncmp(sql.data, frames[i].sql, strlen(frames[i].sql)), 0, "%s", sql.data);
		kd_buf_done(&sql);
	}
	cr_expect_eq(i, N(frames));
	kd_buf_done(&out);
	pg_encoder_close(encoder);
}

Test(pg_tables_frames, a_table_that_is_not_named_stops_and_says_where_to_name_it)
{
	struct pg_encoder *encoder = open_two();
	kd_buf out = {0};
	kd_error err = {0};
	cr_expect_eq(put(encoder, 7, "customers", "{}", &out, &err), KD_ECONFIG);
	cr_expect_eq(err.action, KD_STOP);
	cr_expect_str_eq(err.message,
		"could not store \"t/4@7\": its row goes to table \"customers\", which \"sink.tables\" does not name");
	kd_error_clear(&err);
	cr_expect_eq(put(encoder, 7, "old.orders", "{}", &out, &err), KD_ETARGET, "named, but not there");
	cr_expect_eq(out.size, 0);
	kd_buf_done(&out);
	pg_encoder_close(encoder);
}
