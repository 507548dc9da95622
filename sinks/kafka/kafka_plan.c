// SPDX-License-Identifier: Apache-2.0
// kafka_plan: the ledger's slots: each is a question to the journal (may I?  which lines?) and one Kafka transaction.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kdirect/fault.h>

#include "../common/process.h"
#include "kafka_sink.h"

#define PRUNED_AT_ONCE 5000
#define DECISION_MS 1000 /* a commit's marker comes a moment after its answer */
#define DAY_MS INT64_C(86400000)

static journal_target target_of(const kafka_sink *sink)
{
	return (journal_target) {.name = sink->info.target, .identity = sink->info.identity, .noun = "topic"};
}

/* The session's turn, with a producer and a ledger to write to. */
static kd_code enter(kafka_session *session, const kd_owner *me, kd_error *err)
{
	kd_code code = kafka_turn_take(session, err);
	if (code)
		return code;
	code = kafka_ready(session, me, err);
	if (code)
		kafka_turn_give(session);
	return code;
}

/* Writes what a question gave and ends the turn. */
static kd_code leave(kafka_session *session, kd_code code, kd_cas cas, journal_step *step, kd_error *err)
{
	if (!code && cas == KD_CAS_DONE)
		code = kafka_step_commit(session, step, err);
	journal_step_done(step);
	kafka_turn_give(session);
	return code;
}

/* ---- take-over ---- */

static kd_code refuse_circle(const kafka_sink *sink, const kd_take_over *request, kd_error *err)
{
	if (strcmp(sink->cluster_id, request->cluster_id) != 0)
		return KD_OK;
	for (size_t i = 0; i < request->n_topics; i++)
		if (kafka_target_find(&sink->target, request->topics[i]) >= 0)
			return kd_error_set(err, KD_ECONFIG, KD_STOP,
				"could not write to topic \"%s\": job \"%s\" reads it, and would read what it writes without end",
				request->topics[i], request->job);
	return KD_OK;
}

static kd_code ask_for(kafka_session *session, const kd_take_over *request, kd_owner *ret_owner, journal_step *ret_step,
	kd_error *err)
{
	const journal_target target = target_of(session->sink);
	char process[PROCESS_MARK_SIZE];
	process_mark(request->pid, process);
	return journal_take_over(session->sink->ledger.journal, request, &target, process, kafka_wall_ms(), ret_owner,
		ret_step, err);
}

/* A start that the ledger refuses, or whom another one has overtaken, must not fence the owner: the ledger is asked
 * before there is a producer.  It is asked again when others are fenced and all that they wrote is read: who took the
 * job over in between stays its owner, and makes a new producer (kafka_txn.c: gives_way). */
static kd_code refuse_early(kafka_session *session, const kd_take_over *request, kd_error *err)
{
	kd_owner owner;
	journal_step step = {0};
	kd_code code = kafka_ledger_read(&session->sink->ledger, &session->interrupted, err);
	if (!code)
		code = ask_for(session, request, &owner, &step, err);
	journal_step_done(&step);
	return code;
}

static kd_code take_over(kafka_session *session, const kd_take_over *request, kd_ledger_image *ret_image,
	kd_error *err)
{
	kafka_sink *sink = session->sink;
	kd_owner owner;
	journal_step step = {0};
	kd_code code = refuse_early(session, request, err);
	if (!code)
		code = KD_FAULT_ERROR("kafka.looked", KD_ESINK, KD_RETRY, err);
	if (!code)
		code = kafka_ready(session, NULL, err);
	bool created = !code && !journal_knows(sink->ledger.journal, request->job);
	if (!code)
		code = ask_for(session, request, &owner, &step, err);
	if (!code)
		code = kafka_step_commit(session, &step, err);
	/* the step may have made the journal spoilt: then it is read before it is asked */
	if (!code && sink->ledger.spoilt)
		code = kafka_ledger_read(&sink->ledger, &session->interrupted, err);
	if (!code)
		code = journal_image(sink->ledger.journal, request->job, created, ret_image, err);
	if (!code)
		ret_image->owner = owner;
	journal_step_done(&step);
	return code;
}

kd_code kafka_take_over(void *opaque, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	kafka_session *session = opaque;
	*ret_image = (kd_ledger_image) {0};
	kd_code code = refuse_circle(session->sink, request, err);
	if (!code)
		code = kafka_turn_take(session, err);
	if (code)
		return code;
	code = take_over(session, request, ret_image, err);
	kafka_turn_give(session);
	if (code)
		kd_ledger_image_done(ret_image);
	return code;
}

/* ---- partitions and plans ---- */

kd_code kafka_add_partitions(void *opaque, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err)
{
	kafka_session *session = opaque;
	const kafka_sink *sink = session->sink;
	const journal_target target = target_of(sink);
	journal_step step = {0};
	*ret_cas = KD_CAS_MISS;
	kd_code code = enter(session, me, err);
	if (code)
		return code;
	code = journal_add_partitions(sink->ledger.journal, me, job, &target, partitions, n, kafka_wall_ms(), ret_cas, &step,
		err);
	if (!code && *ret_cas == KD_CAS_DONE)
		code = kafka_step_commit(session, &step, err);
	if (!code && *ret_cas == KD_CAS_DONE)
		code = journal_added(sink->ledger.journal, job, partitions, n, ret_segments, err);
	journal_step_done(&step);
	kafka_turn_give(session);
	return code;
}

kd_code kafka_append_plan(void *opaque, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err)
{
	kafka_session *session = opaque;
	journal_step step = {0};
	*ret_cas = KD_CAS_MISS;
	kd_code code = enter(session, me, err);
	if (code)
		return code;
	code = journal_append_plan(session->sink->ledger.journal, me, entries, n, kafka_wall_ms(), ret_cas, &step, err);
	return leave(session, code, *ret_cas, &step, err);
}

kd_code kafka_withdraw(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	kafka_session *session = opaque;
	journal_step step = {0};
	*ret_cas = KD_CAS_MISS;
	kd_code code = enter(session, me, err);
	if (code)
		return code;
	code = journal_withdraw(session->sink->ledger.journal, me, entry, kafka_wall_ms(), ret_cas, &step, err);
	return leave(session, code, *ret_cas, &step, err);
}

kd_code kafka_prune(void *opaque, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err)
{
	kafka_session *session = opaque;
	journal_step step = {0};
	*ret_removed = 0;
	*ret_more = false;
	kd_code code = enter(session, me, err);
	if (code)
		return code;
	code = journal_prune(session->sink->ledger.journal, me, job, kafka_wall_ms() - keep_days * DAY_MS, PRUNED_AT_ONCE,
		ret_removed, ret_more, &step, err);
	return leave(session, code, KD_CAS_DONE, &step, err);
}

/* ---- questions of an owner ---- */

/* In the session's turn: the ledger as it is now, without a producer. */
static kd_code freshen(kafka_session *session, kd_error *err)
{
	kd_code code = kafka_turn_take(session, err);
	if (code)
		return code;
	code = kafka_ledger_look(&session->sink->ledger, DECISION_MS, &session->interrupted, err);
	if (code)
		kafka_turn_give(session);
	return code;
}

kd_code kafka_reread(void *opaque, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err)
{
	kafka_session *session = opaque;
	kd_code code = freshen(session, err);
	if (code)
		return code;
	journal_reread(session->sink->ledger.journal, kind, entries, n, ret_rows);
	kafka_turn_give(session);
	return KD_OK;
}

kd_code kafka_verify(void *opaque, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err)
{
	kafka_session *session = opaque;
	kd_code code = freshen(session, err);
	if (code)
		return code;
	journal_verify(session->sink->ledger.journal, job, ret_segments, n, ret_n);
	kafka_turn_give(session);
	return KD_OK;
}
