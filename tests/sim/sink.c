/* SPDX-License-Identifier: Apache-2.0 */
/* sink: the kd_sink_ops over the simulated database: each call may fail before it did anything, lose its answer after it
 * did all, arrive late, or never come back because its process is gone. */
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum { LOCK_WAITS = 12 };

typedef enum outcome {
	GOES_WELL,
	IS_REFUSED,   /* nothing happened, and the client is told */
	ANSWER_LOST,  /* it happened, and the client is not told */
	REQUEST_LOST, /* nothing happened, and the client is not told */
	COMES_LATE    /* it will happen, the client is told nothing */
} outcome;

static outcome fate(void)
{
	if (!sim_percent(60))
		return GOES_WELL;
	outcome out = (outcome) (1 + sim_random(4));
	sim->report->lost_answers += out != IS_REFUSED;
	return out;
}

/* ---- sessions ---- */

void sim_break_session(sim_session *session)
{
	session->alive = false;
	session->tx.open = false;
}

static kd_code gone(kd_error *err, kd_action action)
{
	return kd_error_set(err, KD_ESINK, action, "the connection is lost");
}

/* Before every call: others have their turn; the process or the connection may be gone after that. */
static kd_code enter(sim_session *session, kd_error *err)
{
	sim_yield((int64_t) sim_random(4));
	if (sim_instance_crashed(session->instance))
		return kd_error_set(err, KD_ESTOPPED, KD_STOP, "killed");
	return session->alive ? KD_OK : gone(err, KD_REPLAY);
}

/* What the client hears of a call that did not go well. */
static kd_code hear(sim_session *session, outcome out, kd_error *err)
{
	if (out == IS_REFUSED && sim_random(2))
		return kd_error_set(err, KD_ESINK, KD_RETRY, "refused");
	session->alive = false;
	return gone(err, out == IS_REFUSED ? KD_RETRY : KD_RESOLVE);
}

static kd_code connect_to(void *sink, const char *role, void **ret_session, kd_error *err)
{
	sim_instance *instance = sink;

	(void) role;
	sim_yield((int64_t) sim_random(4));
	if (sim_instance_crashed(instance))
		return kd_error_set(err, KD_ESTOPPED, KD_STOP, "killed");
	if (sim_percent(30))
		return kd_error_set(err, KD_ESINK, KD_RETRY, "nobody answers");
	sim_session *session = calloc(1, sizeof *session);
	*session = (sim_session) {.alive = true, .instance = instance, .next = *sim_instance_sessions(instance)};
	*sim_instance_sessions(instance) = session;
	*ret_session = session;
	return KD_OK;
}

/* The server may be long in noticing. */
static void disconnect(void *opaque)
{
	sim_session *session = opaque;

	if (!session)
		return;
	if (session->tx.open && sim_percent(500))
		sim_leave_orphan(&session->tx, false);
	for (sim_session **at = sim_instance_sessions(session->instance); *at; at = &(*at)->next)
		if (*at == session) {
			*at = session->next;
			break;
		}
	free(session);
}

static bool usable(void *session)
{
	return ((sim_session *) session)->alive;
}

/* Waits for who holds the position of a partition, and ends him where that takes long. */
static kd_code wait_for_lock(sim_session *session, int part, kd_error *err)
{
	for (int waits = 0; sim_is_locked(part, &session->tx); waits++) {
		if (waits == LOCK_WAITS)
			sim_end_holder(part, &session->tx);
		sim_yield(5);
		if (sim_instance_crashed(session->instance))
			return kd_error_set(err, KD_ESTOPPED, KD_STOP, "killed");
		if (!session->alive)
			return gone(err, KD_REPLAY);
	}
	return KD_OK;
}

/* ---- the ledger ---- */

static size_t count_plans(void)
{
	size_t n = 0;

	for (int p = 0; p < SIM_PARTITIONS; p++)
		for (int i = 0; i < sim->db.parts[p].n_rows; i++)
			n += sim->db.parts[p].rows[i].state == KD_BATCH_PLANNED;
	return n;
}

static void read_image(kd_ledger_image *image)
{
	*image = (kd_ledger_image) {.owner = sim->db.owner, .segments = calloc(SIM_PARTITIONS, sizeof *image->segments),
		.n_segments = SIM_PARTITIONS, .plans = calloc(1 + count_plans(), sizeof *image->plans)};
	for (int p = 0; p < SIM_PARTITIONS; p++) {
		const sim_part *part = &sim->db.parts[p];
		image->segments[p] = (kd_segment) {.partition_index = p, .topic = strdup("t"), .partition = p,
			.planned_until = part->planned_until, .committed_until = part->committed_until,
			.last_batch_time_ms = part->last_batch_time_ms, .owner = part->owner};
		int newest = sim_find_row(part, part->last_batch_time_ms);
		if (newest >= 0) {
			image->segments[p].newest_state = part->rows[newest].state;
			image->segments[p].newest_range = part->rows[newest].range;
		}
		for (int i = 0; i < part->n_rows; i++)
			if (part->rows[i].state == KD_BATCH_PLANNED)
				image->plans[image->n_plans++] = (kd_batch_row) {.partition_index = p,
					.batch_time_ms = part->rows[i].batch_time_ms, .range = part->rows[i].range,
					.state = KD_BATCH_PLANNED};
	}
}

static bool any_is_locked(const sim_session *session)
{
	for (int p = 0; p < SIM_PARTITIONS; p++)
		if (sim_is_locked(p, &session->tx))
			return true;
	return false;
}

/* It holds what it has while it waits for the next: so the last look is at all of them at once. */
static kd_code lock_all(sim_session *session, kd_error *err)
{
	kd_code code = KD_OK;

	while (!code && any_is_locked(session))
		for (int p = 0; !code && p < SIM_PARTITIONS; p++)
			code = wait_for_lock(session, p, err);
	return code;
}

static kd_code take_over(void *opaque, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	sim_session *session = opaque;
	kd_code code = enter(session, err);

	if (!code)
		code = lock_all(session, err);
	if (code)
		return code;
	outcome out = fate();
	if (out == GOES_WELL || out == ANSWER_LOST || (out == COMES_LATE && sim_random(2)))
		sim_db_take_over(request);
	if (out != GOES_WELL)
		return hear(session, out, err);
	read_image(ret_image);
	sim_trace("epoch %d takes over", (int) sim->db.epoch);
	return KD_OK;
}

static kd_code append_plan(void *opaque, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err)
{
	sim_session *session = opaque;
	kd_code code = enter(session, err);

	if (code)
		return code;
	outcome out = fate();
	if (out == COMES_LATE)
		sim_delay(false, me, entries, n);
	*ret_cas = KD_CAS_MISS;
	if ((out == GOES_WELL || out == ANSWER_LOST) && sim_db_plan(me, entries, n))
		*ret_cas = KD_CAS_DONE;
	return out == GOES_WELL ? KD_OK : hear(session, out, err);
}

static kd_code withdraw(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	sim_session *session = opaque;
	kd_code code = enter(session, err);

	if (code)
		return code;
	outcome out = fate();
	*ret_cas = KD_CAS_MISS;
	if ((out == GOES_WELL || out == ANSWER_LOST) && sim_db_withdraw(me, entry))
		*ret_cas = KD_CAS_DONE;
	return out == GOES_WELL ? KD_OK : hear(session, out, err);
}

static kd_code reread(void *opaque, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err)
{
	sim_session *session = opaque;
	kd_code code = enter(session, err);

	for (size_t i = 0; !code && kind == KD_REREAD_DATA && i < n; i++)
		code = wait_for_lock(session, entries[i].partition_index, err);
	if (code)
		return code;
	if (sim_percent(20))
		return hear(session, IS_REFUSED, err);
	for (size_t i = 0; i < n; i++) {
		const sim_part *part = &sim->db.parts[entries[i].partition_index];
		int at = sim_find_row(part, entries[i].batch_time_ms);
		bool plan = kind == KD_REREAD_PLAN;
		ret_rows[i] = (kd_reread) {.found = true, .owner = plan ? part->planner : part->owner,
			.position = plan ? part->planned_until : part->committed_until,
			.last_batch_time_ms = part->last_batch_time_ms};
		if (at >= 0) {
			ret_rows[i].batch = part->rows[at].state;
			ret_rows[i].range = part->rows[at].range;
		}
	}
	return KD_OK;
}

static kd_code verify(void *opaque, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err)
{
	sim_session *session = opaque;
	kd_code code = enter(session, err);

	(void) job;
	*ret_n = SIM_PARTITIONS;
	for (size_t p = 0; !code && p < n && p < SIM_PARTITIONS; p++)
		ret_segments[p] = (kd_segment) {.partition_index = (int32_t) p, .owner = sim->db.parts[p].owner,
			.planned_until = sim->db.parts[p].planned_until, .committed_until = sim->db.parts[p].committed_until};
	return code;
}

/* ---- the data transaction ---- */

static kd_code begin(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err)
{
	sim_session *session = opaque;
	kd_code code = enter(session, err);

	if (!code)
		code = wait_for_lock(session, entry->partition_index, err);
	if (code)
		return code;
	outcome out = fate();
	if (out == COMES_LATE)
		sim_delay(true, me, entry, 1);
	*ret_cas = KD_CAS_MISS;
	if ((out == GOES_WELL || out == ANSWER_LOST) && sim_db_begin(me, entry, &session->tx))
		*ret_cas = KD_CAS_DONE;
	if (out == GOES_WELL)
		return KD_OK;
	if (session->tx.open)
		sim_leave_orphan(&session->tx, false); /* open in the server, and nobody there */
	session->tx.open = false;
	return hear(session, out, err);
}

static kd_code write_rows(void *opaque, const void *bytes, size_t size, kd_error *err)
{
	sim_session *session = opaque;
	kd_code code = enter(session, err);

	if (code)
		return code;
	if (sim_percent(20)) {
		session->tx.open = false;
		return hear(session, IS_REFUSED, err);
	}
	for (size_t i = 0; i < size / sizeof(int64_t) && session->tx.n_rows < SIM_RANGE; i++)
		memcpy(&session->tx.rows[session->tx.n_rows++], (const int64_t *) bytes + i, sizeof(int64_t));
	return KD_OK;
}

/* The rows in a transaction, and position and identifier in the next: what must never be. */
static void commit_in_two(sim_session *session, outcome out)
{
	sim_tx half = session->tx;

	if (out == REQUEST_LOST || out == COMES_LATE)
		for (int i = 0; i < half.n_rows; i++)
			if (++sim->db.parts[half.part].stored[half.rows[i]] > 1)
				sim_violation("I2: a row is there twice");
}

static kd_code commit(void *opaque, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	sim_session *session = opaque;
	kd_code code = enter(session, err);

	*ret_durability = KD_DURABLE;
	if (code)
		return code;
	if (!session->tx.open)
		return gone(err, KD_REPLAY);
	if (result->rows != session->tx.n_rows)
		return kd_error_set(err, KD_ESINK, KD_STOP, "%d rows came of %d", session->tx.n_rows, (int) result->rows);
	outcome out = fate();
	if (sim->options->wrong == SIM_POSITION_OUTSIDE)
		commit_in_two(session, out);
	if (out == GOES_WELL || out == ANSWER_LOST)
		sim_db_commit(&session->tx);
	else if (out == COMES_LATE)
		sim_leave_orphan(&session->tx, true);
	session->tx.open = false;
	if (out == IS_REFUSED) {
		(void) !hear(session, out, NULL);
		return gone(err, KD_REPLAY);
	}
	return out == GOES_WELL ? KD_OK : hear(session, out, err);
}

static void roll_back(void *opaque)
{
	((sim_session *) opaque)->tx.open = false;
}

const kd_sink_ops sim_sink = {.abi = KD_SINK_ABI, .name = "sim", .guarantee = KD_GUARANTEE_EXACTLY_ONCE,
	.connect = connect_to, .disconnect = disconnect, .usable = usable, .take_over = take_over,
	.append_plan = append_plan, .withdraw = withdraw, .reread = reread, .verify = verify, .begin = begin,
	.write = write_rows, .commit = commit, .abort = roll_back};
