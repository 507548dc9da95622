// SPDX-License-Identifier: Apache-2.0
// The ledger's file: a step is there as a whole or not at all, damage is told, and another file is noticed.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "sinks/file/file_sink.h"
#include "tmpdir.h"

static const journal_target TARGET = {.name = "/data", .identity = "file:", .noun = "folder"};

typedef struct place {
	char *dir;
	file_ledger ledger;
	kd_owner me;
} place;

static void refresh(file_ledger *ledger)
{
	kd_error err = {0};
	kt_check(file_ledger_refresh(ledger, true, &err) == KD_OK, "%s", err.message);
}

static void append(place *p, journal_step *step)
{
	kd_error err = {0};
	kt_check(file_ledger_append(&p->ledger, step, FILE_IN_LEDGER, &err) == KD_OK, "%s", err.message);
	journal_step_done(step);
}

static void take_over(place *p)
{
	kd_take_over request = {.job = "j", .owner_id = "0123456789abcdef0123456789abcdef", .cluster_id = "c",
		.start_policy = "earliest", .isolation = "read_committed", .host = "here \"{", .pid = 1, .version = "1\\"};
	kd_error err = {0};
	journal_step step;
	kt_check(journal_take_over(p->ledger.journal, &request, &TARGET, "", 5, &p->me, &step, &err) == KD_OK, "%s",
		err.message);
	append(p, &step);
}

static void add_partition(place *p)
{
	kd_new_partition partition = {.topic = "t"};
	kd_error err = {0};
	kd_cas cas;
	journal_step step;
	kt_check(journal_add_partitions(p->ledger.journal, &p->me, "j", &TARGET, &partition, 1, 5, &cas, &step, &err) ==
		KD_OK, "%s", err.message);
	append(p, &step);
}

static void plan(place *p, int64_t batch_time, int64_t from, int64_t until)
{
	kd_batch_partition e = {"j", "t", 0, 0, 0, batch_time, {from, until}};
	kd_error err = {0};
	kd_cas cas;
	journal_step step;
	kt_check(journal_append_plan(p->ledger.journal, &p->me, &e, 1, 5, &cas, &step, &err) == KD_OK, "%s", err.message);
	cr_assert_eq(cas, KD_CAS_DONE);
	append(p, &step);
}

static place place_new(void)
{
	place p = {.dir = kt_tmpdir()};
	kt_check(file_ledger_init(&p.ledger, p.dir, NULL), "no memory");
	refresh(&p.ledger);
	take_over(&p);
	add_partition(&p);
	plan(&p, 1000, 0, 10);
	return p;
}

static void place_done(place *p)
{
	file_ledger_done(&p->ledger);
	kt_tmpdir_remove(p->dir);
}

static void put_bytes(const place *p, const char *bytes, size_t size)
{
	FILE *file = fopen(p->ledger.path, "w");
	kt_check(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "could not write the ledger");
}

static int64_t planned(const file_ledger *ledger)
{
	const kd_segment *s = journal_segment(ledger->journal, "j", 0);
	return s ? s->planned_until : -1;
}

/* A crash can leave any part of the last line; another process may have written more than this one has read. */
Test(file_ledger, a_last_line_cut_anywhere_is_a_step_that_never_was)
{
	place p = place_new();
	struct stat before, after;
	kt_check(stat(p.ledger.path, &before) == 0, "no ledger");
	plan(&p, 2000, 10, 20);
	kt_check(stat(p.ledger.path, &after) == 0, "no ledger");
	char *whole = kt_read_file(p.ledger.path);
	for (off_t size = before.st_size; size <= after.st_size; size++) {
		file_ledger fresh;
		kd_error err = {0};
		struct stat now;
		put_bytes(&p, whole, (size_t) size);
		cr_assert(file_ledger_init(&fresh, p.dir, NULL));
		cr_assert_eq(file_ledger_refresh(&fresh, false, &err), KD_OK, "%s", err.message); /* a reader */
		cr_assert_eq(planned(&fresh), size == after.st_size ? 20 : 10, "cut at %lld", (long long) size);
		refresh(&fresh);
		cr_assert_eq(planned(&fresh), size == after.st_size ? 20 : 10);
		kt_check(stat(p.ledger.path, &now) == 0, "no ledger");
		cr_assert_eq(now.st_size, size == after.st_size ? after.st_size : before.st_size);
		file_ledger_done(&fresh);
	}
	free(whole);
	place_done(&p);
}

/* A power failure can leave the length and not the bytes. */
Test(file_ledger, a_last_line_of_other_bytes_is_a_step_that_never_was)
{
	place p = place_new();
	char *whole = kt_read_file(p.ledger.path);
	size_t size = strlen(whole), last = size - 1;
	while (whole[last - 1] != '\n')
		last--;
	for (size_t at = last; at < size; at += 7) {
		file_ledger fresh;
		char *broken = strdup(whole);
		memset(broken + at, 0, size - at);
		put_bytes(&p, broken, size);
		cr_assert(file_ledger_init(&fresh, p.dir, NULL));
		refresh(&fresh);
		cr_assert_eq(planned(&fresh), 0, "zero from %zu", at);
		file_ledger_done(&fresh);
		free(broken);
	}
	free(whole);
	place_done(&p);
}

Test(file_ledger, a_broken_line_before_the_last_is_damage)
{
	place p = place_new();
	char *whole = kt_read_file(p.ledger.path);
	size_t size = strlen(whole), first_line = strcspn(whole, "\n");
	for (size_t at = 0; at <= first_line; at++) {
		file_ledger fresh;
		kd_error err = {0};
		char *broken = strdup(whole);
		broken[at] ^= 1;
		put_bytes(&p, broken, size);
		cr_assert(file_ledger_init(&fresh, p.dir, NULL));
		cr_expect_eq(file_ledger_refresh(&fresh, true, &err), KD_ELEDGER, "byte %zu", at);
		cr_expect_eq(err.action, KD_STOP);
		cr_expect(strstr(err.message, "ledger.jsonl\", line 1"), "%s", err.message);
		file_ledger_done(&fresh);
		free(broken);
	}
	free(whole);
	place_done(&p);
}

Test(file_ledger, what_others_write_is_read)
{
	place p = place_new(), other = {.dir = p.dir, .me = p.me};
	cr_assert(file_ledger_init(&other.ledger, p.dir, NULL));
	refresh(&other.ledger);
	cr_assert_eq(planned(&other.ledger), 10);
	plan(&other, 2000, 10, 20);
	refresh(&p.ledger);
	cr_assert(p.ledger.news);
	cr_assert_eq(planned(&p.ledger), 20);
	refresh(&p.ledger);
	cr_assert_not(p.ledger.news);
	file_ledger_done(&other.ledger);
	place_done(&p);
}

/* By copying over it, by renaming, and to one that is longer than what was read. */
Test(file_ledger, an_older_copy_that_was_put_back_is_noticed)
{
	for (int way = 0; way < 3; way++) {
		place p = place_new();
		char *older = kt_read_file(p.ledger.path), *copy = kt_path(p.dir, "copy");
		plan(&p, 2000, 10, 20);
		if (way == 2) { /* another history of the same length, and more */
			char *newer = kt_read_file(p.ledger.path);
			put_bytes(&p, older, strlen(older));
			refresh(&p.ledger);
			plan(&p, 2000, 10, 30);
			put_bytes(&p, newer, strlen(newer));
			free(newer);
			refresh(&p.ledger);
			cr_assert_eq(planned(&p.ledger), 20);
		} else {
			if (way == 0) {
				put_bytes(&p, older, strlen(older));
			} else {
				free(kt_write_file(p.dir, "copy", "%s", older));
				kt_check(rename(copy, p.ledger.path) == 0, "no rename");
			}
			refresh(&p.ledger);
			cr_assert_eq(planned(&p.ledger), 10);
		}
		free(older);
		free(copy);
		place_done(&p);
	}
}

/* The folder is away, a mount perhaps: this is no beginning. */
Test(file_ledger, a_ledger_that_is_away_is_waited_for)
{
	place p = place_new();
	char *copy = kt_path(p.dir, "copy");
	kd_error err = {0};
	kt_check(rename(p.ledger.path, copy) == 0, "no rename");
	cr_assert_eq(file_ledger_refresh(&p.ledger, true, &err), KD_EIO);
	cr_assert_eq(err.action, KD_RETRY);
	cr_assert(access(p.ledger.path, F_OK) != 0);
	kt_check(rename(copy, p.ledger.path) == 0, "no rename");
	refresh(&p.ledger);
	cr_assert_eq(planned(&p.ledger), 10);
	free(copy);
	place_done(&p);
}

Test(file_ledger, it_is_written_anew_before_it_grows_out_of_proportion)
{
	place p = place_new();
	kd_error err = {0};
	size_t most = 0;
	for (int n = 0; n < 3000; n++) { /* one plan, given back again and again */
		kd_batch_partition e = {"j", "t", 0, 0, 0, 1000, {0, 10}};
		kd_cas cas;
		journal_step step;
		take_over(&p);
		kt_check(journal_withdraw(p.ledger.journal, &p.me, &e, 5, &cas, &step, &err) == KD_OK, "%s", err.message);
		append(&p, &step);
		most = p.ledger.lines > most ? p.ledger.lines : most;
	}
	cr_assert_lt(p.ledger.lines, 3 * journal_size(p.ledger.journal) + 10);
	cr_assert_lt(most, 3 * journal_size(p.ledger.journal) + 2010);
	file_ledger fresh;
	cr_assert(file_ledger_init(&fresh, p.dir, NULL));
	refresh(&fresh);
	cr_assert_eq(journal_size(fresh.journal), journal_size(p.ledger.journal));
	cr_assert_eq(planned(&fresh), 0);
	file_ledger_done(&fresh);
	place_done(&p);
}
