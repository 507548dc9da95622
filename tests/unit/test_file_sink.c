// SPDX-License-Identifier: Apache-2.0
// The file sink as a whole, without a broker: what it writes, a full disk, and what was left behind by others.
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "file_rows.h"
#include "kdirect/sinks.h"
#include "tmpdir.h"
#include "wait.h"

static const kd_sink_ops *const ops = &kd_file_sink;

typedef struct job {
	char *path; /* the folder */
	kd_config *config;
	void *sink, *session, *encoder;
	kd_owner me;
	int64_t rows;
} job;

static void say(void *opaque, const kd_diagnostic *d)
{
	(void) opaque;
	fprintf(stderr, "%s\n", d->message);
}

static kd_config *configure(const char *path, const char *more)
{
	kd_error err = {0};
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"t\"],"
		" \"sink\": {\"type\": \"file\", \"path\": \"%s\"%s}}", path, more);
	kd_config *config = kd_config_new(&(kd_options){ops->options, ops->n_options}, 1);
	kt_check(kd_config_parse(config, text, strlen(text), "job", say, NULL, &err) == KD_OK &&
		kd_config_check(config, say, NULL, &err) == KD_OK, "%s", err.message);
	free(text);
	return config;
}

static void must(kd_code code, const kd_error *err)
{
	kt_check(code == KD_OK, "%s", err->message);
}

static void take_over(job *j)
{
	static const char *const topics[] = {"t"};
	kd_take_over request = {.job = "j", .owner_id = "0123456789abcdef0123456789abcdef", .cluster_id = "c",
		.start_policy = "earliest", .isolation = "read_committed", .topics = topics, .n_topics = 1, .host = "here",
		.pid = getpid(), .started_at_ms = 1700000000000, .version = "1"};
	kd_ledger_image image;
	kd_error err = {0};
	must(ops->take_over(j->session, &request, &image, &err), &err);
	j->me = image.owner;
	kd_ledger_image_done(&image);
}

static job job_open_in(const char *path, const char *more)
{
	job j = {.path = strdup(path), .config = configure(path, more)};
	kd_sink_context context = {.config = j.config};
	kd_new_partition partition = {.topic = "t", .partition = 4};
	kd_segment segment;
	kd_cas cas;
	kd_error err = {0};
	must(ops->open(&context, &j.sink, &err), &err);
	must(ops->connect(j.sink, "driver", &j.session, &err), &err);
	must(ops->encoder_open(j.sink, &j.encoder, &err), &err);
	take_over(&j);
	must(ops->add_partitions(j.session, &j.me, "j", &partition, 1, &cas, &segment, &err), &err);
	free(segment.topic);
	return j;
}

static void job_close(job *j)
{
	ops->encoder_close(j->encoder);
	ops->disconnect(j->session);
	ops->close(j->sink);
	kd_config_free(j->config);
	free(j->path);
}

static kd_batch_partition batch(int64_t from, int64_t until)
{
	return (kd_batch_partition) {"j", "t", 4, 0, 0, 1769903999000 + until, {from, until}};
}

static kd_cas plan(job *j, const kd_batch_partition *b, kd_error *err)
{
	kd_cas cas = KD_CAS_MISS;
	(void) ops->append_plan(j->session, &j->me, b, 1, &cas, err);
	return cas;
}

static void begin(job *j, const kd_batch_partition *b)
{
	kd_cas cas;
	kd_error err = {0};
	must(ops->begin(j->session, &j->me, b, &cas, &err), &err);
	cr_assert_eq(cas, KD_CAS_DONE);
	j->rows = 0;
}

static kd_code put(job *j, const kd_batch_partition *b, const kd_record *record, kd_error *err)
{
	kd_buf rows = {0};
	uint32_t n;
	kd_code code = ops->encode(j->encoder, b, record, &rows, &n, err);
	if (!code)
		code = ops->write(j->session, rows.data, rows.size, err);
	j->rows += n;
	kd_buf_done(&rows);
	return code;
}

static kd_record record(int64_t offset, const char *value)
{
	return (kd_record) {.offset = offset, .timestamp_ms = 1769903999999, .key = "k", .key_size = 1, .value = value,
		.value_size = value ? strlen(value) : 0};
}

static kd_code commit(job *j, kd_error *err)
{
	kd_batch_result result = {.records = j->rows, .rows = j->rows, .witness = {.offset = -1}};
	kd_durability durability;
	return ops->commit(j->session, &result, &durability, err);
}

/* One record for each value, from this offset on. */
static void land(job *j, int64_t from, const char *const *values)
{
	int64_t n = 0;
	while (values[n])
		n++;
	kd_batch_partition b = batch(from, from + n);
	kd_error err = {0};
	cr_assert_eq(plan(j, &b, &err), KD_CAS_DONE, "%s", err.message);
	begin(j, &b);
	for (int64_t i = 0; i < n; i++) {
		kd_record r = record(from + i, values[i]);
		must(put(j, &b, &r, &err), &err);
	}
	must(commit(j, &err), &err);
}

static bool count_row(void *opaque, const kt_file_row *row)
{
	(void) row;
	++*(int *) opaque;
	return true;
}

static int rows_in(const char *folder)
{
	int n = 0;
	kt_folder_rows(folder, count_row, &n);
	return n;
}

static int entries_in(const char *folder, const char *name)
{
	char *path = kt_path(folder, name);
	DIR *dir = opendir(path);
	int n = 0;
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		n += *entry->d_name != '.';
	if (dir)
		closedir(dir);
	free(path);
	return n;
}

static void must_hold(const job *j, const char *name, const char *content)
{
	char *path = kt_path(j->path, name);
	size_t size;
	char *found = kt_file_content(path, &size);
	cr_expect_str_eq(found, content);
	free(found);
	free(path);
}

/* ---- what it writes ---- */

Test(file_sink, a_raw_row_has_coordinates_key_value_and_headers)
{
	char *dir = kt_tmpdir();
	static const char *const values[] = {"caf\xc3\xa9", "\xff", NULL};
	job j = job_open_in(dir, "");
	land(&j, 0, values);
	must_hold(&j, "topic=t/date=2026-01-31/j-p0-0-2-1769903999002.jsonl",
		"{\"kafka_topic\":\"t\",\"kafka_partition\":4,\"kafka_offset\":0,\"kafka_timestamp\":\"2026-01-31T23:59:59.999Z\","
		"\"key\":\"k\",\"value\":\"caf\xc3\xa9\",\"headers\":null}\n"
		"{\"kafka_topic\":\"t\",\"kafka_partition\":4,\"kafka_offset\":1,\"kafka_timestamp\":\"2026-01-31T23:59:59.999Z\","
		"\"key\":\"k\",\"value_base64\":\"/w==\",\"headers\":null}\n");
	job_close(&j);
	kt_tmpdir_remove(dir);
}

Test(file_sink, a_row_of_fields_is_the_document_with_its_coordinates)
{
	char *dir = kt_tmpdir();
	static const char *const values[] = {"{ \"a\" : [1,\n 2.50], \"b\":\"x\\ny\", \"kafka_offset\": 99 }", "{}", NULL};
	job j = job_open_in(dir, ", \"layout\": \"fields\", \"folders\": \"\", \"compression\": \"gzip\"");
	land(&j, 0, values);
	must_hold(&j, "j-p0-0-2-1769903999002.jsonl.gz",
		"{\"kafka_topic\":\"t\",\"kafka_partition\":4,\"kafka_offset\":0,\"a\":[1,2.50],\"b\":\"x\\ny\"}\n"
		"{\"kafka_topic\":\"t\",\"kafka_partition\":4,\"kafka_offset\":1}\n");
	job_close(&j);
	kt_tmpdir_remove(dir);
}

Test(file_sink, csv_has_its_columns_and_tells_null_from_empty)
{
	char *dir = kt_tmpdir();
	static const char *const values[] = {"{\"name\":\"a,b\",\"n\":1.50,\"more\":{\"x\": 1}}",
		"{\"n\":null,\"name\":\"\",\"other\":1}", "{\"\\u006eame\":\"say \\\"x\\\"\\n\",\"n\":true}", NULL};
	job j = job_open_in(dir, ", \"format\": \"csv\", \"folders\": \"\", \"compression\": \"zstd\", \"columns\":"
		" [\"kafka_offset\", \"name\", \"n\", \"more\", \"kafka_key\", \"kafka_headers\"]");
	land(&j, 7 - 7, values);
	must_hold(&j, "j-p0-0-3-1769903999003.csv.zst",
		"kafka_offset,name,n,more,kafka_key,kafka_headers\n"
		"0,\"a,b\",1.50,\"{\"\"x\"\":1}\",k,\n"
		"1,\"\",,,k,\n"
		"2,\"say \"\"x\"\"\n\",true,,k,\n");
	job_close(&j);
	kt_tmpdir_remove(dir);
}

Test(file_sink, rows_of_several_tables_are_committed_together)
{
	char *dir = kt_tmpdir();
	job j = job_open_in(dir, ", \"folders\": \"{table}\", \"table\": \"main\", \"tables\": [\"line items\", \"none\"]");
	kd_batch_partition b = batch(0, 2);
	kd_record own = record(0, "own"), other = record(1, "other"), unlisted = record(1, "x");
	kd_error err = {0};
	other.table = "line items";
	unlisted.table = "unlisted";
	cr_assert_eq(plan(&j, &b, &err), KD_CAS_DONE);
	begin(&j, &b);
	must(put(&j, &b, &own, &err), &err);
	must(put(&j, &b, &other, &err), &err);
	cr_assert_eq(put(&j, &b, &unlisted, &err), KD_ECONFIG);
	kd_error_clear(&err);
	j.rows = 2;
	cr_assert_eq(rows_in(dir), 0);
	must(commit(&j, &err), &err);
	cr_assert_eq(rows_in(dir), 2);
	char *folder = kt_path(dir, "line%20items");
	cr_assert_eq(rows_in(folder), 1);
	cr_assert_eq(entries_in(dir, "none"), 0);
	cr_assert_eq(entries_in(dir, "_kdirect/tmp"), 0);
	free(folder);
	job_close(&j);
	kt_tmpdir_remove(dir);
}

Test(file_sink, a_record_that_cannot_be_a_row_is_named)
{
	static const struct {
		const char *sink, *value;
	} rows[] = {
		{", \"layout\": \"fields\"", "[1]"},
		{", \"layout\": \"fields\"", "{\"a\":1"},
		{", \"layout\": \"fields\"", "{\"a\":\"\\u0000\"}"},
		{", \"layout\": \"fields\"", NULL},
		{", \"format\": \"csv\", \"columns\": [\"a\"]", "{\"a\":tru}"},
		{", \"format\": \"csv\", \"columns\": [\"a\"]", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *dir = kt_tmpdir();
		job j = job_open_in(dir, rows[i].sink);
		kd_batch_partition b = batch(0, 8);
		kd_record r = record(7, rows[i].value);
		kd_buf out = {0};
		kd_error err = {0};
		uint32_t n;
		cr_expect_eq(ops->encode(j.encoder, &b, &r, &out, &n, &err), KD_ERECORD, "row %zu", i);
		cr_expect_eq(err.offset, 7);
		cr_expect_eq(out.size, 0);
		kd_buf_done(&out);
		job_close(&j);
		kt_tmpdir_remove(dir);
	}
}

Test(file_sink, what_makes_no_sense_together_is_a_configuration_error)
{
	static const char *const wrong[] = {", \"format\": \"csv\"", ", \"columns\": [\"a\"]",
		", \"format\": \"csv\", \"layout\": \"raw\", \"columns\": [\"a\"]",
		", \"format\": \"csv\", \"columns\": [\"a\", \"a\"]", ", \"folders\": \"../{topic}\"",
		", \"tables\": [\"a234567890123456789012345678901234567890123456789012345678901234567890\"]"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char *dir = kt_tmpdir();
		kd_config *config = configure(dir, wrong[i]);
		kd_sink_context context = {.config = config};
		kd_error err = {0};
		void *sink = NULL;
		cr_expect_eq(ops->open(&context, &sink, &err), KD_ECONFIG, "%s", wrong[i]);
		cr_expect_eq(err.action, KD_STOP);
		kd_config_free(config);
		kt_tmpdir_remove(dir);
	}
}

typedef struct offsets {
	int64_t offset[8];
	size_t n;
} offsets;

static bool take_offset(void *opaque, int64_t offset)
{
	offsets *o = opaque;
	o->offset[o->n++] = offset;
	return o->n < 8;
}

/* audit --deep reads them so. */
Test(file_sink, offsets_are_read_from_every_kind_of_file)
{
	static const char *const kinds[] = {"", ", \"compression\": \"gzip\"", ", \"compression\": \"zstd\"",
		", \"layout\": \"fields\"",
		", \"format\": \"csv\", \"columns\": [\"a\", \"kafka_offset\", \"kafka_partition\", \"kafka_topic\"]"};
	static const char *const values[] = {"{\"a\":\"x\\n,\"}", "{\"a\":\"\\\"\"}", "{}", NULL};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char *dir = kt_tmpdir();
		job j = job_open_in(dir, kinds[i]);
		kd_error err = {0};
		offsets o = {.n = 0};
		land(&j, 0, values);
		land(&j, 3, values);
		cr_assert(ops->info(j.sink)->has_offsets);
		must(ops->scan_offsets(j.session, "t", 4, (kd_range) {1, 5}, take_offset, &o, &err), &err);
		cr_expect_eq(o.n, 4, "kind %zu: %zu offsets", i, o.n);
		for (size_t k = 0; k < o.n; k++)
			cr_expect_eq(o.offset[k], (int64_t) k + 1);
		job_close(&j);
		kt_tmpdir_remove(dir);
	}
}

/* ---- left behind by others ---- */

static bool move_to_tmp(void *folder, const char *path)
{
	char *ledger_path = kt_path(folder, "_kdirect/ledger.jsonl"), *ledger = kt_read_file(ledger_path);
	const char *name = strrchr(path, '/') + 1, *at = strstr(ledger, name), *noted = strstr(at ? at : "", name);
	char *tmp = kt_format("%s/_kdirect/tmp/%.*s", (char *) folder, (int) strcspn(noted, "\""), noted);
	kt_check(rename(path, tmp) == 0, "no rename to %s", tmp);
	free(tmp);
	free(ledger);
	free(ledger_path);
	return true;
}

/* As if the process had died between its commit point and its renames. */
Test(file_sink, a_commit_that_was_cut_short_is_finished_by_the_next_start)
{
	char *dir = kt_tmpdir();
	static const char *const values[] = {"a", "b", NULL};
	job j = job_open_in(dir, "");
	land(&j, 0, values);
	kt_files_each(dir, move_to_tmp, dir);
	cr_assert_eq(rows_in(dir), 0);
	cr_assert_eq(entries_in(dir, "_kdirect/tmp"), 1);
	take_over(&j);
	cr_assert_eq(rows_in(dir), 2);
	cr_assert_eq(entries_in(dir, "_kdirect/tmp"), 0);
	job_close(&j);
	kt_tmpdir_remove(dir);
}

Test(file_sink, files_of_nobody_are_removed_by_the_next_start)
{
	char *dir = kt_tmpdir();
	job j = job_open_in(dir, ""), other = job_open_in(dir, "");
	kd_batch_partition b = batch(0, 2);
	kd_record r = record(0, "a");
	kd_error err = {0};
	cr_assert_eq(plan(&other, &b, &err), KD_CAS_DONE);
	begin(&other, &b);
	must(put(&other, &b, &r, &err), &err);
	cr_assert_eq(entries_in(dir, "_kdirect/tmp"), 1);
	take_over(&j); /* it waits for the one that writes, and then goes on */
	cr_assert_eq(entries_in(dir, "_kdirect/tmp"), 0);
	kd_batch_result result = {.records = 1, .rows = 1, .witness = {.offset = -1}};
	kd_durability durability;
	cr_assert_neq(ops->commit(other.session, &result, &durability, &err), KD_OK);
	cr_assert_eq(err.action, KD_REPLAY, "%s", err.message);
	ops->abort(other.session);
	cr_assert_eq(rows_in(dir), 0);
	job_close(&other);
	job_close(&j);
	kt_tmpdir_remove(dir);
}

/* Only the ledger is set back: the files that it does not know any more would be doubles. */
Test(file_sink, files_beyond_an_older_ledger_are_moved_out_of_sight)
{
	char *dir = kt_tmpdir(), *path = kt_path(dir, "_kdirect/ledger.jsonl");
	static const char *const values[] = {"a", "b", NULL};
	job j = job_open_in(dir, "");
	land(&j, 0, values);
	char *older = kt_read_file(path);
	land(&j, 2, values);
	kt_check(truncate(path, 0) == 0, "no truncate");
	free(kt_write_file(dir, "_kdirect/ledger.jsonl", "%s", older));
	take_over(&j);
	cr_assert_eq(rows_in(dir), 2);
	cr_assert_eq(entries_in(dir, "_kdirect/orphans"), 1);
	kd_batch_partition again = {"j", "t", 4, 0, 0, 1769904000000, {2, 3}};
	kd_record r = record(2, "a");
	kd_error err = {0};
	cr_assert_eq(plan(&j, &again, &err), KD_CAS_DONE);
	begin(&j, &again);
	must(put(&j, &again, &r, &err), &err);
	must(commit(&j, &err), &err);
	cr_assert_eq(rows_in(dir), 3);
	free(older);
	free(path);
	job_close(&j);
	kt_tmpdir_remove(dir);
}

static void land_in(job *j, int64_t offset, const char *table)
{
	kd_batch_partition b = batch(offset, offset + 1);
	kd_record r = record(offset, "a");
	kd_error err = {0};
	r.table = table;
	cr_assert_eq(plan(j, &b, &err), KD_CAS_DONE, "%s", err.message);
	begin(j, &b);
	must(put(j, &b, &r, &err), &err);
	must(commit(j, &err), &err);
}

/* Also where each table has a folder of its own. */
Test(file_sink, files_of_every_table_beyond_an_older_ledger_are_moved_out_of_sight)
{
	char *dir = kt_tmpdir(), *path = kt_path(dir, "_kdirect/ledger.jsonl");
	job j = job_open_in(dir, ", \"folders\": \"{table}/topic={topic}\", \"tables\": [\"items\", \"main\"]");
	land_in(&j, 0, "items");
	char *older = kt_read_file(path);
	land_in(&j, 1, "items");
	land_in(&j, 2, NULL);
	kt_check(truncate(path, 0) == 0, "no truncate");
	free(kt_write_file(dir, "_kdirect/ledger.jsonl", "%s", older));
	take_over(&j);
	cr_expect_eq(rows_in(dir), 1);
	cr_expect_eq(entries_in(dir, "_kdirect/orphans"), 2);
	free(older);
	free(path);
	job_close(&j);
	kt_tmpdir_remove(dir);
}

/* A ledger that was deleted is no beginning. */
Test(file_sink, files_of_a_job_that_the_ledger_does_not_know_are_refused)
{
	char *dir = kt_tmpdir(), *path = kt_path(dir, "_kdirect/ledger.jsonl");
	static const char *const values[] = {"a", "b", NULL};
	job j = job_open_in(dir, "");
	land(&j, 0, values);
	job_close(&j);
	unlink(path);
	kd_config *config = configure(dir, "");
	kd_sink_context context = {.config = config};
	kd_take_over request = {.job = "j", .owner_id = "0", .cluster_id = "c", .start_policy = "", .isolation = "",
		.host = "", .version = ""}, other = request;
	kd_ledger_image image;
	kd_error err = {0};
	void *sink, *session;
	must(ops->open(&context, &sink, &err), &err);
	must(ops->connect(sink, "driver", &session, &err), &err);
	cr_assert_eq(ops->take_over(session, &request, &image, &err), KD_ETARGET);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert(strstr(err.message, "j-p0-0-2-1769903999002.jsonl"), "%s", err.message);
	cr_assert_eq(rows_in(dir), 2);
	kd_error_clear(&err);
	other.job = "another";
	must(ops->take_over(session, &other, &image, &err), &err);
	kd_ledger_image_done(&image);
	ops->disconnect(session);
	ops->close(sink);
	kd_config_free(config);
	free(path);
	kt_tmpdir_remove(dir);
}

/* ---- a full disk ---- */

static void fill(const char *dir)
{
	char *path = kt_path(dir, "filler"), zeros[4096] = {0};
	int fd = open(path, O_WRONLY | O_CREAT, 0666);
	while (write(fd, zeros, sizeof zeros) == (ssize_t) sizeof zeros)
		continue;
	while (write(fd, zeros, 1) == 1)
		continue;
	close(fd);
	free(path);
}

static void make_room(const char *dir)
{
	char *path = kt_path(dir, "filler");
	unlink(path);
	free(path);
}

Test(file_sink, a_full_disk_loses_nothing)
{
	char *dir = kt_tmpdir();
	/* in a name space of its own, so that it ends with the test, however that ends */
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("tmpfs", dir, "tmpfs", 0, "size=1m") != 0)
		cr_skip_test("no file system of its own: mount needs root");
	static const char *const values[] = {"a", NULL};
	job j = job_open_in(dir, "");
	kd_batch_partition b = batch(1, 2);
	kd_error err = {0};
	land(&j, 0, values);

	fill(dir);
	kd_batch_partition next = b; /* what is left of the ledger's last page takes a few steps */
	while (plan(&j, &next, &err) == KD_CAS_DONE)
		next = batch(next.range.until, next.range.until + 1);
	cr_expect_eq(err.action, KD_RETRY, "%s", err.message);
	make_room(dir);
	kd_error_clear(&err);
	cr_assert_eq(plan(&j, &next, &err), KD_CAS_DONE, "%s", err.message);

	char *large = malloc(2000000);
	memset(large, 'x', 2000000);
	kd_record r = {.offset = 1, .timestamp_ms = -1, .value = large, .value_size = 2000000};
	begin(&j, &b);
	cr_expect_eq(put(&j, &b, &r, &err), KD_EIO);
	cr_expect_eq(err.action, KD_REPLAY, "%s", err.message);
	ops->abort(j.session);
	cr_expect_eq(entries_in(dir, "_kdirect/tmp"), 0);

	begin(&j, &b);
	r.value_size = 10;
	kd_error_clear(&err);
	must(put(&j, &b, &r, &err), &err);
	fill(dir);
	cr_expect_neq(commit(&j, &err), KD_OK);
	cr_expect_eq(err.action, KD_REPLAY, "%s", err.message);
	ops->abort(j.session);
	make_room(dir);
	cr_expect_eq(entries_in(dir, "_kdirect/tmp"), 0);
	begin(&j, &b);
	kd_error_clear(&err);
	must(put(&j, &b, &r, &err), &err);
	must(commit(&j, &err), &err);
	cr_assert_eq(rows_in(dir), 2);
	free(large);
	job_close(&j);
	umount(dir);
	kt_tmpdir_remove(dir);
}

/* ---- the lock ---- */

static void *interrupt_soon(void *session)
{
	usleep(100000);
	ops->interrupt(session);
	return NULL;
}

Test(file_sink, who_holds_the_lock_is_named_and_waiting_can_be_ended)
{
	char *dir = kt_tmpdir(), *path = kt_path(dir, "_kdirect/lock");
	job j = job_open_in(dir, "");
	kd_batch_partition b = batch(0, 1);
	kd_error err = {0};
	pthread_t thread;
	int fd = open(path, O_RDWR);
	kt_check(fd >= 0 && flock(fd, LOCK_EX) == 0, "no lock");
	cr_assert_eq(plan(&j, &b, &err), KD_CAS_MISS);
	cr_assert_eq(err.code, KD_EBUSY);
	cr_assert_eq(err.action, KD_RETRY);
	char *pid = kt_format("pid %d on host here since 2023-11-14T22:13:20Z, job \"j\"", (int) getpid());
	cr_assert(strstr(err.message, pid), "%s", err.message);
	kd_error_clear(&err);
	int64_t began = kt_now_ms();
	pthread_create(&thread, NULL, interrupt_soon, j.session);
	cr_assert_eq(plan(&j, &b, &err), KD_CAS_MISS);
	pthread_join(thread, NULL);
	cr_assert_eq(err.code, KD_ESTOPPED);
	cr_assert_lt(kt_now_ms() - began, 2000);
	close(fd);
	free(pid);
	free(path);
	job_close(&j);
	kt_tmpdir_remove(dir);
}
