/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign against the file sink, while somebody reads the folder all the time: see crash_files.h. */
#include "crash_files.h"

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "crash.h"
#include "file_rows.h"
#include "tmpdir.h"
#include "wait.h"

enum { MOST_FILES = 100000, MOST_PARTITIONS = 256, MOST_OFFSETS = 1000000, LONG_LEDGER = 2000 };

/* ---- somebody who reads the folder ---- */

typedef struct seen_file {
	char *name; /* without its folder: an identifier has one file */
	ino_t inode;
	off_t size;
	bool there; /* in this pass */
} seen_file;

typedef struct observer {
	char *folder;
	pthread_t thread;
	atomic_bool ends;
	seen_file *file; /* by name */
	size_t n;
	int passes;
	int64_t rows;
	unsigned char *offsets[MOST_PARTITIONS]; /* a byte an offset: seen */
} observer;

/* A row that was in another file before is a double. */
static bool see_row(void *opaque, const kt_file_row *row)
{
	observer *o = opaque;

	kt_check(row->partition < MOST_PARTITIONS && row->offset < MOST_OFFSETS, "an offset beyond the test");
	kt_check(!o->offsets[row->partition][row->offset], "partition %d, offset %" PRId64 " is there twice",
		(int) row->partition, row->offset);
	o->offsets[row->partition][row->offset] = 1;
	o->rows++;
	return true;
}

static size_t place_of(const observer *o, const char *name)
{
	size_t low = 0, high = o->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(o->file[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A file is whole when it is first seen, and stays what it was. */
static bool see_file(void *opaque, const char *path)
{
	observer *o = opaque;
	const char *name = strrchr(path, '/') + 1;
	size_t at = place_of(o, name);
	struct stat st;

	kt_check(stat(path, &st) == 0, "%s is gone again", path);
	if (at < o->n && strcmp(o->file[at].name, name) == 0) {
		kt_check(!o->file[at].there, "%s is there twice", name);
		kt_check(o->file[at].inode == st.st_ino && o->file[at].size == st.st_size, "%s is another one now", name);
		o->file[at].there = true;
		return true;
	}
	kt_check(o->n < MOST_FILES, "too many files");
	memmove(o->file + at + 1, o->file + at, (o->n - at) * sizeof(*o->file));
	o->file[at] = (seen_file) {strdup(name), st.st_ino, st.st_size, true};
	o->n++;
	return kt_file_rows(path, see_row, o);
}

static void look_once(observer *o)
{
	for (size_t i = 0; i < o->n; i++)
		o->file[i].there = false;
	kt_files_each(o->folder, see_file, o);
	for (size_t i = 0; i < o->n; i++)
		kt_check(o->file[i].there, "%s is gone", o->file[i].name);
	o->passes++;
}

static void *look(void *opaque)
{
	observer *o = opaque;

	while (!atomic_load(&o->ends)) {
		int64_t began = kt_now_ms(), end;

		look_once(o);
		/* three quarters of the time are the program's */
		for (end = 4 * kt_now_ms() - 3 * began; kt_now_ms() <= end && !atomic_load(&o->ends);)
			kt_pause();
	}
	return NULL;
}

static observer *observer_open(const char *folder)
{
	observer *o = calloc(1, sizeof(*o));

	kt_check(o, "no memory");
	*o = (observer) {.folder = strdup(folder), .file = calloc(MOST_FILES + 1, sizeof(*o->file))};
	for (int p = 0; p < MOST_PARTITIONS; p++)
		o->offsets[p] = calloc(MOST_OFFSETS, 1);
	kt_check(pthread_create(&o->thread, NULL, look, o) == 0, "no thread");
	return o;
}

static void observer_end(observer *o)
{
	atomic_store(&o->ends, true);
	pthread_join(o->thread, NULL);
	look_once(o);
}

static void observer_close(observer *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->file[i].name);
	for (int p = 0; p < MOST_PARTITIONS; p++)
		free(o->offsets[p]);
	free(o->file);
	free(o->folder);
	free(o);
}

/* ---- the ledger, read as the lines that it is ---- */

typedef struct committed {
	int index;
	int64_t from, until, batch_time, rows;
} committed;

typedef struct ledger {
	committed *row;
	size_t n;
} ledger;

static void add_key(ledger *l, const char *key, const json_t *state)
{
	committed c = {.from = json_integer_value(json_object_get(state, "from")),
		.until = json_integer_value(json_object_get(state, "until")),
		.rows = json_integer_value(json_object_get(state, "rows"))};

	kt_check(!json_is_null(state), "a key was removed: %s", key);
	if (sscanf(key, "batch/j/%d/%" SCNd64, &c.index, &c.batch_time) != 2 || !json_object_get(state, "committed_at"))
		return;
	for (size_t i = 0; i < l->n; i++)
		if (l->row[i].index == c.index && l->row[i].batch_time == c.batch_time)
			return;
	l->row = realloc(l->row, (l->n + 1) * sizeof(*l->row));
	kt_check(l->row, "no memory");
	l->row[l->n++] = c;
}

static ledger read_ledger(const char *folder)
{
	char *path = kt_path(folder, "_kdirect/ledger.jsonl"), *text = kt_read_file(path), *rest = NULL;
	ledger l = {0};

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		json_t *root = json_loads(line, 0, NULL), *entry;
		size_t i;
		kt_check(root, "no JSON: %s", line);
		json_array_foreach(json_object_get(root, "step"), i, entry)
			add_key(&l, json_string_value(json_object_get(entry, "key")), json_object_get(entry, "state"));
		json_decref(root);
	}
	free(text);
	free(path);
	return l;
}

static int by_range(const void *a, const void *b)
{
	const committed *one = a, *other = b;

	if (one->index != other->index)
		return one->index - other->index;
	return one->from < other->from ? -1 : one->from > other->from;
}

/* I3, and: the files are those that the ledger has, no more and no fewer. */
static void judge_ledger(const char *folder, const observer *o)
{
	ledger l = read_ledger(folder);
	size_t with_rows = 0;

	qsort(l.row, l.n, sizeof(*l.row), by_range);
	for (size_t i = 0; i < l.n; i++) {
		const committed *c = &l.row[i];
		char *name = kt_format("j-p%d-%" PRId64 "-%" PRId64 "-%" PRId64 ".jsonl.gz", c->index, c->from, c->until,
			c->batch_time);
		size_t at = place_of(o, name);
		bool there = at < o->n && strcmp(o->file[at].name, name) == 0;
		int64_t begins = i > 0 && c[-1].index == c->index ? c[-1].until : 0;
		kt_check(c->from == begins, "index %d does not tile at %" PRId64, c->index, c->from);
		kt_check(there == (c->rows > 0), "%s has %" PRId64 " rows, and is %s", name, c->rows, there ? "there" : "not there");
		with_rows += there;
		free(name);
	}
	kt_check(with_rows == o->n, "%zu files, %zu identifiers", o->n, with_rows);
	free(l.row);
}

/* ---- the rows ---- */

static kt_verdict judge_folder(const char *folder, const char *topic)
{
	kt_oracle kafka = kt_oracle_read(NULL, topic, true), rows = kt_folder_oracle(folder, topic);
	kt_verdict verdict = kt_judge(&kafka, &rows);

	kt_oracle_done(&kafka);
	kt_oracle_done(&rows);
	return verdict;
}

void crash_files_must_be_clean(const char *folder, const char *topic)
{
	kt_verdict v = judge_folder(folder, topic);

	kt_check(!v.missing && !v.doubled && !v.altered && !v.foreign,
		"%" PRId64 " rows: missing %" PRId64 ", double %" PRId64 ", altered %" PRId64 ", foreign %" PRId64, v.rows, v.missing,
		v.doubled, v.altered, v.foreign);
}

void crash_files_must_be_empty(const char *folder, const char *name)
{
	char *path = kt_path(folder, name);
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		kt_check(*entry->d_name == '.', "%s is left in %s", entry->d_name, path);
	if (dir)
		closedir(dir);
	free(path);
}

/* ---- the campaign ---- */

typedef struct files_state {
	observer *o;
	off_t lengthened; /* the ledger's size then; 0: never */
} files_state;

/* The job's own database is not used: it writes files.  Returns their folder. */
char *crash_files_write(kt_job *job, const char *more)
{
	char *folder = kt_path(job->dir, "out");

	free(job->store.sink);
	job->store.sink = kt_format("\"type\": \"file\", \"path\": \"%s\", \"compression\": \"gzip\"", folder);
	kt_job_write(job, more);
	return folder;
}

/* Makes the ledger long enough to be written anew at the next start, without a change of what it says: its last step is
 * said again and again.  A step cut off by the last kill goes first, as with the sink. */
static void lengthen_ledger(const char *folder)
{
	char *path = kt_path(folder, "_kdirect/ledger.jsonl"), *text = kt_read_file(path);
	size_t lines = 0;

	char *end = strrchr(text, '\n');
	kt_check(end, "an empty ledger");
	end[1] = '\0';
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	*end = '\0';
	const char *last = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
	kt_check(truncate(path, end + 1 - text) == 0, "could not truncate %s", path);
	FILE *file = fopen(path, "a");
	for (size_t i = 0; file && i < LONG_LEDGER + 3 * lines; i++)
		fprintf(file, "%s\n", last);
	kt_check(file && fclose(file) == 0, "could not write %s", path);
	free(text);
	free(path);
}

static bool passes(const crash_point *point)
{
	return (point->sqlite && point->postgres) || strncmp(point->name, "file.", 5) == 0;
}

static void open_folder(crash_campaign *campaign)
{
	files_state *state = calloc(1, sizeof(*state));
	char *folder = crash_files_write(&campaign->job, "\"workers\": 2");

	kt_check(state, "no memory");
	state->o = observer_open(folder);
	campaign->state = state;
	free(folder);
}

/* A ledger that is still as long as it was made needs no further lines. */
static void prepare(crash_campaign *campaign, const crash_point *point)
{
	files_state *state = campaign->state;
	char *path = kt_path(state->o->folder, "_kdirect/ledger.jsonl");
	struct stat st;

	if (strcmp(point->name, "file.ledger_anew") == 0 && stat(path, &st) == 0 &&
		(!state->lengthened || st.st_size < state->lengthened)) {
		lengthen_ledger(state->o->folder);
		kt_check(stat(path, &st) == 0, "no ledger");
		state->lengthened = st.st_size;
	}
	free(path);
}

static crash_finding judge(crash_campaign *campaign)
{
	files_state *state = campaign->state;
	observer *o = state->o;
	kt_verdict v;

	observer_end(o);
	v = judge_folder(o->folder, campaign->job.topic);
	judge_ledger(o->folder, o);
	crash_files_must_be_empty(o->folder, "_kdirect/tmp");
	crash_files_must_be_empty(o->folder, "_kdirect/orphans");
	crash_audit(&campaign->job, NULL);
	crash_audit(&campaign->job, "--deep");
	return (crash_finding) {.rows = v.rows, .missing = v.missing, .doubled = v.doubled,
		.wrong = v.altered + v.foreign + llabs(v.rows - o->rows),
		.what = kt_format(", altered %" PRId64 ", foreign %" PRId64 ", %zu files, looked at %d times, seen %" PRId64 " rows",
			v.altered, v.foreign, o->n, o->passes, o->rows)};
}

static void close_folder(crash_campaign *campaign)
{
	files_state *state = campaign->state;

	observer_close(state->o);
	free(state);
}

const crash_sink crash_file = {.name = "file", .store = KT_SQLITE, .passes = passes, .open = open_folder,
	.prepare = prepare, .judge = judge, .close = close_folder};
