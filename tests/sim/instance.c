/* SPDX-License-Identifier: Apache-2.0 */
/* instance: one start of the job.  A driver that takes over, recovers, plans and settles, and a worker that reads and
 * lands: the skeletons of lib/start.c, lib/steady.c and lib/handout.c around the functions that decide. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "commit.h"
#include "planner.h"
#include "range.h"
#include "rate.h"
#include "recover.h"
#include "world.h"

enum { MOST_OPEN = 2, TICK_MS = 20, VERIFY_MS = 200, MOST_TASKS = SIM_PARTITIONS * MOST_OPEN };

typedef struct memory {
	int64_t planned_until, committed_until, last_batch_time_ms;
	int open;
} memory;

struct sim_instance {
	int number;
	char owner_id[KD_OWNER_SIZE];
	sim_session *sessions;
	sim_routine routines[2];
	bool frozen, crashed;

	kd_ledger ledger; /* the driver's */
	kd_retry retry;
	memory parts[SIM_PARTITIONS];
	size_t turn;
	int64_t max_records;
	int64_t verify_ms;

	kd_worker *worker; /* the part of it that lands */
	kd_range_tracker trackers[SIM_PARTITIONS];
	kd_task *tasks[SIM_PARTITIONS][MOST_TASKS]; /* in the order of the log */
	size_t n_tasks[SIM_PARTITIONS];
	kd_task *done[SIM_PARTITIONS * MOST_TASKS];
	size_t n_done;
	bool stops_working; /* the worker is to end, or has */
	kd_error failure;   /* the worker's */
};

/* ---- what run.c asks ---- */

bool sim_instance_lives(const sim_instance *in) { return in->routines[0].there || in->routines[1].there; }
bool sim_instance_is_frozen(const sim_instance *in) { return in->frozen; }
void sim_instance_freeze(sim_instance *in, bool on) { in->frozen = on; }
bool sim_instance_crashed(const sim_instance *in) { return in->crashed; }
sim_session **sim_instance_sessions(sim_instance *in) { return &in->sessions; }
sim_routine *sim_instance_routine(sim_instance *in, int i) { return &in->routines[i]; }

/* The kernel closes its connections; a COMMIT may be on its way. */
void sim_instance_crash(sim_instance *in)
{
	in->crashed = true;
	in->frozen = false;
	for (sim_session *s = in->sessions; s; s = s->next) {
		if (s->tx.open)
			sim_leave_orphan(&s->tx, false);
		sim_break_session(s);
	}
	for (int i = 0; i < 2; i++)
		in->routines[i].wake_ms = 0;
	if (in->worker)
		atomic_store(&in->worker->stop, true);
}

/* ---- reading: exactly the range, from what a client library hands out ---- */

static bool add_row(kd_task *task, int64_t offset)
{
	kd_chunk *chunk = kd_task_open_chunk(task);

	task->result.records++;
	task->result.rows++;
	return chunk && kd_rowmap_add(&task->map, offset, 1) && kd_buf_append(&chunk->rows, &offset, sizeof offset);
}

/* Records come in order, some of them again; then what is known of the end. */
static void read_task(sim_instance *in, kd_task *task)
{
	int p = task->id.partition_index;
	const sim_log *log = &sim->logs[p];
	kd_range_tracker *tracker = &in->trackers[p];

	kd_task_reset(task);
	if (!kd_range_begin(tracker, task->id.range)) {
		kd_range_assign(tracker, task->id.range.from);
		(void) kd_range_begin(tracker, task->id.range);
	}
	for (int64_t offset = tracker->cursor; !kd_range_complete(tracker, -1); offset++) {
		if (offset >= log->stable) {
			/* a reader that was told to read behind it takes the end of the log for the end of the range */
			kd_range_advance(tracker, sim->options->wrong == SIM_UNTIL_FROM_HIGH ? task->id.range.until : offset);
			if (!kd_range_complete(tracker, -1))
				sim_yield(10);
			if (in->stops_working || in->crashed)
				return;
			offset = tracker->next - 1;
			continue;
		}
		if (log->delivered[offset] && kd_range_offer(tracker, offset) == KD_RANGE_DELIVER)
			(void) !add_row(task, offset);
		else if (!log->delivered[offset] && sim_random(2))
			kd_range_advance(tracker, offset + 1);
		if (log->delivered[offset] && sim_random(50) == 0 && kd_range_offer(tracker, offset) == KD_RANGE_DELIVER)
			sim_violation("I2: the tracker delivers offset %d@%" PRId64 " again", p, offset);
		if (offset + 1 == log->stable || offset + 1 >= task->id.range.until)
			kd_range_advance(tracker, offset + 1);
	}
	task->first = task->last = task->open;
	task->open = NULL;
	task->complete = true;
}

/* ---- the worker ---- */

static kd_task *take_task(sim_instance *in)
{
	size_t first = sim_random(SIM_PARTITIONS);

	for (size_t k = 0; k < SIM_PARTITIONS; k++) {
		size_t p = (first + k) % SIM_PARTITIONS;
		if (in->n_tasks[p] == 0)
			continue;
		kd_task *task = in->tasks[p][0];
		memmove(in->tasks[p], in->tasks[p] + 1, --in->n_tasks[p] * sizeof *in->tasks[p]);
		return task;
	}
	return NULL;
}

static kd_code land(sim_instance *in, kd_task *task, kd_error *err)
{
	kd_durability durability;
	bool reread = true;
	kd_code code = KD_OK;

	while (!code && reread && !in->stops_working && !in->crashed) {
		read_task(in, task);
		reread = false;
		if (task->complete)
			code = kd_commit_land(in->worker, task, &durability, &reread, err);
		else
			code = kd_error_set(err, KD_ESTOPPED, KD_STOP, "stopped");
	}
	return code;
}

static void work(sim_instance *in)
{
	while (!in->stops_working && !in->crashed) {
		kd_task *task = take_task(in);
		kd_error err = {0};
		if (!task) {
			sim_yield(3);
			continue;
		}
		if (land(in, task, &err) == KD_OK && !in->crashed && task->complete) {
			in->done[in->n_done++] = task;
			continue;
		}
		kd_task_free(task);
		if (!in->stops_working)
			in->failure = err;
		in->stops_working = true;
	}
	if (in->worker->ledger.session)
		sim_sink.disconnect(in->worker->ledger.session);
	in->worker->ledger.session = NULL;
}

/* ---- the driver: again until it is decided ---- */

static bool again(sim_instance *in, kd_error *err)
{
	int64_t wait_ms;

	if (in->ledger.session && !sim_sink.usable(in->ledger.session)) {
		sim_sink.disconnect(in->ledger.session);
		in->ledger.session = NULL;
	}
	if (in->failure.code)
		*err = in->failure;
	if (in->crashed || in->failure.code || err->action == KD_STOP || err->code == KD_EWENTBACK)
		return false;
	if (!kd_retry_again(&in->retry, sim->mono_ms, INT64_MAX / 2, &wait_ms))
		return false;
	kd_error_clear(err);
	sim_yield(wait_ms);
	return true;
}

static kd_code ensure_session(sim_instance *in, kd_error *err)
{
	return in->ledger.session ? KD_OK : sim_sink.connect(in, "driver", &in->ledger.session, err);
}

static kd_code take_over(sim_instance *in, kd_ledger_image *image, kd_error *err)
{
	kd_take_over request = {.job = "j", .owner_id = in->owner_id, .had_epoch = in->ledger.me.epoch};

	for (;;) {
		kd_code code = ensure_session(in, err);
		if (!code)
			code = sim_sink.take_over(in->ledger.session, &request, image, err);
		if (!code) {
			kd_retry_reset(&in->retry);
			in->ledger.me = image->owner;
			return KD_OK;
		}
		if (!again(in, err))
			return err->code;
	}
}

static kd_batch_partition identify(int p, int64_t batch_time_ms, kd_range range)
{
	return (kd_batch_partition) {.job = "j", .topic = "t", .partition = p, .partition_index = p,
		.batch_time_ms = batch_time_ms, .range = range};
}

static void give_task(sim_instance *in, int p, int64_t batch_time_ms, kd_range range)
{
	kd_batch_partition id = identify(p, batch_time_ms, range);

	if (in->n_tasks[p] == MOST_TASKS) {
		sim_violation("more than %d batches of a partition are open", MOST_TASKS);
		return;
	}
	in->tasks[p][in->n_tasks[p]++] = kd_task_new(&id);
	in->parts[p].open++;
}

/* ---- the driver: the start ---- */

static kd_code withdraw(sim_instance *in, int p, const kd_batch_row *row, kd_error *err)
{
	kd_batch_partition id = identify(p, row->batch_time_ms, row->range);

	for (;;) {
		kd_code code = ensure_session(in, err);
		if (!code)
			code = kd_ledger_withdraw(&in->ledger, &id, err);
		if (!code) {
			kd_retry_reset(&in->retry);
			in->parts[p].planned_until = row->range.from;
			return KD_OK;
		}
		if (!again(in, err))
			return err->code;
	}
}

static kd_code replay(sim_instance *in, const kd_ledger_image *image, kd_error *err)
{
	for (int p = 0; p < SIM_PARTITIONS; p++) {
		size_t n;
		const kd_batch_row *plans = kd_recover_plans(image, p, &n);
		size_t back = kd_recover_withdraw(plans, n, in->max_records);
		for (; back > 0; back--, n--)
			if (withdraw(in, p, &plans[n - 1], err) != KD_OK)
				return err->code;
		for (size_t i = 0; i < n; i++)
			give_task(in, p, plans[i].batch_time_ms, plans[i].range);
	}
	return KD_OK;
}

static void remember(sim_instance *in, const kd_ledger_image *image)
{
	for (size_t p = 0; p < image->n_segments; p++) {
		const kd_segment *s = &image->segments[p];
		in->parts[p] = (memory) {s->planned_until, s->committed_until, s->last_batch_time_ms, 0};
		kd_range_assign(&in->trackers[p], s->committed_until);
	}
}

static kd_code start(sim_instance *in, kd_error *err)
{
	kd_ledger_image image = {0};
	kd_code code = take_over(in, &image, err);

	if (!code) {
		code = kd_recover_check(&image, err);
		remember(in, &image);
	}
	if (!code)
		code = replay(in, &image, err);
	kd_ledger_image_done(&image);
	return code;
}

/* ---- the driver: planning ---- */

static void settle(sim_instance *in)
{
	for (size_t i = 0; i < in->n_done; i++) {
		kd_task *task = in->done[i];
		memory *part = &in->parts[task->id.partition_index];
		part->committed_until = task->id.range.until;
		part->open--;
		kd_task_free(task);
	}
	in->n_done = 0;
}

static int64_t choose_ranges(sim_instance *in, kd_planner_partition *ranges)
{
	kd_planner_limits limits = {.records_per_partition = SIM_RANGE, .backpressure = KD_UNLIMITED,
		.records = in->max_records, .memory_records = KD_UNLIMITED};

	for (int p = 0; p < SIM_PARTITIONS; p++) {
		const sim_log *log = &sim->logs[p];
		ranges[p] = (kd_planner_partition) {.from = in->parts[p].planned_until, .high = log->high,
			.end = sim->options->wrong == SIM_UNTIL_FROM_HIGH ? log->high : log->stable,
			.full = in->parts[p].open >= MOST_OPEN};
	}
	return kd_planner_plan(ranges, SIM_PARTITIONS, &limits, in->turn++);
}

static size_t list_entries(sim_instance *in, const kd_planner_partition *ranges, kd_batch_partition *entries)
{
	int64_t last_ms = 0;
	size_t n = 0;

	for (int p = 0; p < SIM_PARTITIONS; p++)
		if (ranges[p].until > ranges[p].from && in->parts[p].last_batch_time_ms > last_ms)
			last_ms = in->parts[p].last_batch_time_ms;
	int64_t time_ms = sim->options->wrong == SIM_TIME_FROM_CLOCK ? kd_clock_wall_ms() :
		kd_clock_batch_time_ms(kd_clock_wall_ms(), last_ms);
	for (int p = 0; p < SIM_PARTITIONS; p++)
		if (ranges[p].until > ranges[p].from)
			entries[n++] = identify(p, time_ms, (kd_range) {ranges[p].from, ranges[p].until});
	return n;
}

static kd_code plan(sim_instance *in, kd_error *err)
{
	kd_planner_partition ranges[SIM_PARTITIONS];
	kd_batch_partition entries[SIM_PARTITIONS];

	if (choose_ranges(in, ranges) <= 0)
		return KD_OK;
	size_t n = list_entries(in, ranges, entries);
	for (;;) {
		kd_code code = ensure_session(in, err);
		if (!code)
			code = kd_ledger_plan(&in->ledger, entries, n, err);
		if (!code)
			break;
		if (!again(in, err))
			return err->code;
	}
	kd_retry_reset(&in->retry);
	sim->report->batches++;
	for (size_t i = 0; i < n; i++) {
		memory *part = &in->parts[entries[i].partition_index];
		part->planned_until = entries[i].range.until;
		part->last_batch_time_ms = entries[i].batch_time_ms;
		give_task(in, entries[i].partition_index, entries[i].batch_time_ms, entries[i].range);
	}
	return KD_OK;
}

/* An idle owner's look at its rows. */
static kd_code verify(sim_instance *in, kd_error *err)
{
	kd_segment segments[SIM_PARTITIONS];
	size_t n;

	if (sim->mono_ms < in->verify_ms)
		return KD_OK;
	in->verify_ms = sim->mono_ms + VERIFY_MS;
	kd_code code = ensure_session(in, err);
	if (!code)
		code = sim_sink.verify(in->ledger.session, "j", segments, SIM_PARTITIONS, &n, err);
	for (size_t p = 0; !code && p < n; p++) {
		kd_batch_partition entry = identify((int) p, 0, (kd_range) {in->parts[p].committed_until, 0});
		kd_reread row = {.found = true, .owner = segments[p].owner, .position = segments[p].committed_until,
			.batch = KD_BATCH_PLANNED};
		code = kd_ledger_verify_row(&in->ledger, &entry, &row, err);
		if (!code && segments[p].planned_until < in->parts[p].planned_until)
			code = kd_error_set(err, KD_EWENTBACK, KD_REPLAY, "a plan is gone");
	}
	return code && again(in, err) ? KD_OK : code;
}

static kd_code steady(sim_instance *in, kd_error *err)
{
	kd_code code = KD_OK;

	while (!code && !in->crashed) {
		sim_yield(TICK_MS);
		settle(in);
		if (in->failure.code) {
			*err = in->failure;
			return err->code;
		}
		code = plan(in, err);
		if (!code)
			code = verify(in, err);
	}
	return code;
}

/* ---- the coroutines ---- */

static void end_routine(sim_routine *routine)
{
	routine->there = false;
	for (;;)
		swapcontext(&routine->context, &sim->scheduler);
}

static sim_instance *entered; /* a coroutine's argument: makecontext takes integers only */

static void worker_main(void)
{
	sim_instance *in = entered;

	work(in);
	end_routine(&in->routines[1]);
}

static void enter_routine(sim_instance *in, int i, void (*fn)(void))
{
	static char stacks[SIM_INSTANCES][2][SIM_STACK];
	sim_routine *routine = &in->routines[i];

	getcontext(&routine->context);
	routine->context.uc_stack.ss_sp = stacks[in->number][i];
	routine->context.uc_stack.ss_size = SIM_STACK;
	routine->context.uc_link = &sim->scheduler;
	makecontext(&routine->context, fn, 0);
	routine->there = true;
	routine->wake_ms = 0;
}

static void drop_tasks(sim_instance *in)
{
	settle(in);
	for (int p = 0; p < SIM_PARTITIONS; p++)
		while (in->n_tasks[p])
			kd_task_free(in->tasks[p][--in->n_tasks[p]]);
}

/* Waits for the worker; what it was landing may still be committed. */
static void stop_worker(sim_instance *in)
{
	in->stops_working = true;
	atomic_store(&in->worker->stop, true);
	while (in->routines[1].there)
		sim_yield(1);
	drop_tasks(in);
}

static void start_worker(sim_instance *in)
{
	atomic_store(&in->worker->stop, false);
	in->worker->ledger = (kd_ledger) {.ops = &sim_sink, .job = "j", .me = in->ledger.me};
	in->stops_working = false;
	in->failure = (kd_error) {0};
	enter_routine(in, 1, worker_main);
}

static void tell_end(const sim_instance *in, const kd_error *err)
{
	if (in->crashed)
		return;
	sim_trace("an instance ends: %s", err->message);
	if (err->code == KD_EFENCED)
		sim->report->fenced++;
	else
		sim_violation("I8: an instance ended with %s: %s", kd_code_name(err->code), err->message);
}

static void drive(sim_instance *in)
{
	kd_error err = {0};
	kd_code code;

	do {
		kd_error_clear(&err);
		in->failure = (kd_error) {0};
		code = start(in, &err);
		if (!code) {
			start_worker(in);
			code = steady(in, &err);
			stop_worker(in);
		} else {
			drop_tasks(in);
		}
	} while (err.code == KD_EWENTBACK && !in->crashed);
	tell_end(in, &err);
	if (in->ledger.session)
		sim_sink.disconnect(in->ledger.session);
	in->ledger.session = NULL;
}

static void driver_main(void)
{
	sim_instance *in = entered;

	drive(in);
	end_routine(&in->routines[0]);
}

/* ---- start and end ---- */

static kd_worker *make_worker(sim_instance *in)
{
	static const kd_logger silent;
	kd_worker *worker = calloc(1, sizeof *worker);

	pthread_mutex_init(&worker->lock, NULL);
	worker->conf.ops = &sim_sink;
	worker->conf.sink = in;
	worker->conf.log = &silent;
	worker->conf.job = "j";
	worker->conf.retry_timeout_ms = INT64_MAX / 2;
	worker->lander_retry.random = 1 + sim_random(UINT32_MAX);
	return worker;
}

bool sim_instance_start(void)
{
	if (sim->n_instances == SIM_INSTANCES)
		return false;
	sim_instance *in = calloc(1, sizeof *in);
	for (int i = 0; i < KD_OWNER_SIZE - 1; i++)
		in->owner_id[i] = "0123456789abcdef"[sim_random(16)];
	in->worker = make_worker(in);
	in->retry.random = 1 + sim_random(UINT32_MAX);
	in->ledger = (kd_ledger) {.ops = &sim_sink, .job = "j"};
	in->max_records = sim_random(2) ? 60 : 12 + (int64_t) sim_random(20);
	in->number = sim->n_instances;
	sim->instances[sim->n_instances++] = in;
	enter_routine(in, 0, driver_main);
	sim->report->starts++;
	return true;
}

void sim_instance_enter(sim_instance *in) { entered = in; }

void sim_instance_free(sim_instance *in)
{
	drop_tasks(in);
	while (in->sessions)
		sim_sink.disconnect(in->sessions);
	pthread_mutex_destroy(&in->worker->lock);
	free(in->worker);
	free(in);
}
