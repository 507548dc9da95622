// SPDX-License-Identifier: Apache-2.0
// file_scan: the offsets that the files hold, for `audit --deep`.
//
// What counts is what a reader of the folders would read: every file there, known to the ledger or not.  Two things are
// set right, because folders and ledger are not looked at in one moment.  A file that was committed after the snapshot
// is left out; one that the snapshot knows and the list has not is looked for where it was before its rename.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_in.h"
#include "file_row.h"
#include "file_sink.h"

typedef struct scan {
	const file_sink *sink;
	const journal *journal;
	const file_list *list;
	const char *topic;
	int32_t partition;
	kd_range range;
	int64_t *offset;
	size_t n, capacity;
	kd_error *err;
	kd_code code;
} scan;

static bool keep_offset(scan *s, int64_t offset)
{
	if (s->n == s->capacity) {
		size_t more = s->capacity ? s->capacity * 2 : 4096;
		int64_t *grown = reallocarray(s->offset, more, sizeof *grown);
		if (!grown) {
			s->code = file_no_memory(s->err);
			return false;
		}
		s->offset = grown;
		s->capacity = more;
	}
	s->offset[s->n++] = offset;
	return true;
}

/* ---- one file ---- */

typedef struct rows {
	scan *scan;
	const char *path;
	bool csv, has_header;
	size_t column[3];
	int64_t line;
} rows;

static bool read_row(rows *r, const char *line, size_t size)
{
	scan *s = r->scan;
	file_coordinates at = {0};
	r->line++;
	if (r->csv && !r->has_header) {
		r->has_header = true;
		if (file_read_csv_header(line, size, r->column))
			return true;
		s->code = kd_error_set(s->err, KD_ESINK, KD_STOP,
			"could not read \"%s\": it has no columns kafka_topic, kafka_partition and kafka_offset", r->path);
		return false;
	}
	bool ok = r->csv ? file_read_csv_coordinates(line, size, r->column, &at) : file_read_coordinates(line, size, &at);
	if (!ok) {
		s->code = kd_error_set(s->err, KD_ESINK, KD_STOP, "could not read \"%s\", line %lld: it does not say its offset",
			r->path, (long long) r->line);
		return false;
	}
	bool mine = at.partition == s->partition && at.topic_size == strlen(s->topic) &&
		memcmp(at.topic, s->topic, at.topic_size) == 0 && at.offset >= s->range.from && at.offset < s->range.until;
	return !mine || keep_offset(s, at.offset);
}

/* Whole lines are read and taken from text. */
static bool read_lines(rows *r, kd_buf *text)
{
	const char *at = text->data, *end = text->data + text->size;
	bool ok = true;
	while (ok && at < end) {
		const char *next = r->csv ? file_csv_line_end(at, (size_t) (end - at)) : memchr(at, '\n', (size_t) (end - at));
		if (!next)
			break;
		next += !r->csv;
		ok = read_row(r, at, (size_t) (next - at));
		at = next;
	}
	text->size = (size_t) (end - at);
	memmove(text->data, at, text->size);
	return ok;
}

static void read_file(scan *s, const char *path, file_compression compression, bool *ret_there)
{
	file_in in;
	kd_buf text = {0};
	rows r = {.scan = s, .path = path, .csv = s->sink->shape.format == FILE_CSV};
	bool more = true;
	s->code = file_in_open(&in, path, compression, ret_there, s->err);
	if (s->code || !*ret_there)
		return;
	while (more && !s->code) {
		s->code = file_in_read(&in, &text, &more, s->err);
		if (!s->code && !read_lines(&r, &text))
			break;
	}
	if (!s->code && text.size > 0)
		s->code = kd_error_set(s->err, KD_ESINK, KD_STOP, "could not read \"%s\": its last line has no end", path);
	kd_buf_done(&text);
	file_in_close(&in);
}

/* place: where it is or will be, whose name tells its compression. */
static void read_place(scan *s, const char *folder, const char *name, const char *place, bool *ret_there)
{
	char *path;
	*ret_there = false;
	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		s->code = file_no_memory(s->err);
		return;
	}
	read_file(s, path, file_in_compression(place), ret_there);
	free(path);
}

/* ---- which files ---- */

static bool overlap(const kd_range *a, const kd_range *b)
{
	return a->from < b->until && b->from < a->until;
}

/* The job and identifier in a name; NULL where it is none of this ledger's jobs. */
static const char *job_of(const journal *j, const char *name, file_identifier *ret_id)
{
	const char *job = NULL;
	for (size_t i = 0; (job = journal_job_at(j, i)); i++)
		if (file_name_read(name, job, ret_id))
			return job;
	return NULL;
}

/* Is the file to be read?  A name that tells nothing has to be. */
static bool concerns(const scan *s, const char *name)
{
	file_identifier id;
	kd_batch_row row;
	const char *note, *job = job_of(s->journal, name, &id);
	const kd_segment *segment = job ? journal_segment(s->journal, job, id.partition_index) : NULL;
	if (!segment)
		return true;
	if (segment->partition != s->partition || strcmp(segment->topic, s->topic) != 0 || !overlap(&id.range, &s->range))
		return false;
	bool committed = journal_batch(s->journal, job, id.partition_index, id.batch_time_ms, &row, &note) &&
		row.state == KD_BATCH_COMMITTED;
	return committed || id.range.from < segment->committed_until; /* else it came after the snapshot */
}

static bool is_data(const scan *s, const char *name)
{
	const char *kind = s->sink->shape.format == FILE_CSV ? ".csv" : ".jsonl", *dot = strstr(name, kind);
	size_t size = strlen(kind);
	return dot && (!dot[size] || !strcmp(dot + size, ".gz") || !strcmp(dot + size, ".zst"));
}

static void read_listed(scan *s)
{
	for (size_t i = 0; i < s->list->n && !s->code; i++) {
		const char *place = s->list->place[i], *slash = strrchr(place, '/'), *name = slash ? slash + 1 : place;
		bool there;
		if (is_data(s, name) && concerns(s, name))
			read_place(s, s->sink->path, place, place, &there);
	}
}

static int by_place(const void *place, const void *listed)
{
	return strcmp(place, *(char *const *) listed);
}

static bool is_listed(const file_list *list, const char *place)
{
	return list->n > 0 && bsearch(place, list->place, list->n, sizeof *list->place, by_place);
}

/* A committed file that the list has not: it was renamed after the list was read, or is not yet. */
static bool read_unlisted(void *opaque, const char *tmp, const char *place)
{
	scan *s = opaque;
	bool there = false;
	if (is_listed(s->list, place))
		return true;
	read_place(s, s->sink->path, place, place, &there);
	if (!s->code && !there)
		read_place(s, s->sink->tmp_dir, tmp, place, &there);
	if (!s->code && !there)
		read_place(s, s->sink->path, place, place, &there);
	return !s->code;
}

static bool look_for_files(void *opaque, const kd_batch_row *row, const char *note)
{
	scan *s = opaque;
	bool read = true;
	if (row->state == KD_BATCH_COMMITTED && overlap(&row->range, &s->range))
		read = file_note_each(note, read_unlisted, s);
	if (!read && !s->code)
		s->code = file_error_set(s->err, ENOMEM, FILE_IN_LEDGER, "could not read the ledger's list of files");
	return !s->code;
}

static void read_unlisted_of_jobs(scan *s)
{
	const char *job;
	for (size_t i = 0; (job = journal_job_at(s->journal, i)); i++) {
		const kd_segment *segment;
		for (int32_t index = 0; !s->code && (segment = journal_segment(s->journal, job, index)); index++)
			if (segment->partition == s->partition && !strcmp(segment->topic, s->topic))
				journal_batches(s->journal, job, index, look_for_files, s);
	}
}

static int by_offset(const void *a, const void *b)
{
	int64_t one = *(const int64_t *) a, other = *(const int64_t *) b;
	return one < other ? -1 : one > other;
}

/* The folders, read once a snapshot. */
static kd_code look_at_folders(file_session *session, kd_error *err)
{
	if (session->list)
		return KD_OK;
	session->list = calloc(1, sizeof *session->list);
	return session->list ? file_list_target(session->sink, session->list, err) : file_no_memory(err);
}

kd_code file_scan_offsets(void *opaque, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *row_opaque, kd_error *err)
{
	file_session *session = opaque;
	bool own = !session->snapshot;
	kd_code code = own ? file_snapshot_begin(session, err) : KD_OK;
	if (!code)
		code = look_at_folders(session, err);
	if (!code) {
		scan s = {.sink = session->sink, .journal = session->view.journal, .list = session->list, .topic = topic,
			.partition = partition, .range = range, .err = err};
		read_listed(&s);
		if (!s.code)
			read_unlisted_of_jobs(&s);
		if (s.n > 0)
			qsort(s.offset, s.n, sizeof *s.offset, by_offset);
		for (size_t i = 0; i < s.n && !s.code && row(row_opaque, s.offset[i]); i++)
			continue;
		free(s.offset);
		code = s.code;
	}
	if (own)
		file_snapshot_end(session);
	return code;
}
