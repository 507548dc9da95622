// SPDX-License-Identifier: Apache-2.0
// file_name: see the header.
#include "file_name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool file_spell(kd_buf *out, const char *text)
{
	bool ok = true;
	for (const char *at = text; ok && *at; at++) {
		bool hides = at == text && (*at == '.' || *at == '_');
		ok = is_plain(*at) && !hides ? kd_buf_append(out, at, 1) : kd_buf_printf(out, "%%%02X", (unsigned char) *at);
	}
	return ok;
}

static void split_time(int64_t ms, struct tm *ret_tm)
{
	time_t seconds = (time_t) (ms / 1000 - (ms % 1000 < 0));
	if (!gmtime_r(&seconds, ret_tm))
		*ret_tm = (struct tm) {.tm_year = 70, .tm_mday = 1};
}

size_t file_time_text(int64_t ms, char ret_text[FILE_TIME_SIZE])
{
	struct tm tm;
	split_time(ms, &tm);
	int64_t rest = ms % 1000 < 0 ? ms % 1000 + 1000 : ms % 1000;
	return (size_t) snprintf(ret_text, FILE_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) rest);
}

/* ---- templates ---- */

static const struct {
	const char *word;
	file_part_kind kind;
} words[] = {{"{topic}", FILE_PART_TOPIC}, {"{partition}", FILE_PART_PARTITION}, {"{table}", FILE_PART_TABLE},
	{"{date}", FILE_PART_DATE}, {"{hour}", FILE_PART_HOUR}};

static kd_code refuse(const char *text, const char *reason, kd_error *err)
{
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use \"%s\" as sink.folders: %s", text, reason);
}

/* No folder may leave the path, be skipped by readers, or be kdirect's own. */
static kd_code check_folders(const char *text, kd_error *err)
{
	for (const char *at = text; *at;) {
		size_t size = strcspn(at, "/");
		if (size == 0)
			return refuse(text, "it has a folder without a name, or begins with a slash", err);
		if (*at == '.' || *at == '_')
			return refuse(text, "a folder begins with a dot or an underscore, and would not be read", err);
		at += size + (at[size] == '/');
	}
	return KD_OK;
}

static kd_code add_part(file_template *t, file_part part, kd_error *err)
{
	if (t->n == FILE_PARTS)
		return refuse(t->text, "it has too many parts", err);
	t->part[t->n++] = part;
	return KD_OK;
}

static kd_code split(file_template *t, kd_error *err)
{
	kd_code code = KD_OK;
	for (size_t at = 0; t->text[at] && !code;) {
		const char *rest = t->text + at;
		size_t w = 0, size = strcspn(rest, "{}");
		if (size > 0) {
			code = add_part(t, (file_part) {FILE_PART_TEXT, at, size}, err);
			at += size;
			continue;
		}
		while (w < sizeof words / sizeof *words && strncmp(rest, words[w].word, strlen(words[w].word)) != 0)
			w++;
		if (w == sizeof words / sizeof *words)
			return refuse(t->text, "its words are {topic}, {partition}, {table}, {date}, {hour}", err);
		code = add_part(t, (file_part) {.kind = words[w].kind}, err);
		at += strlen(words[w].word);
	}
	return code;
}

kd_code file_template_init(file_template *t, const char *text, kd_error *err)
{
	bool ends = !*text || text[strlen(text) - 1] == '/';
	*t = (file_template) {0};
	if (asprintf(&t->text, "%s%s", text, ends ? "" : "/") < 0)
		t->text = NULL;
	if (!t->text)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not read sink.folders: no memory");
	for (const char *at = text; *at; at++)
		if ((unsigned char) *at < 0x20 || (unsigned char) *at >= 0x7f)
			return refuse(text, "only printable ASCII stands there", err);
	kd_code code = check_folders(text, err);
	return code ? code : split(t, err);
}

void file_template_done(file_template *t)
{
	free(t->text);
	*t = (file_template) {0};
}

static bool expand_part(const file_template *t, const file_part *part, const kd_batch_partition *batch,
	const char *table, kd_buf *out)
{
	struct tm tm;
	switch (part->kind) {
	case FILE_PART_TEXT:
		return kd_buf_append(out, t->text + part->at, part->size);
	case FILE_PART_TOPIC:
		return file_spell(out, batch->topic);
	case FILE_PART_PARTITION:
		return kd_buf_printf(out, "%" PRId32, batch->partition);
	case FILE_PART_TABLE:
		return file_spell(out, table);
	case FILE_PART_DATE:
		split_time(batch->batch_time_ms, &tm);
		return kd_buf_printf(out, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	case FILE_PART_HOUR:
		split_time(batch->batch_time_ms, &tm);
		return kd_buf_printf(out, "%02d", tm.tm_hour);
	}
	return true;
}

bool file_template_expand(const file_template *t, const kd_batch_partition *batch, const char *table, kd_buf *out)
{
	bool ok = true;
	for (size_t i = 0; ok && i < t->n; i++)
		ok = expand_part(t, &t->part[i], batch, table, out);
	return ok;
}

/* The first folder is always the same where its slash comes before any word but {table}. */
bool file_template_prefix(const file_template *t, const char *table, kd_buf *out)
{
	size_t before = out->size;
	for (size_t i = 0; i < t->n; i++) {
		const file_part *part = &t->part[i];
		if (part->kind == FILE_PART_TEXT) {
			const char *slash = memchr(t->text + part->at, '/', part->size);
			if (!kd_buf_append(out, t->text + part->at, slash ? (size_t) (slash - t->text) - part->at : part->size))
				return false;
			if (slash)
				return true;
		} else if (part->kind != FILE_PART_TABLE) {
			out->size = before;
			return true;
		} else if (!file_spell(out, table)) {
			return false;
		}
	}
	return true;
}

/* ---- names ---- */

bool file_name(kd_buf *out, const kd_batch_partition *b, const char *table, const char *extension)
{
	return file_spell(out, b->job) &&
		kd_buf_printf(out, "-p%" PRId32 "-%" PRId64 "-%" PRId64 "-%" PRId64, b->partition_index, b->range.from,
			b->range.until, b->batch_time_ms) &&
		(!table || (kd_buf_append(out, "+", 1) && file_spell(out, table))) && kd_buf_printf(out, ".%s", extension);
}

/* A number at *at, which moves past it. */
static bool read_number(const char **at, int64_t *ret_number)
{
	if (**at < '0' || **at > '9')
		return false;
	char *end;
	errno = 0;
	*ret_number = strtoll(*at, &end, 10);
	*at = end;
	return errno == 0;
}

static bool read_text(const char **at, const char *text)
{
	size_t size = strlen(text);
	bool there = strncmp(*at, text, size) == 0;
	*at += there ? size : 0;
	return there;
}

bool file_name_read(const char *name, const char *job, file_identifier *ret_identifier)
{
	kd_buf spelled = {0};
	const char *at = name;
	int64_t index;
	bool ok = file_spell(&spelled, job) && kd_buf_append(&spelled, "-p", 3) && read_text(&at, spelled.data) &&
		read_number(&at, &index) && index <= INT32_MAX && read_text(&at, "-") &&
		read_number(&at, &ret_identifier->range.from) && read_text(&at, "-") &&
		read_number(&at, &ret_identifier->range.until) && read_text(&at, "-") &&
		read_number(&at, &ret_identifier->batch_time_ms) && (*at == '.' || *at == '+');
	kd_buf_done(&spelled);
	ret_identifier->partition_index = ok ? (int32_t) index : -1;
	return ok;
}
