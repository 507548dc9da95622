// SPDX-License-Identifier: Apache-2.0
// The suite on a sink that kd_store_sink makes of a store: that of the example, as a person starts from it.
#include <criterion/criterion.h>
#include <sys/stat.h>

#include "conformance.h"
#include "connectors/examples/minimal-sink/minimal.c"
#include "tmpdir.h"

static char *sink_json(const world *w, const char *table)
{
	if (strcmp(table, "t") != 0)
		return NULL;
	return kt_format("{\"type\": \"minimal\", \"path\": \"%s/data\"}", w->place.dir);
}

static void run(conformance_case *fn)
{
	const kc_store store = {.ops = kd_plugin_entry()->parts.sinks[0], .sink_json = sink_json, .state_in_dir = true};
	conformance_run(&store, fn);
}

#define STORE_TEST(name) \
	Test(store, name, .timeout = 120) \
	{ \
		run(case_##name); \
	}
CASES(STORE_TEST)

Test(store, is_made_once_and_refuses_a_table_that_cannot_be_used)
{
	static kd_store_ops bad[3];
	static const char *const say[] = {"abi 2, not 1", "no append", "no noun"};
	cr_assert_eq(kd_store_sink(&minimal), kd_store_sink(&minimal));
	bad[0] = bad[1] = bad[2] = minimal;
	bad[0].abi++;
	bad[1].append = NULL;
	bad[2].noun = NULL;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		kd_error opened = {0}, checked = {0};
		void *sink = NULL;
		kd_sink_context context = {.ops = kd_store_sink(&bad[i])};
		cr_assert_not_null(context.ops);
		cr_expect_eq(context.ops->open(&context, &sink, &opened), KD_ECONFIG, "%s", say[i]);
		cr_expect_eq(context.ops->check(&context, NULL, NULL, &checked), KD_ECONFIG, "%s", say[i]);
		cr_expect(strstr(opened.message, say[i]), "%s: %s", say[i], opened.message);
		cr_expect_str_eq(checked.message, opened.message);
	}
}

/* A chunk that a crash cut short counts for nothing, and is written over. */
static void a_torn_chunk_is_written_over(world *w)
{
	char *path = kt_path(w->place.dir, "data");
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), next = entry(0, 2000, 10, 20);
	struct stat before;
	plan_and_land(i, &e);
	cr_assert_eq(plan(i, &next), KD_CAS_DONE);
	cr_assert_eq(stat(path, &before), 0);
	land(i, &next);
	cr_assert_eq(truncate(path, before.st_size + HEAD_SIZE + 40), 0);
	cr_assert_eq(rows_between(w, 0, 100), 10);
	cr_assert_eq(reread(i, KD_REREAD_DATA, &next).batch, KD_BATCH_PLANNED);
	land(i, &next);
	cr_assert_eq(rows_between(w, 0, 100), 20);
	instance_close(i);
	free(path);
}

Test(store, a_torn_chunk_counts_for_nothing)
{
	run(a_torn_chunk_is_written_over);
}

static void another_table(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	const kd_record record = {.table = "elsewhere"};
	kd_buf out = {0};
	kd_error err = {0};
	uint32_t rows;
	cr_assert_eq(w->ops->encode(i->sink, &e, &record, &out, &rows, &err), KD_ECONFIG);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_eq(out.size, 0);
	kd_buf_done(&out);
	instance_close(i);
}

Test(store, a_table_that_the_job_does_not_list_is_a_configuration_error)
{
	run(another_table);
}

/* The library asks for the lock again and again; a job that is being stopped does not. */
static void interrupted_wait(world *w)
{
	instance *holder = instance_start(w, 'a', 1), *other = instance_open(w, 'a');
	kd_batch_partition e = entry(0, 1000, 0, 10);
	kd_error err = {0};
	kd_cas cas;
	cr_assert_eq(plan(holder, &e), KD_CAS_DONE);
	cr_assert_eq(begin(holder, &e), KD_CAS_DONE);
	w->ops->interrupt(other->session);
	cr_assert_eq(w->ops->begin(other->session, &holder->me, &e, &cas, &err), KD_EBUSY);
	cr_assert_eq(err.action, KD_RETRY);
	cr_assert_not(w->ops->usable(other->session));
	instance_close(other);
	instance_close(holder);
}

Test(store, an_interrupted_session_waits_no_longer)
{
	run(interrupted_wait);
}
