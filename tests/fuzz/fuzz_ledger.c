/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a ledger read back, from a disk or a topic that anybody can write to.  A line is refused, and then the
 * ledger is as it was; or it is taken, and then what is dumped is read as the same again.
 *
 * The input is lines of a key, a space and a state; a line without a state removes the key. */
#include "fuzz.h"

#include <kdirect/sink.h>

#include "sinks/journal/journal.h"

static journal *read_lines(const uint8_t *data, size_t size)
{
	journal *j = journal_new();

	fuzz_check(j, "no memory");
	for (size_t at = 0; at < size;) {
		const char *line = (const char *) data + at, *end = memchr(line, '\n', size - at);
		size_t length = end ? (size_t) (end - line) : size - at;
		const char *space = memchr(line, ' ', length);
		size_t key_size = space ? (size_t) (space - line) : length;
		kd_error err = {0};
		kd_code code = journal_apply(j, line, key_size, space ? space + 1 : NULL, space ? length - key_size - 1 : 0, &err);
		fuzz_check(!code || err.message[0], "refused without a reason");
		at += length + 1;
	}
	return j;
}

static void must_be_same(const journal *j)
{
	journal_step dump = {0}, again = {0};
	kd_error err = {0};
	journal *copy = journal_new();

	fuzz_check(copy && journal_dump(j, &dump, &err) == KD_OK, "could not be dumped: %s", err.message);
	fuzz_check(dump.n == journal_size(j), "%zu lines dumped of %zu", dump.n, journal_size(j));
	fuzz_check(journal_take(copy, &dump, &err) == KD_OK, "what was dumped is refused: %s", err.message);
	fuzz_check(journal_dump(copy, &again, &err) == KD_OK && again.n == dump.n, "dumped with %zu and %zu lines", dump.n,
		again.n);
	for (size_t i = 0; i < dump.n; i++) {
		fuzz_check(strcmp(dump.line[i].key, again.line[i].key) == 0, "%s is now %s", dump.line[i].key, again.line[i].key);
		fuzz_check(strcmp(dump.line[i].state, again.line[i].state) == 0, "%s was %s", again.line[i].state,
			dump.line[i].state);
	}
	journal_step_done(&dump);
	journal_step_done(&again);
	journal_free(copy);
}

/* Whoever asks gets an answer, of whatever hangs together. */
static void ask(const journal *j, const char *job)
{
	kd_segment segments[4];
	kd_ledger_image image = {0};
	journal_instance instance;
	journal_step step = {0};
	kd_owner owner;
	int64_t removed;
	bool more;
	size_t n = 0;
	kd_error err = {0};
	kd_take_over request = {.job = job, .owner_id = "0123456789abcdef0123456789abcdef", .cluster_id = "c",
		.start_policy = "earliest", .isolation = "read_committed", .host = "h", .pid = 1, .version = "1"};
	journal_target target = {.name = "/data", .identity = "file:", .noun = "folder"};

	journal_verify(j, job, segments, 4, &n);
	(void) journal_owner(j, job, &instance);
	if (journal_image(j, job, false, &image, &err) == KD_OK)
		kd_ledger_image_done(&image);
	if (journal_prune(j, &(kd_owner) {0}, job, INT64_MAX, 100, &removed, &more, &step, &err) == KD_OK)
		journal_step_done(&step);
	if (journal_take_over(j, &request, &target, "", 5, &owner, &step, &err) == KD_OK) {
		journal *next = journal_new();
		journal_step dump = {0};
		fuzz_check(next && journal_dump(j, &dump, &err) == KD_OK, "%s", err.message);
		fuzz_check(journal_take(next, &dump, &err) == KD_OK, "%s", err.message);
		fuzz_check(journal_take(next, &step, &err) == KD_OK, "a take-over cannot be taken: %s", err.message);
		journal_step_done(&dump);
		journal_step_done(&step);
		journal_free(next);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	journal *j = read_lines(data, size);
	kd_error err = {0};

	must_be_same(j);
	if (journal_check(j, &err) == KD_OK)
		for (size_t i = 0; journal_job_at(j, i); i++)
			ask(j, journal_job_at(j, i));
	else
		fuzz_check(err.message[0], "refused without a reason");
	journal_free(j);
	return 0;
}
