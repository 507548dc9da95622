/* SPDX-License-Identifier: Apache-2.0 */
/* Kill -9 against the file sink: at every fault point and at random, while somebody reads the folder all the time; and
 * owners that were frozen. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
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

enum { HITS = 3, MOST_FILES = 100000, MOST_PARTITIONS = 16, MOST_OFFSETS = 1000000, FENCED_MS = 15000, LONG_LEDGER = 2000 };

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
		look_once(o);
		kt_pause();
	}
	return NULL;
}

static void observer_open(observer *o, const char *folder)
{
	*o = (observer) {.folder = strdup(folder), .file = calloc(MOST_FILES + 1, sizeof(*o->file))};
	for (int p = 0; p < MOST_PARTITIONS; p++)
		o->offsets[p] = calloc(MOST_OFFSETS, 1);
	kt_check(pthread_create(&o->thread, NULL, look, o) == 0, "no thread");
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

typedef struct collected {
	kt_oracle rows;
	const char *topic;
} collected;

static bool collect_row(void *opaque, const kt_file_row *row)
{
	collected *c = opaque;
	kt_oracle *rows = &c->rows;

	kt_check(strcmp(row->topic, c->topic) == 0, "a row of topic %s", row->topic);
	if ((rows->n & (rows->n - 1)) == 0) {
		rows->rows = realloc(rows->rows, (rows->n ? 2 * rows->n : 1) * sizeof(*rows->rows));
		kt_check(rows->rows, "no memory");
	}
	rows->rows[rows->n++] = (kt_oracle_row) {.partition = row->partition, .offset = row->offset,
		.checksum = kt_checksum(row->key, row->key_size, row->value, row->value_size)};
	return true;
}

static int by_place(const void *a, const void *b)
{
	const kt_oracle_row *one = a, *other = b;

	if (one->partition != other->partition)
		return one->partition - other->partition;
	return one->offset < other->offset ? -1 : one->offset > other->offset;
}

static kt_verdict judge_folder(const char *folder, const char *topic)
{
	collected c = {.topic = topic};
	kt_oracle kafka = kt_oracle_read(NULL, topic, true);

	kt_folder_rows(folder, collect_row, &c);
	qsort(c.rows.rows, c.rows.n, sizeof(*c.rows.rows), by_place);
	kt_verdict verdict = kt_judge(&kafka, &c.rows);
	kt_oracle_done(&kafka);
	kt_oracle_done(&c.rows);
	return verdict;
}

static void must_be_clean(const char *folder, const char *topic)
{
	kt_verdict v = judge_folder(folder, topic);

	kt_check(!v.missing && !v.doubled && !v.altered && !v.foreign,
		"%" PRId64 " rows: missing %" PRId64 ", double %" PRId64 ", altered %" PRId64 ", foreign %" PRId64, v.rows, v.missing,
		v.doubled, v.altered, v.foreign);
}

static void must_be_empty(const char *folder, const char *name)
{
	char *path = kt_path(folder, name);
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		kt_check(*entry->d_name == '.', "%s is left in %s", entry->d_name, path);
	if (dir)
		closedir(dir);
	free(path);
}

static void audit(kt_job *job, const char *flag)
{
	kt_process *process = kt_kdirect(job->dir, NULL, "audit", job->path, flag, NULL);
	int code = kt_process_wait(process, 120000);

	kt_check(code == 0, "audit ended with %d:\n%s%s", code, kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
}

/* ---- the campaign ---- */

/* The job's own database is not used: it writes files.  Returns their folder. */
static char *write_files(kt_job *job, const char *more)
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

static void crash_everywhere(crash_campaign *campaign, const char *folder)
{
	for (const crash_point *point = crash_points; point->name; point++) {
		if (!(point->sqlite && point->postgres) && strncmp(point->name, "file.", 5) != 0)
			continue;
		campaign->points++;
		if (strcmp(point->name, "file.ledger_anew") == 0)
			lengthen_ledger(folder);
		for (int hit = 1; hit <= HITS; hit++)
			crash_at_point(campaign, point, hit);
	}
}

static void judge_campaign(crash_campaign *campaign, observer *o)
{
	kt_job *job = &campaign->job;
	int kills = campaign->kills_at_random + campaign->kills_at_points;

	atomic_store(&campaign->source_ends, true);
	pthread_join(campaign->source, NULL);
	kt_job_must_end(kt_job_run(job, NULL, 180000), 0, NULL, 0);
	observer_end(o);
	kt_verdict v = judge_folder(o->folder, job->topic);
	printf("crash: %d kills (%d at %d points, %d at random), %ld produced, %" PRId64 " rows in %zu files, missing %" PRId64
	       ", double %" PRId64 ", altered %" PRId64 ", foreign %" PRId64 ", looked at %d times\n",
		kills, campaign->kills_at_points, campaign->points, campaign->kills_at_random, atomic_load(&campaign->produced),
		v.rows, o->n, v.missing, v.doubled, v.altered, v.foreign, o->passes);
	fflush(stdout);
	kt_check(!v.missing && !v.doubled && !v.altered && !v.foreign, "not exactly once");
	kt_check(v.rows == o->rows, "the observer saw %" PRId64 " rows", o->rows);
	kt_check(kills >= 150, "only %d kills", kills);
	judge_ledger(o->folder, o);
	must_be_empty(o->folder, "_kdirect/tmp");
	must_be_empty(o->folder, "_kdirect/orphans");
	audit(job, NULL);
	audit(job, "--deep");
}

Test(crash_files, each_file_whole_and_once_through_every_fault_point_and_kills_at_random, .timeout = 600)
{
	crash_campaign campaign;
	observer o;

	crash_open(&campaign, KT_SQLITE);
	char *folder = write_files(&campaign.job, "\"workers\": 2");
	observer_open(&o, folder);
	for (int i = 0; i < 60; i++)
		crash_at_random(&campaign, 400);
	crash_everywhere(&campaign, folder);
	for (int i = 0; i < 60; i++)
		crash_at_random(&campaign, 900);
	judge_campaign(&campaign, &o);
	observer_close(&o);
	free(folder);
	crash_close(&campaign);
}

/* ---- frozen owners (I7, I8) ---- */

static bool is_stopped(void *opaque)
{
	kt_process *process = opaque;
	char *path = kt_format("/proc/%d/stat", (int) kt_process_pid(process)), *stat = kt_read_file(path);
	const char *rest = strrchr(stat, ')');
	bool stopped = rest && rest[2] == 'T';

	free(stat);
	free(path);
	return stopped;
}

static kt_process *freeze_at(kt_job *job, const char *fault)
{
	kt_process *process = kt_job_start(job, fault, "--set", "batch.max_records_per_batch=200", NULL);

	kt_check(kt_wait_until(is_stopped, process, 30000), "not stopped at %s:\n%s", fault, kt_process_stderr(process));
	return process;
}

/* One record comes while the owner is idle: so when one of his threads is frozen no other one is in a step of the ledger,
 * and holds its lock. */
static kt_process *freeze_when_idle(kt_job *job, const char *fault)
{
	/* the thread that stops the process may run on for a moment: not into the lock */
	char *both = kt_format("%s:1:stop,%s:1:sleep:2000", fault, fault);
	kt_process *process = kt_job_start(job, both, NULL);

	free(both);
	(void) kt_process_says(process, "owner of job", 5000); /* or it is stopped before that */
	kt_job_fill(job, 0, 1);
	kt_check(kt_wait_until(is_stopped, process, 30000), "not stopped at %s:\n%s", fault, kt_process_stderr(process));
	return process;
}

static void outlive_a_frozen_owner(const char *fault)
{
	kt_job job;
	kt_process *zombie;

	fprintf(stderr, "frozen at %s\n", fault);
	kt_job_open(&job, KT_SQLITE, 1);
	char *folder = write_files(&job, NULL);
	zombie = freeze_when_idle(&job, fault);
	kt_job_fill(&job, 0, 3000);
	kt_job_must_end(kt_job_run(&job, NULL, 90000), 0, NULL, 0);
	must_be_clean(folder, job.topic);
	kt_process_signal(zombie, SIGCONT);
	kt_job_must_end(zombie, 3, NULL, FENCED_MS);
	must_be_clean(folder, job.topic);
	must_be_empty(folder, "_kdirect/tmp");
	audit(&job, "--deep");
	free(folder);
	kt_job_close(&job);
}

/* Also while he writes rows: his claim is waited for, and then passed over. */
Test(crash_files, a_successor_finishes_what_a_frozen_owner_was_writing, .timeout = 300)
{
	static const char *const faults[] = {"start.owned", "plan.before_durable", "plan.after_durable", "commit.begun",
		"commit.written", "file.synced"};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		outlive_a_frozen_owner(faults[i]);
}

static void holder_is_named(const char *fault)
{
	kt_job job;
	kt_process *holder;
	char *named;

	kt_job_open(&job, KT_SQLITE, 1);
	char *folder = write_files(&job, NULL);
	kt_job_fill(&job, 0, 3000);
	holder = freeze_at(&job, fault);
	named = kt_format("held by pid %d", (int) kt_process_pid(holder));
	kt_job_must_end(kt_job_start(&job, NULL, "--set", "retry_timeout_ms=3000", NULL), 4, named, 60000);
	kt_process_signal(holder, SIGKILL);
	kt_job_must_end(holder, 128 + SIGKILL, NULL, 5000);
	kt_job_catch_up(&job, NULL);
	must_be_clean(folder, job.topic);
	free(named);
	free(folder);
	kt_job_close(&job);
}

Test(crash_files, a_frozen_holder_of_the_ledgers_lock_is_named, .timeout = 240)
{
	holder_is_named("file.committed:2:stop");
	holder_is_named("file.ledger_written:4:stop");
}

static bool has_file(void *opaque, const char *path)
{
	(void) opaque, (void) path;
	return false;
}

static bool has_any(void *folder)
{
	return !kt_files_each(folder, has_file, NULL);
}

Test(crash_files, the_older_of_two_instances_ends_with_exit_code_3, .timeout = 240)
{
	kt_job job;
	kt_process *older, *newer;

	kt_job_open(&job, KT_SQLITE, 2);
	char *folder = write_files(&job, NULL);
	kt_job_fill(&job, 0, 20000);
	kt_job_fill(&job, 1, 20000);
	older = kt_job_start(&job, NULL, "--set", "batch.max_records_per_batch=200", NULL);
	cr_assert(kt_wait_until(has_any, folder, 30000), "%s", kt_process_stderr(older));
	newer = kt_job_start(&job, NULL, "--set", "batch.max_records_per_batch=200", NULL);
	kt_job_must_end(older, 3, "taken over by a newer instance", FENCED_MS);
	kt_process_signal(newer, SIGTERM);
	kt_job_must_end(newer, 0, NULL, 5000);
	kt_job_catch_up(&job, NULL);
	must_be_clean(folder, job.topic);
	audit(&job, "--deep");
	free(folder);
	kt_job_close(&job);
}
