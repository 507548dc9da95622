/* SPDX-License-Identifier: Apache-2.0 */
/* file_row: values as JSON and as CSV, and the coordinates of a written row read again.  Pure.
 *
 * A JSON line begins with its coordinates, in this order and without spaces:
 *     {"kafka_topic":"orders","kafka_partition":3,"kafka_offset":1000,...}
 * CSV is that of RFC 4180, with line feeds; an unquoted empty value is a null, a quoted one is empty text (as PostgreSQL
 * writes and reads it). */
#ifndef KD_FILE_ROW_H
#define KD_FILE_ROW_H

#include <kdirect/types.h>

/* Appends `,"name":` with the text, or `,"name_base64":` where the bytes are not text (UTF-8 without NUL), or a null. */
bool file_put_either(kd_buf *out, const char *name, const void *bytes, size_t size) KD_CHECK;
/* Appends the headers of a record as a JSON array, in their order: {"name": ..., "text": ...}, or name_base64 and
 * base64 where the bytes are not text; a null value is "text": null.  Without headers: null. */
bool file_put_headers(kd_buf *out, const kd_record *record) KD_CHECK;
/* Appends JSON that is known to be good, without the white space between its tokens. */
bool file_put_compact(kd_buf *out, const char *json, size_t size) KD_CHECK;
/* Appends a CSV value, in quotes where it needs them. */
bool file_put_csv(kd_buf *out, const char *text, size_t size) KD_CHECK;

typedef struct file_coordinates {
	const char *topic; /* in the row; not NUL-terminated */
	size_t topic_size;
	int32_t partition;
	int64_t offset;
} file_coordinates;
/* Of a JSON line; false where it does not begin as it must. */
bool file_read_coordinates(const char *line, size_t size, file_coordinates *ret);
/* Of a CSV line whose columns with these indexes hold topic, partition, offset.  text: the line with its quotes. */
bool file_read_csv_coordinates(const char *line, size_t size, const size_t column[3], file_coordinates *ret);
/* The columns kafka_topic, kafka_partition, kafka_offset of a header line; false where one is missing. */
bool file_read_csv_header(const char *line, size_t size, size_t ret_column[3]);
/* The end of the CSV line that begins at text: behind its line feed; NULL where it is not there yet. */
const char *file_csv_line_end(const char *text, size_t size);

#endif
