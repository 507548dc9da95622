/* SPDX-License-Identifier: Apache-2.0 */
/* A record's bytes into binary COPY, for a table with a column of every type: what is encoded is whole tuples, and what
 * only a server could judge is refused without one.
 *
 * The input is the record's value. */
#include "fuzz.h"

#include "sinks/postgres/pg_encode.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define COLUMN(letter, number, text) \
	{.name = (letter), .quoted = "\"" letter "\"", .type = (number), .typmod = -1, .type_text = (text)}

static struct pg_column columns[] = {COLUMN("a", PG_BOOL, "boolean"), COLUMN("b", PG_BYTEA, "bytea"),
	COLUMN("c", PG_INT8, "bigint"), COLUMN("d", PG_INT2, "smallint"), COLUMN("e", PG_INT4, "integer"),
	COLUMN("f", PG_TEXT, "text"), COLUMN("g", PG_JSON, "json"), COLUMN("h", PG_FLOAT4, "real"),
	COLUMN("i", PG_FLOAT8, "double precision"), COLUMN("j", PG_BPCHAR, "character"),
	COLUMN("k", PG_VARCHAR, "character varying"), COLUMN("l", PG_DATE, "date"),
	COLUMN("m", PG_TIME, "time without time zone"), COLUMN("n", PG_TIMESTAMP, "timestamp without time zone"),
	COLUMN("o", PG_TIMESTAMPTZ, "timestamp with time zone"), COLUMN("p", PG_NUMERIC, "numeric"),
	COLUMN("q", PG_UUID, "uuid"), COLUMN("r", PG_JSONB, "jsonb")};
static struct pg_columns table = {.schema = "public", .table = "t", .qualified = "\"public\".\"t\"", .column = columns,
	.n = N(columns), .utf8 = true};
static const pg_table tables = {.written = (char *) "t", .columns = &table};
static struct pg_encoder *encoder;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const kd_logger silent;
	struct pg_encoder_conf conf = {.tables = &tables, .n_tables = 1, .log = &silent};
	kd_error err = {0};

	(void) argc, (void) argv;
	fuzz_check(!pg_columns_choose(&table, PG_LAYOUT_FIELDS, PG_FORMAT_RAW, &err), "%s", err.message);
	fuzz_check(!pg_encoder_open(&conf, &encoder, &err), "%s", err.message);
	return 0;
}

static uint32_t number(const unsigned char *at, int bytes)
{
	uint32_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | at[i];
	return n;
}

/* A tuple: the count of its fields, then each as a length (-1: null) and so many bytes. */
static void walk(const struct pg_frame *frame)
{
	const unsigned char *at = (const unsigned char *) frame->tuples, *end = at + frame->size;

	for (uint32_t row = 0; row < frame->rows; row++) {
		fuzz_check(end - at >= 2 && number(at, 2) == frame->n_columns, "a tuple of other columns");
		at += 2;
		for (size_t i = 0; i < frame->n_columns; i++) {
			fuzz_check(end - at >= 4, "a tuple is cut off");
			int32_t size = (int32_t) number(at, 4);
			at += 4;
			fuzz_check(size >= -1 && size <= end - at, "a field of %d bytes", (int) size);
			at += size > 0 ? size : 0;
		}
	}
	fuzz_check(at == end, "%td bytes behind the last tuple", end - at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const kd_batch_partition batch = {.job = "j", .topic = "t", .range = {0, INT64_MAX}};
	static int64_t offset;
	kd_record record = {.offset = offset++, .timestamp_ms = -1, .value = data, .value_size = size};
	kd_buf out = {0};
	kd_error err = {0};
	uint32_t rows = 0;
	struct pg_frame frame;

	kd_code code = pg_encode(encoder, &batch, &record, &out, &rows, &err);
	if (!code)
		code = pg_flush(encoder, &batch, &out, &err);
	fuzz_check(!code || err.message[0], "refused without a reason");
	for (size_t at = 0; !code && pg_frame_next(out.data, out.size, &at, &frame);)
		walk(&frame);
	kd_buf_done(&out);
	return 0;
}
