/* SPDX-License-Identifier: Apache-2.0 */
/* pg_encode_headers: a record's headers as JSON: an array in order, repeats and nulls kept. */
#ifndef PG_ENCODE_HEADERS_H
#define PG_ENCODE_HEADERS_H

#include <kdirect/types.h>

/* Replaces out's content: [{"name":...,"text":...}, ...], "base64" for "text" (and "name_base64" for "name") where the
 * bytes are no text; empty where the record has no headers.  False without memory. */
bool pg_headers_json(const kd_record *record, kd_buf *out) KD_CHECK;

#endif
