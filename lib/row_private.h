/* SPDX-License-Identifier: Apache-2.0 */
/* row_private: a row from the inside.
 *
 * Fields point into the record wherever they can; what a setter is given, and what has to be unescaped, lies in an
 * arena that is reused from record to record.  So a row that is read, changed in a few fields and handed on copies each
 * byte once, into the document that the sink reads, and allocates nothing.
 *
 * A document may repeat a name; the last one wins.  To find that out without comparing every name with every other, a
 * row remembers the order of names that documents came with so far (the shape), all distinct: a document whose names
 * follow that order repeats none, and its keys are compared with the expected one instead of being scanned. */
#ifndef KD_ROW_PRIVATE_H
#define KD_ROW_PRIVATE_H

#include "kdirect/json.h"
#include "kdirect/row.h"
#include "row_arena.h"

#define KD_SHAPE_MOST 64       /* names remembered */
#define KD_SHAPE_NAME_BYTES 64 /* longer ones are not */

enum kd_field_is {
	KD_FIELD_READ = 1,       /* name and value stand as they are, one behind the other, in a document */
	KD_FIELD_SPELL_NAME = 2, /* the name cannot stand in JSON as it is */
	KD_FIELD_SPELL_TEXT = 4, /* the value's text cannot */
	KD_FIELD_PLAIN = 8       /* plain is there */
};

/* is: of the enum above.  plain: of an escaped string what it means, once somebody asked. */
typedef kd_json_field kd_field;

typedef struct kd_shape {
	struct kd_shape_name {
		size_t size;
		char text[KD_SHAPE_NAME_BYTES];
	} names[KD_SHAPE_MOST];
	size_t n;
} kd_shape;

/* Names -> fields, for rows of so many that looking through them would not do.  Built when it is asked, and forgotten
 * when a field goes. */
typedef struct kd_row_index {
	uint32_t *slots; /* a field's number + 1; 0: free */
	size_t capacity; /* a power of two */
	size_t n;        /* fields in it */
	uint64_t seed;   /* nobody outside knows it, so that nobody can make names collide */
} kd_row_index;

struct kd_row {
	kd_record record;
	kd_field *fields;
	size_t n, capacity;
	bool changed;       /* the fields are no longer what the record's own value says */
	bool is_document;   /* the record's own value is a JSON object, and was read */
	uint8_t flags;      /* KD_JSON_WIDE, KD_JSON_DEEP: of all that was read and set */
	bool value_set, key_set; /* replaced as bytes */
	const void *key, *value;
	size_t key_size, value_size;
	const char *table; /* NULL: the sink's own */
	struct {
		kd_code code; /* KD_OK: none */
		char message[256];
	} problem; /* the first that a setter met */
	kd_arena arena;
	kd_row_index index;
	kd_buf document; /* the JSON object, once it is written */
	kd_json_fields handed_on; /* what spares the sink reading it */
	kd_shape shape;
	kd_json json;
};

/* NULL without memory. */
kd_row *kd_row_new(void);
void kd_row_free(kd_row *row);

/* The row is this record now, and has no fields.  The record must stay until the next one begins. */
void kd_row_begin(kd_row *row, const kd_record *record);

/* The members of a JSON object that lies in the record, or in the arena, become fields.  False: it is not one object;
 * *ret_good: how many bytes of it were good.  Without memory the row has a problem. */
bool kd_row_read(kd_row *row, const char *text, size_t size, size_t *ret_good);

/* Adds a field, or gives the one of that name, for a value to be put in; NULL without memory (the row has a problem).
 * The name must be valid as long as the row. */
kd_field *kd_row_put(kd_row *row, const char *name, size_t name_size);

/* NULL: there is none. */
kd_field *kd_row_find(kd_row *row, const char *name, size_t name_size);
/* Room for more; false without memory (the row has a problem). */
bool kd_row_more_fields(kd_row *row);

/* Adds a field that is known to be a new one, for a value to be put in; NULL without memory. */
static inline kd_field *kd_row_append(kd_row *row, const char *name, size_t name_size)
{
	if (row->n == row->capacity && !kd_row_more_fields(row))
		return NULL;
	kd_field *field = &row->fields[row->n++];
	field->name = name;
	field->name_size = name_size;
	field->is = 0;
	return field;
}

/* Gives a field a value; text is JSON as it is, and valid as long as the row.  flags: as the scanner's. */
static inline void kd_field_put(kd_field *field, kd_json_kind kind, const char *text, size_t size, uint8_t flags)
{
	field->value = (kd_json_value) {.text = text, .size = size, .kind = (uint8_t) kind, .flags = flags};
	field->is &= KD_FIELD_SPELL_NAME;
}

/* Puts text into a field; it must be UTF-8 without NUL bytes, and valid as long as the row. */
void kd_field_put_text(kd_field *field, const char *text, size_t size);

/* Forgets the index; it is built again when it is needed. */
void kd_row_index_forget(kd_row_index *index);
void kd_row_index_done(kd_row_index *index);
kd_field *kd_row_index_find(kd_row *row, const char *name, size_t size);

/* What the sink is to get: the record as the row has made it, valid until the row is changed. */
kd_code kd_row_result(kd_row *row, kd_record *ret_record, kd_error *err) KD_CHECK;

void kd_row_problem(kd_row *row, kd_code code, const char *format, ...) KD_PRINTF(3, 4);
void kd_row_no_memory(kd_row *row);

/* Can these bytes stand in a JSON string?  As they are (all ASCII, or not), spelled with escapes, or not at all (no
 * UTF-8, or a NUL). */
typedef enum kd_spelling {
	KD_SPELLING_ASCII,
	KD_SPELLING_AS_IS,
	KD_SPELLING_ESCAPED,
	KD_SPELLING_NONE
} kd_spelling;
kd_spelling kd_spelling_of(const char *text, size_t size);

/* What a JSON value is to a reader of the row.  False without memory. */
bool kd_row_value(kd_row *row, const kd_json_value *json, kd_value *ret_value);

#endif
