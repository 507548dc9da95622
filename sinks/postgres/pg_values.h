/* SPDX-License-Identifier: Apache-2.0 */
/* pg_values: one JSON value to one field of a binary COPY tuple, where its spelling is plain.
 *
 * Plain means: PostgreSQL's input function of the column's type reads it, and reads it as these functions do.
 * Everything else is left to the server (pg_judge), also what is surely refused: it has the better words.  So each
 * function here may say "not plain" at any time, and must never be wrong. */
#ifndef PG_VALUES_H
#define PG_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include "kdirect/json.h"
#include "pg_columns.h"

/* What a field may take beyond the value's own size: its length word and the fixed part of any type. */
#define PG_VALUE_ROOM 48

/* Writes the whole field (its length first) at `to`, which has room for PG_VALUE_ROOM + value->size bytes; returns its
 * end, or NULL where the value is not plain. */
char *pg_value_write(const struct pg_column *column, const kd_json_value *value, char *to);

/* ---- by kind of type; text is a token, or a string's bytes without escapes ---- */

char *pg_value_int(uint32_t type, const char *text, size_t size, char *to);
char *pg_value_float(uint32_t type, const char *text, size_t size, char *to);
char *pg_value_numeric(int32_t typmod, const char *text, size_t size, char *to);
char *pg_value_date(const char *text, size_t size, char *to);
char *pg_value_time(const char *text, size_t size, char *to);
char *pg_value_timestamp(uint32_t type, const char *text, size_t size, char *to);

/* A Kafka timestamp as PostgreSQL counts; false where it is out of the range of its type. */
bool pg_value_timestamp_ms(int64_t ms, int64_t *ret_microseconds);

#endif
