/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_text: bytes from Kafka as text that SQLite can hold: what is text, times, headers.  Pure. */
#ifndef KD_SQLITE_TEXT_H
#define KD_SQLITE_TEXT_H

#include "kdirect/types.h"

/* Is it UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF) without a NUL? */
bool sqlite_is_text(const void *bytes, size_t size);

/* Does JSON text hold the escape for NUL?  SQLite cuts a string off there, without a word. */
bool sqlite_json_escapes_nul(const void *bytes, size_t size);

#define SQLITE_TIME_SIZE 40
/* "2026-01-31 23:59:59.999", UTC, as SQLite's own date functions write and read it; returns its length. */
size_t sqlite_time_text(int64_t ms, char ret_text[SQLITE_TIME_SIZE]);

/* Appends the headers of a record as a JSON array, in their order: {"name": ..., "text": ...}, or name_base64 and
 * base64 where the bytes are not text; a null value is "text": null.  *ret_any false: there are none, nothing was
 * appended. */
bool sqlite_headers_json(const kd_record *record, kd_buf *out, bool *ret_any) KD_CHECK;

#endif
