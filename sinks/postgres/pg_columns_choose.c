// SPDX-License-Identifier: Apache-2.0
// pg_columns_choose: raw or fields, and where each column's value comes from; refuses by name what cannot be landed.
#include <string.h>

#include "pg_columns.h"

enum { IN_RAW = 1, IN_FIELDS = 2 };

// The columns that are filled from the record itself, and the types that hold their values whole.
static const struct coordinate {
	const char *name;
	enum pg_source source;
	unsigned layouts;
	uint32_t types[3];
	const char *types_text; // NULL: as sink.format says
} coordinates[] = {
	{"kafka_topic", PG_FROM_TOPIC, IN_RAW | IN_FIELDS, {PG_TEXT, PG_VARCHAR}, "text"},
	{"kafka_partition", PG_FROM_PARTITION, IN_RAW | IN_FIELDS, {PG_INT4, PG_INT8}, "integer"},
	{"kafka_offset", PG_FROM_OFFSET, IN_RAW | IN_FIELDS, {PG_INT8}, "bigint"},
	{"kafka_timestamp", PG_FROM_TIMESTAMP, IN_RAW | IN_FIELDS, {PG_TIMESTAMPTZ, PG_TIMESTAMP},
		"timestamp with time zone"},
	{"kafka_key", PG_FROM_KEY, IN_FIELDS, {PG_BYTEA, PG_TEXT, PG_VARCHAR}, "bytea or text"},
	{"kafka_headers", PG_FROM_HEADERS, IN_FIELDS, {PG_JSONB, PG_JSON, PG_TEXT}, "jsonb"},
	{"key", PG_FROM_KEY, IN_RAW, {0}, NULL},
	{"value", PG_FROM_VALUE, IN_RAW, {0}, NULL},
	{"headers", PG_FROM_HEADERS, IN_RAW, {PG_JSONB, PG_JSON}, "jsonb"},
};

#define N_COORDINATES (sizeof coordinates / sizeof *coordinates)
#define N_RAW 7 // kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, key, value, headers

static const uint32_t supported[] = {PG_BOOL, PG_BYTEA, PG_INT8, PG_INT2, PG_INT4, PG_TEXT, PG_JSON, PG_FLOAT4,
	PG_FLOAT8, PG_BPCHAR, PG_VARCHAR, PG_DATE, PG_TIME, PG_TIMESTAMP, PG_TIMESTAMPTZ, PG_NUMERIC, PG_UUID, PG_JSONB};

static const struct {
	uint32_t type;
	const char *type_text, *word; // the value of sink.format
} formats[] = {
	[PG_FORMAT_RAW] = {PG_BYTEA, "bytea", "raw"},
	[PG_FORMAT_TEXT] = {PG_TEXT, "text", "text"},
	[PG_FORMAT_JSON] = {PG_JSONB, "jsonb", "json"},
};

static bool is_one_of(uint32_t type, const uint32_t *types, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (types[i] == type)
			return true;
	return false;
}

static const struct coordinate *find_coordinate(const char *name, unsigned layout)
{
	for (size_t i = 0; i < N_COORDINATES; i++)
		if (coordinates[i].layouts & layout && strcmp(coordinates[i].name, name) == 0)
			return &coordinates[i];
	return NULL;
}

// How many of the raw layout's columns are there.
static size_t count_raw(const struct pg_columns *columns)
{
	size_t n = 0;
	for (size_t i = 0; i < columns->n; i++)
		n += find_coordinate(columns->column[i].name, IN_RAW) != NULL;
	return n;
}

static kd_code refuse(const struct pg_columns *columns, const struct pg_column *column, const char *reason,
	kd_error *err)
{
	return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use table \"%s.%s\": column \"%s\" is of type %s: %s",
		columns->schema, columns->table, column->name, column->type_text, reason);
}

static kd_code check_coordinate(const struct pg_columns *columns, const struct pg_column *column,
	const struct coordinate *coordinate, kd_error *err)
{
	if (is_one_of(column->type, coordinate->types, sizeof coordinate->types / sizeof *coordinate->types))
		return KD_OK;
	return kd_error_set(err, KD_ETARGET, KD_STOP,
		"could not use table \"%s.%s\": column \"%s\" is of type %s, but what Kafka gives for it needs %s",
		columns->schema, columns->table, column->name, column->type_text, coordinate->types_text);
}

// The raw layout's key and value.
static kd_code check_payload(const struct pg_columns *columns, const struct pg_column *column, kd_error *err)
{
	if (column->type == formats[columns->format].type)
		return KD_OK;
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (column->type == formats[i].type)
			return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use table \"%s.%s\": column \"%s\" is of type "
				"%s, but sink.format \"%s\" writes %s; set sink.format to \"%s\", or change the column's type",
				columns->schema, columns->table, column->name, column->type_text, formats[columns->format].word,
				formats[columns->format].type_text, formats[i].word);
	return refuse(columns, column, "the raw layout writes bytea, text or jsonb (sink.format raw, text, json); set "
		"sink.layout to \"fields\" to fill columns by the names of JSON fields", err);
}

static kd_code choose_raw_column(const struct pg_columns *columns, struct pg_column *column, kd_error *err)
{
	const struct coordinate *coordinate = find_coordinate(column->name, IN_RAW);
	column->source = coordinate ? coordinate->source : PG_FROM_SERVER;
	if (!coordinate)
		return !column->not_null || column->default_text || column->generated ? KD_OK
			: refuse(columns, column, "the raw layout does not fill it, and it is not null without a default", err);
	if (column->generated)
		return refuse(columns, column, "it is generated, but the raw layout fills it", err);
	return coordinate->types_text ? check_coordinate(columns, column, coordinate, err)
		: check_payload(columns, column, err);
}

static kd_code choose_fields_column(const struct pg_columns *columns, struct pg_column *column, kd_error *err)
{
	const struct coordinate *coordinate = find_coordinate(column->name, IN_FIELDS);
	if (column->generated) {
		column->source = PG_FROM_SERVER;
		return KD_OK;
	}
	column->source = coordinate ? coordinate->source : PG_FROM_FIELD;
	if (coordinate)
		return check_coordinate(columns, column, coordinate, err);
	if (is_one_of(column->type, supported, sizeof supported / sizeof *supported))
		return KD_OK;
	return refuse(columns, column, "this type is not supported (boolean, smallint, integer, bigint, real, double "
		"precision, numeric, text, varchar, char, bytea, uuid, date, time, timestamp, timestamptz, json, jsonb are)",
		err);
}

// With sink.layout "raw" the table may have more columns, but must have these.
static kd_code require_raw(const struct pg_columns *columns, kd_error *err)
{
	for (size_t i = 0; i < N_COORDINATES; i++) {
		const char *name = coordinates[i].name;
		bool there = false;
		for (size_t k = 0; k < columns->n && !there; k++)
			there = strcmp(columns->column[k].name, name) == 0;
		if (!there && coordinates[i].layouts & IN_RAW)
			return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use table \"%s.%s\": sink.layout is \"raw\", but "
				"there is no column \"%s\"", columns->schema, columns->table, name);
	}
	return KD_OK;
}

kd_code pg_columns_choose(struct pg_columns *columns, enum pg_layout wish, enum pg_format format, kd_error *err)
{
	bool exactly_raw = columns->n == N_RAW && count_raw(columns) == N_RAW;
	bool raw = wish == PG_LAYOUT_RAW || (wish == PG_LAYOUT_AUTO && exactly_raw);
	columns->layout = raw ? PG_LAYOUT_RAW : PG_LAYOUT_FIELDS;
	columns->format = format;
	kd_code code = raw ? require_raw(columns, err) : KD_OK;
	for (size_t i = 0; i < columns->n && !code; i++) {
		struct pg_column *column = &columns->column[i];
		code = raw ? choose_raw_column(columns, column, err) : choose_fields_column(columns, column, err);
	}
	return code;
}

bool pg_columns_have_offsets(const struct pg_columns *columns)
{
	bool topic = false, partition = false, offset = false;
	for (size_t i = 0; i < columns->n; i++) {
		topic |= columns->column[i].source == PG_FROM_TOPIC;
		partition |= columns->column[i].source == PG_FROM_PARTITION;
		offset |= columns->column[i].source == PG_FROM_OFFSET;
	}
	return topic && partition && offset;
}
