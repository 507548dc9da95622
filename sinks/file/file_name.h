/* SPDX-License-Identifier: Apache-2.0 */
/* file_name: names of files and folders: pure.
 *
 *     topic=orders/date=2026-01-31/shop-p3-1000-2000-1769857199999.jsonl.gz
 *
 * A file is JOB-pINDEX-FROM-UNTIL-BATCHTIME, then +TABLE where it is not the sink's own, then the extension.  Whatever
 * comes from outside (topics, tables) is spelled so that it can be no more than a part of a name: letters, digits, - and
 * _ and . as they are, all else, and a dot or underscore at the beginning (readers skip such names), as %XX. */
#ifndef KD_FILE_NAME_H
#define KD_FILE_NAME_H

#include <kdirect/sink.h>

/* Appends text so spelled; false without memory. */
bool file_spell(kd_buf *out, const char *text) KD_CHECK;

/* ---- folders ---- */

/* Parts of a template: literal text, or one of the words. */
typedef enum file_part_kind {
	FILE_PART_TEXT,
	FILE_PART_TOPIC,
	FILE_PART_PARTITION,
	FILE_PART_TABLE,
	FILE_PART_DATE,
	FILE_PART_HOUR
} file_part_kind;

typedef struct file_part {
	file_part_kind kind;
	size_t at, size; /* FILE_PART_TEXT: in the template's text */
} file_part;

#define FILE_PARTS 32
typedef struct file_template {
	char *text; /* with a slash at its end, unless it is empty */
	file_part part[FILE_PARTS];
	size_t n;
} file_template;

/* KD_ECONFIG, STOP where the template is wrong: says what is. */
kd_code file_template_init(file_template *t, const char *text, kd_error *err) KD_CHECK;
void file_template_done(file_template *t);
/* Appends the folders, each with a slash behind it.  Date and hour are of the batch time, in UTC: a repetition gives the
 * same. */
bool file_template_expand(const file_template *t, const kd_batch_partition *batch, const char *table,
	kd_buf *out) KD_CHECK;
/* Appends the first folder, where it is always the same ("" where it is not): what tells targets below one path
 * apart. */
bool file_template_prefix(const file_template *t, const char *table, kd_buf *out) KD_CHECK;

/* ---- files ---- */

/* table NULL: the sink's own. */
bool file_name(kd_buf *out, const kd_batch_partition *batch, const char *table, const char *extension) KD_CHECK;

/* The identifier in a name that begins with it. */
typedef struct file_identifier {
	int32_t partition_index;
	kd_range range;
	int64_t batch_time_ms;
} file_identifier;
/* False where it is none of this job's. */
bool file_name_read(const char *name, const char *job, file_identifier *ret_identifier);

/* ---- times ---- */

#define FILE_TIME_SIZE 40
/* "2026-01-31T23:59:59.999Z"; returns its length. */
size_t file_time_text(int64_t ms, char ret_text[FILE_TIME_SIZE]);

#endif
