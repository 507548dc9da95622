// SPDX-License-Identifier: Apache-2.0
// sqlite_row: encoded rows, and the INSERT that stores each shape of them.
#include <stdlib.h>
#include <string.h>

#include "sqlite_sink.h"

size_t sqlite_mask_size(const sqlite_target *target)
{
	return (target->n_columns + 7) / 8;
}

bool sqlite_put_start(kd_buf *out, uint32_t number, const sqlite_target *target, const unsigned char *mask)
{
	size_t size = sqlite_mask_size(target);
	char *to = kd_buf_reserve(out, sizeof number + size);
	if (!to)
		return false;
	memcpy(to, &number, sizeof number);
	memcpy(to + sizeof number, mask, size);
	out->size += sizeof number + size;
	return true;
}

uint32_t sqlite_take_number(const char **cursor)
{
	uint32_t number;
	memcpy(&number, *cursor, sizeof number);
	*cursor += sizeof number;
	return number;
}

bool sqlite_put_null(kd_buf *out)
{
	char tag = SQLITE_TAG_NULL;
	return kd_buf_append(out, &tag, 1);
}

static bool put_eight(kd_buf *out, sqlite_tag tag, const void *eight)
{
	char *to = kd_buf_reserve(out, 9);
	if (!to)
		return false;
	*to = (char) tag;
	memcpy(to + 1, eight, 8);
	out->size += 9;
	return true;
}

bool sqlite_put_int(kd_buf *out, int64_t value)
{
	return put_eight(out, SQLITE_TAG_INT, &value);
}

bool sqlite_put_real(kd_buf *out, double value)
{
	return put_eight(out, SQLITE_TAG_REAL, &value);
}

bool sqlite_put_bytes(kd_buf *out, sqlite_tag tag, const void *bytes, size_t size)
{
	char *to = kd_buf_reserve(out, 9 + size);
	if (!to)
		return false;
	uint64_t length = size;
	*to = (char) tag;
	memcpy(to + 1, &length, 8);
	if (size)
		memcpy(to + 9, bytes, size);
	out->size += 9 + size;
	return true;
}

int sqlite_bind_value(sqlite3_stmt *stmt, int parameter, const char **cursor)
{
	const char *p = *cursor;
	sqlite_tag tag = (sqlite_tag) *p++;
	if (tag == SQLITE_TAG_NULL) {
		*cursor = p;
		return sqlite3_bind_null(stmt, parameter);
	}
	int64_t number;
	double real;
	memcpy(&number, p, 8);
	memcpy(&real, p, 8);
	p += 8;
	*cursor = p;
	switch (tag) {
	case SQLITE_TAG_INT:
		return sqlite3_bind_int64(stmt, parameter, number);
	case SQLITE_TAG_REAL:
		return sqlite3_bind_double(stmt, parameter, real);
	case SQLITE_TAG_TEXT:
		*cursor += number;
		return sqlite3_bind_text64(stmt, parameter, p, (uint64_t) number, SQLITE_STATIC, SQLITE_UTF8);
	default:
		*cursor += number;
		return sqlite3_bind_blob64(stmt, parameter, p, (uint64_t) number, SQLITE_STATIC);
	}
}

/* "insert into t (a, c) values (?, ?)" for the columns in the mask. */
static bool insert_sql(kd_buf *sql, const sqlite_target *target, const unsigned char *mask)
{
	size_t n = 0;
	bool ok = kd_buf_append(sql, "insert into ", 12) && sqlite_quote(sql, target->table);
	for (size_t i = 0; i < target->n_columns && ok; i++)
		if (sqlite_mask_has(mask, i))
			ok = kd_buf_printf(sql, n++ ? ", " : " (") && sqlite_quote(sql, target->columns[i].name);
	if (n == 0)
		return ok && kd_buf_append(sql, " default values", 16);
	ok = ok && kd_buf_printf(sql, ") values (?");
	while (--n > 0 && ok)
		ok = kd_buf_printf(sql, ", ?");
	return ok && kd_buf_append(sql, ")", 2);
}

static int prepare_insert(sqlite3 *db, const sqlite_target *target, const unsigned char *mask, sqlite3_stmt **ret_stmt)
{
	kd_buf sql = {0};
	int rc = SQLITE_NOMEM;
	if (insert_sql(&sql, target, mask))
		rc = sqlite3_prepare_v3(db, sql.data, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL);
	kd_buf_done(&sql);
	return rc;
}

static struct sqlite_insert *longest_unused(sqlite_inserts *inserts)
{
	struct sqlite_insert *oldest = &inserts->entry[0];
	for (size_t i = 1; i < inserts->n; i++)
		if (inserts->entry[i].used < oldest->used)
			oldest = &inserts->entry[i];
	return oldest;
}

static int add_insert(sqlite_inserts *inserts, sqlite3 *db, const sqlite_target *target, const unsigned char *mask,
	struct sqlite_insert **ret_insert)
{
	size_t size = sqlite_mask_size(target);
	unsigned char *copy = malloc(size + 1);
	if (!copy)
		return SQLITE_NOMEM;
	memcpy(copy, mask, size);
	sqlite3_stmt *stmt = NULL;
	int rc = prepare_insert(db, target, mask, &stmt);
	if (rc != SQLITE_OK) {
		free(copy);
		return rc;
	}
	struct sqlite_insert *slot;
	if (inserts->n < SQLITE_INSERTS) {
		slot = &inserts->entry[inserts->n++];
	} else {
		slot = longest_unused(inserts);
		sqlite3_finalize(slot->stmt);
		free(slot->mask);
	}
	*slot = (struct sqlite_insert) {stmt, copy, 0};
	*ret_insert = slot;
	return SQLITE_OK;
}

int sqlite_inserts_find(sqlite_inserts *inserts, sqlite3 *db, const sqlite_target *target, const unsigned char *mask,
	sqlite3_stmt **ret_stmt)
{
	size_t size = sqlite_mask_size(target);
	struct sqlite_insert *found = NULL;
	for (size_t i = 0; i < inserts->n && !found; i++)
		if (!memcmp(inserts->entry[i].mask, mask, size))
			found = &inserts->entry[i];
	if (!found) {
		int rc = add_insert(inserts, db, target, mask, &found);
		if (rc != SQLITE_OK)
			return rc;
	}
	found->used = ++inserts->clock;
	*ret_stmt = found->stmt;
	return SQLITE_OK;
}

void sqlite_inserts_done(sqlite_inserts *inserts)
{
	for (size_t i = 0; i < inserts->n; i++) {
		sqlite3_finalize(inserts->entry[i].stmt);
		free(inserts->entry[i].mask);
	}
	*inserts = (sqlite_inserts) {0};
}
