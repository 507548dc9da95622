/* SPDX-License-Identifier: Apache-2.0 */
/* database: the ledger as the contract in kdirect/sink.h has it, the rows beside it, and a judge at the place where rows
 * become visible: nothing gets past it unseen. */
#include <inttypes.h>
#include <string.h>

#include "world.h"

bool sim_same_owner(const kd_owner *a, const kd_owner *b)
{
	return a->epoch == b->epoch && strcmp(a->id, b->id) == 0;
}

int sim_find_row(const sim_part *part, int64_t batch_time_ms)
{
	for (int i = part->n_rows - 1; i >= 0; i--)
		if (part->rows[i].batch_time_ms == batch_time_ms)
			return i;
	return -1;
}

/* ---- plans ---- */

static bool may_plan(const kd_owner *me, const kd_batch_partition *e)
{
	const sim_part *part = &sim->db.parts[e->partition_index];

	if (part->planned_until != e->range.from)
		return false;
	if (sim->options->wrong != SIM_PLAN_WITHOUT_EPOCH && !sim_same_owner(&part->planner, me))
		return false;
	return sim->options->wrong == SIM_TIME_FROM_CLOCK || part->last_batch_time_ms < e->batch_time_ms;
}

static void insert_plan(const kd_batch_partition *e)
{
	sim_part *part = &sim->db.parts[e->partition_index];

	if (sim_find_row(part, e->batch_time_ms) >= 0)
		sim_violation("I6: batch time %" PRId64 " of partition %d is used twice", e->batch_time_ms, e->partition_index);
	if (e->range.until > sim->logs[e->partition_index].stable)
		sim_violation("I6: partition %d is planned until %" PRId64 ", behind the last stable offset %" PRId64,
			e->partition_index, e->range.until, sim->logs[e->partition_index].stable);
	part->planned_until = e->range.until;
	part->last_batch_time_ms = e->batch_time_ms;
	if (part->n_rows < SIM_ROWS)
		part->rows[part->n_rows++] = (sim_row) {e->batch_time_ms, e->range, KD_BATCH_PLANNED};
	else
		sim_violation("the simulation is too small");
}

bool sim_db_plan(const kd_owner *me, const kd_batch_partition *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!may_plan(me, &entries[i]))
			return false;
	if (!sim_same_owner(me, &sim->db.owner))
		sim_violation("I7: epoch %" PRId64 " plans, and epoch %" PRId64 " owns the job", me->epoch, sim->db.owner.epoch);
	for (size_t i = 0; i < n; i++)
		insert_plan(&entries[i]);
	return true;
}

bool sim_db_withdraw(const kd_owner *me, const kd_batch_partition *e)
{
	sim_part *part = &sim->db.parts[e->partition_index];
	int i = sim_find_row(part, e->batch_time_ms);

	if (i < 0 || part->planned_until != e->range.until || !sim_same_owner(&part->planner, me) ||
		part->rows[i].state != KD_BATCH_PLANNED || part->committed_until > e->range.from)
		return false;
	part->planned_until = e->range.from;
	part->rows[i].state = KD_BATCH_WITHDRAWN;
	return true;
}

void sim_db_take_over(const kd_take_over *request)
{
	kd_owner owner = {.epoch = sim->db.epoch = kd_take_over_epoch(request, sim->db.epoch)};

	memcpy(owner.id, request->owner_id, sizeof owner.id);
	sim->db.owner = owner;
	for (int p = 0; p < SIM_PARTITIONS; p++)
		sim->db.parts[p].planner = sim->db.parts[p].owner = owner;
}

/* ---- the data transaction ---- */

static bool may_commit(const kd_owner *me, const kd_batch_partition *e)
{
	const sim_part *part = &sim->db.parts[e->partition_index];
	int i = sim_find_row(part, e->batch_time_ms);
	bool open = i >= 0 && part->rows[i].state == KD_BATCH_PLANNED && part->rows[i].range.from == e->range.from &&
		part->rows[i].range.until == e->range.until;

	if (sim->options->wrong == SIM_SKIP_BY_SELECT)
		return i < 0 || part->rows[i].state != KD_BATCH_COMMITTED;
	if (sim->options->wrong == SIM_COMMIT_WITHOUT_EPOCH)
		return open && part->committed_until == e->range.from;
	return open && part->committed_until == e->range.from && sim_same_owner(&part->owner, me);
}

bool sim_db_begin(const kd_owner *me, const kd_batch_partition *e, sim_tx *ret_tx)
{
	if (!may_commit(me, e))
		return false;
	*ret_tx = (sim_tx) {.open = true, .part = e->partition_index, .me = *me, .batch_time_ms = e->batch_time_ms,
		.range = e->range};
	return true;
}

/* I1, I2, I5: the rows are the range's records, each once, in order. */
static void judge_rows(const sim_tx *tx)
{
	const sim_log *log = &sim->logs[tx->part];
	sim_part *part = &sim->db.parts[tx->part];
	int at = 0;

	for (int64_t offset = tx->range.from; offset < tx->range.until; offset++) {
		bool there = at < tx->n_rows && tx->rows[at] == offset;
		if (there != log->delivered[offset])
			sim_violation("I1: offset %d@%" PRId64 " is %s", tx->part, offset, there ? "no record" : "missing");
		at += there;
		if (there && ++part->stored[offset] > 1)
			sim_violation("I2: offset %d@%" PRId64 " is there twice", tx->part, offset);
	}
	if (at != tx->n_rows)
		sim_violation("I5: partition %d: %d rows are out of their order or range", tx->part, tx->n_rows - at);
}

static void judge_place(const sim_tx *tx)
{
	const sim_part *part = &sim->db.parts[tx->part];
	int i = sim_find_row(part, tx->batch_time_ms);

	if (part->committed_until != tx->range.from)
		sim_violation("I3: partition %d is committed until %" PRId64 ", and goes on at %" PRId64, tx->part,
			part->committed_until, tx->range.from);
	if (i < 0 || part->rows[i].state != KD_BATCH_PLANNED)
		sim_violation("I6: batch %" PRId64 " of partition %d commits without an open plan", tx->batch_time_ms, tx->part);
	else if (part->rows[i].range.from != tx->range.from || part->rows[i].range.until != tx->range.until)
		sim_violation("I6: batch %" PRId64 " of partition %d commits another range than planned", tx->batch_time_ms,
			tx->part);
	if (!sim_same_owner(&tx->me, &sim->db.owner))
		sim_violation("I7: epoch %" PRId64 " commits, and epoch %" PRId64 " owns the job", tx->me.epoch,
			sim->db.owner.epoch);
}

void sim_db_commit(sim_tx *tx)
{
	sim_part *part = &sim->db.parts[tx->part];
	int i = sim_find_row(part, tx->batch_time_ms);

	judge_place(tx);
	judge_rows(tx);
	part->committed_until = tx->range.until;
	if (i >= 0)
		part->rows[i].state = KD_BATCH_COMMITTED;
	sim->report->batch_partitions++;
	tx->open = false;
	sim_trace("partition %d is committed until %" PRId64, tx->part, part->committed_until);
}

/* ---- locks, and clients that are gone ---- */

static sim_tx *holder_of(int part, const sim_tx *mine, sim_orphan **ret_orphan, sim_session **ret_session)
{
	*ret_orphan = NULL;
	*ret_session = NULL;
	for (int i = 0; i < SIM_ORPHANS; i++)
		if (sim->orphans[i].tx.open && sim->orphans[i].tx.part == part) {
			*ret_orphan = &sim->orphans[i];
			return &sim->orphans[i].tx;
		}
	for (int i = 0; i < sim->n_instances; i++)
		for (sim_session *s = *sim_instance_sessions(sim->instances[i]); s; s = s->next)
			if (s->tx.open && s->tx.part == part && &s->tx != mine) {
				*ret_session = s;
				return &s->tx;
			}
	return NULL;
}

bool sim_is_locked(int part, const sim_tx *mine)
{
	sim_orphan *orphan;
	sim_session *session;

	return holder_of(part, mine, &orphan, &session);
}

void sim_end_holder(int part, const sim_tx *mine)
{
	sim_orphan *orphan;
	sim_session *session;

	if (!holder_of(part, mine, &orphan, &session))
		return;
	sim_trace("the holder of partition %d is ended", part);
	if (orphan)
		sim_end_orphan(orphan, orphan->commit_sent && sim_random(2));
	else
		sim_break_session(session);
}

void sim_end_orphan(sim_orphan *orphan, bool commits)
{
	if (commits)
		sim_db_commit(&orphan->tx);
	orphan->tx.open = false;
}

void sim_leave_orphan(const sim_tx *tx, bool commit_sent)
{
	for (int i = 0; i < SIM_ORPHANS; i++)
		if (!sim->orphans[i].tx.open) {
			sim->orphans[i] = (sim_orphan) {*tx, commit_sent, sim->mono_ms + (int64_t) sim_random(2000)};
			return;
		}
}

/* ---- statements that come later ---- */

void sim_delay(bool begins, const kd_owner *me, const kd_batch_partition *entries, size_t n)
{
	for (int i = 0; i < SIM_LATE; i++) {
		sim_late *late = &sim->late[i];
		if (late->there)
			continue;
		*late = (sim_late) {.there = true, .begins = begins, .me = *me, .n = n,
			.due_ms = sim->mono_ms + (int64_t) sim_random(3000)};
		memcpy(late->entries, entries, n * sizeof *entries);
		sim->report->late++;
		return;
	}
}

void sim_arrive(sim_late *late)
{
	sim_tx tx;

	late->there = false;
	if (!late->begins)
		sim_trace("a late plan arrives: %s", sim_db_plan(&late->me, late->entries, late->n) ? "taken" : "missed");
	else if (!sim_is_locked(late->entries[0].partition_index, NULL) &&
		sim_db_begin(&late->me, &late->entries[0], &tx))
		sim_leave_orphan(&tx, false);
}

/* ---- back in time ---- */

void sim_set_back(void)
{
	for (int i = 0; i < sim->n_instances; i++)
		for (sim_session *s = *sim_instance_sessions(sim->instances[i]); s; s = s->next) {
			s->tx.open = false;
			s->alive = false;
		}
	memset(sim->orphans, 0, sizeof sim->orphans);
	sim->db = sim->kept;
	sim->report->went_back++;
	sim_trace("the database goes back to epoch %" PRId64, sim->db.epoch);
}
