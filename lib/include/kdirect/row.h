/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/row.h: a record on its way to the sink, as fields that can be read and changed.
 *
 * A row begins as one Kafka record.  A decoder gives it fields (bytes -> fields), a transform reads and changes them,
 * and kd_emit hands it on.  A row whose fields were never changed is handed on as the record's own bytes; a changed one
 * is written as one JSON object: that is what every sink reads, so a field lands in the column of its name, and a Kafka
 * or a file sink gets the document.  Fields that a decoder made of other bytes (csv) are such a change, but for a sink
 * whose layout is raw: there a row that the transform did not change is the record, byte for byte.
 *
 * Names and values are borrowed: what kd_row_get gives is valid until the call ends, also when the row has been changed
 * since; what a setter is given is copied.  Setters do not fail one by one: a row that ran out of memory says so when it
 * is emitted.  So the shortest code is right:
 *
 *     static kd_code apply(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
 *     {
 *             kd_value amount;
 *             (void) state, (void) batch;
 *             if (!kd_row_get(row, "amount", &amount) || amount.type == KD_VALUE_NULL)
 *                     return KD_OK;                      // dropped, and counted
 *             kd_row_set_text(row, "card", "****", 4);   // changed
 *             return kd_emit(out, row, err);             // kept
 *     }
 */
#ifndef KDIRECT_ROW_H
#define KDIRECT_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdirect/error.h"
#include "kdirect/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kd_value_type {
	KD_VALUE_NULL,
	KD_VALUE_BOOL,
	KD_VALUE_NUMBER, /* text: the number as it is written, never rounded */
	KD_VALUE_TEXT,   /* text: UTF-8, unescaped */
	KD_VALUE_OBJECT, /* text: the JSON object as it is written */
	KD_VALUE_ARRAY   /* text: the JSON array as it is written */
} kd_value_type;

typedef struct kd_row kd_row;

typedef struct kd_value {
	kd_value_type type;
	bool boolean;     /* KD_VALUE_BOOL */
	const char *text; /* not NUL-terminated; NULL for NULL and BOOL */
	size_t size;      /* bytes */
	kd_row *row;      /* whose it is: where what an element or a member says is unescaped.  A kd_value of one's own, whose
	                   * elements or members are to be read, needs one */
} kd_value;

/* Where a transform's rows go. */
typedef struct kd_rows kd_rows;

/* ---- reading ---- */

/* The record that the row began as: key, value, timestamp, offset, headers (kd_record_header). */
KD_API const kd_record *kd_row_record(const kd_row *row);

/* The field of this name; the last one where a document repeats it.  False: there is none. */
KD_API bool kd_row_get(kd_row *row, const char *name, kd_value *ret_value);

/* The i-th field, in the order of the document.  False past the last. */
KD_API bool kd_row_at(kd_row *row, size_t i, const char **ret_name, size_t *ret_name_size, kd_value *ret_value);

/* Numbers, also of text that spells one (csv knows no other).  False where the value is no number, or none that the
 * type holds exactly (int: 1.0 and 1e2 are whole) or at all (double: rounded, but never to infinity).  No locale
 * counts. */
KD_API bool kd_value_int(const kd_value *value, int64_t *ret_number);
KD_API bool kd_value_double(const kd_value *value, double *ret_number);

/* Is it this text? */
KD_API bool kd_value_is(const kd_value *value, const char *text);

/* Steps through an array's elements, or an object's members as they stand there, repeats too.  position starts at 0.
 * False at the end, and where the value is of another type. */
KD_API bool kd_value_element(const kd_value *array, size_t *position, kd_value *ret_value);
KD_API bool kd_value_member(const kd_value *object, size_t *position, const char **ret_name, size_t *ret_name_size,
	kd_value *ret_value);

/* ---- changing ---- */

/* Set a field, or add it at the end.  text and names must be UTF-8, text without NUL bytes; number is a JSON number as
 * text; json is one whole JSON value; a time lies in the years 1 to 9999.  Else kd_emit refuses the record. */
KD_API void kd_row_set_null(kd_row *row, const char *name);
KD_API void kd_row_set_bool(kd_row *row, const char *name, bool value);
KD_API void kd_row_set_int(kd_row *row, const char *name, int64_t value);
KD_API void kd_row_set_double(kd_row *row, const char *name, double value); /* not finite: null */
KD_API void kd_row_set_number(kd_row *row, const char *name, const char *number, size_t size);
KD_API void kd_row_set_text(kd_row *row, const char *name, const char *text, size_t size);
KD_API void kd_row_set_bytes(kd_row *row, const char *name, const void *bytes, size_t size); /* \x..., as bytea reads */
/* RFC 3339, UTC; -1, which is how Kafka says that a record has no timestamp: null. */
KD_API void kd_row_set_time(kd_row *row, const char *name, int64_t ms_since_1970);
KD_API void kd_row_set_json(kd_row *row, const char *name, const char *json, size_t size);
KD_API void kd_row_set_value(kd_row *row, const char *name, const kd_value *value);

/* A field that is not there is none to remove or rename. */
KD_API void kd_row_remove(kd_row *row, const char *name);
/* The field keeps its place; another one of the new name goes. */
KD_API void kd_row_rename(kd_row *row, const char *name, const char *new_name);
/* No fields, ready for new ones; a value set as bytes goes too.  Key and table stay. */
KD_API void kd_row_clear(kd_row *row);
/* The object's members become the row's fields, after those that it has, or in place of those of the same name.  For a
 * decoder, and for splitting. */
KD_API void kd_row_read_object(kd_row *row, const kd_value *object);

/* The record's key or value as bytes (NULL: a null one).  A value set like this is handed on instead of fields, until
 * kd_row_clear.  For jobs whose records are not made of fields. */
KD_API void kd_row_set_record_key(kd_row *row, const void *bytes, size_t size);
KD_API void kd_row_set_record_value(kd_row *row, const void *bytes, size_t size);

/* Where the row goes: NULL or "" the sink's own table (topic, folder), else one that sink.tables names; another name is
 * the sink's configuration error when the row is handed on. */
KD_API void kd_row_set_table(kd_row *row, const char *table);

/* ---- handing on ---- */

/* Hands the row on as it is now; it may be changed and handed on again (splitting).  All rows of a record, in all
 * tables, are committed in one transaction.  A record that nothing is emitted for is dropped, and counted.  KD_ERECORD
 * where a setter was given what no sink can take; errors of the sink are passed on as they are.  An error ends
 * the record even where it is not passed on: nothing is lost by a transform that does not look. */
KD_API kd_code kd_emit(kd_rows *out, kd_row *row, kd_error *err) KD_CHECK;

#ifdef __cplusplus
}
#endif
#endif
