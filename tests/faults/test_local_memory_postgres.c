/* SPDX-License-Identifier: Apache-2.0 */
/* F29: memory runs out at the n-th allocation of ours, in jobs with PostgreSQL: see local_campaign.h.  libpq allocates
 * by itself, and its own memory does not run out here. */
#include <criterion/criterion.h>

#include <kdirect/sinks.h>
#include "local_campaign.h"
#include "local_memory.h"
#include "tmpdir.h"

enum { SAMPLES = 16 };

/* One database serves a whole campaign. */
static void begin_fresh(local_campaign *c)
{
	if (!c->store.sink)
		kt_store_open(&c->store, KT_POSTGRES, c->dir);
	kt_store_exec(&c->store, "set client_min_messages to warning; drop schema if exists kdirect cascade;"
		" drop table if exists t");
	c->keys = kt_format("%s, \"table\": \"t\"", c->store.sink);
}

static void end(local_campaign *c)
{
	(void) c;
}

static void close_database(local_campaign *c)
{
	kt_store_close(&c->store);
}

/* ---- where memory begins to run out ---- */

/* Once the configuration is read, which is the same for every sink. */
static kd_code resume_and_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	local_memory_resume();
	return kd_postgres_sink.open(context, ret_sink, err);
}

static kd_code resume_and_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	local_memory_resume();
	return kd_postgres_sink.begin(session, me, entry, ret_cas, err);
}

/* The sink from its first contact on, or from the first data transaction on. */
static const kd_sink_ops *resuming(bool in_batch)
{
	static kd_sink_ops ops;

	ops = kd_postgres_sink;
	if (in_batch)
		ops.begin = resume_and_begin;
	else
		ops.open = resume_and_open;
	return &ops;
}

static void runs_out_of_memory(const char *name, void (*begin)(local_campaign *c), bool in_batch, bool for_ever)
{
	local_kind kind = {.name = name, .sink = resuming(in_batch), .begin = begin, .rows = local_campaign_rows,
		.untiled = local_campaign_untiled, .end = end, .close = close_database, .late = true, .samples = SAMPLES};

	local_campaign_run(&kind, for_ever);
}

/* ---- a first start: the ledger and the table are made, the job is taken over, and its batches land ---- */

/* F29, I1, I2, I3 */
Test(local_memory_postgres, a_first_start_survives_an_allocation_that_fails, .timeout = 900)
{
	runs_out_of_memory("postgres, first start", begin_fresh, false, false);
}

/* F29, I1, I2, I3 */
Test(local_memory_postgres, a_first_start_survives_allocations_that_fail_for_ever, .timeout = 900)
{
	runs_out_of_memory("postgres, first start", begin_fresh, false, true);
}

/* ---- a recovery: a plan that nobody committed is taken over and replayed ---- */

static void begin_planned(local_campaign *c)
{
	begin_fresh(c);
	local_campaign_leave_a_plan(c);
}

/* F29, I1, I2, I6 */
Test(local_memory_postgres, a_recovery_survives_an_allocation_that_fails, .timeout = 900)
{
	runs_out_of_memory("postgres, recovery", begin_planned, false, false);
}

/* F29, I1, I2, I6 */
Test(local_memory_postgres, a_recovery_survives_allocations_that_fail_for_ever, .timeout = 900)
{
	runs_out_of_memory("postgres, recovery", begin_planned, false, true);
}

/* ---- a running batch ---- */

/* F29, I1, I2, I9 */
Test(local_memory_postgres, a_running_batch_survives_an_allocation_that_fails, .timeout = 900)
{
	runs_out_of_memory("postgres, running batch", begin_fresh, true, false);
}

/* F29, I1, I2, I9 */
Test(local_memory_postgres, a_running_batch_survives_allocations_that_fail_for_ever, .timeout = 900)
{
	runs_out_of_memory("postgres, running batch", begin_fresh, true, true);
}
