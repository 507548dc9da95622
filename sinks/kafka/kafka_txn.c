// SPDX-License-Identifier: Apache-2.0
// kafka_txn: whose turn it is, and how a producer that may write comes to be: the part of kafka_sink.h's theory that
// decides between going on, waiting and giving way.
#include <errno.h>
#include <string.h>
#include <time.h>

#include <kdirect/fault.h>

#include "kafka_sink.h"

#define DECISION_MS 200 /* for other jobs' commits to get their markers: theirs do not matter, a successor's would */
#define TURN_MS 3000 /* for another session of this process to end its transaction */

kd_code kafka_turn_take(kafka_session *session, kd_error *err)
{
	kafka_sink *sink = session->sink;
	struct timespec deadline;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += TURN_MS / 1000;
	int timed = 0;
	pthread_mutex_lock(&sink->lock);
	while (sink->holder && timed != ETIMEDOUT && !atomic_load(&session->interrupted))
		timed = pthread_cond_timedwait(&sink->freed, &sink->lock, &deadline);
	bool interrupted = atomic_load(&session->interrupted);
	bool mine = !sink->holder && !interrupted;
	if (mine)
		sink->holder = session;
	pthread_mutex_unlock(&sink->lock);
	if (interrupted)
		return kd_error_set(err, KD_ESTOPPED, KD_RETRY, "could not begin a transaction: interrupted");
	if (!mine)
		return kd_error_set(err, KD_EBUSY, KD_RETRY,
			"could not begin a transaction: another session of this job is still writing");
	return KD_OK;
}

void kafka_turn_give(kafka_session *session)
{
	kafka_sink *sink = session->sink;
	pthread_mutex_lock(&sink->lock);
	sink->holder = NULL;
	pthread_cond_broadcast(&sink->freed);
	pthread_mutex_unlock(&sink->lock);
}

void kafka_interrupt(void *opaque)
{
	kafka_session *session = opaque;
	atomic_store(&session->interrupted, true);
	pthread_mutex_lock(&session->sink->lock);
	pthread_cond_broadcast(&session->sink->freed);
	pthread_mutex_unlock(&session->sink->lock);
}

/* ---- a producer that may write ---- */

static void drop_producer(kafka_sink *sink)
{
	if (sink->producer && sink->producer->fenced && !sink->fenced_ms)
		sink->fenced_ms = kafka_mono_ms();
	kafka_producer_close(sink->producer);
	sink->producer = NULL;
	sink->settled = false;
}

/* Does the ledger name a newer owner than me? */
static bool is_superseded(const kafka_sink *sink, const kd_owner *me)
{
	journal_instance now;
	if (!me || !journal_owner(sink->ledger.journal, sink->job, &now))
		return false;
	return now.owner.epoch > me->epoch || (now.owner.epoch == me->epoch && strcmp(now.owner.id, me->id) != 0);
}

/* Has whoever fenced this process still time to complete its take-over? */
static bool gives_way(const kafka_sink *sink, const kd_owner *me)
{
	return me && sink->fenced_ms && kafka_mono_ms() - sink->fenced_ms < KAFKA_GRACE_MS;
}

static kd_code init_producer(kafka_session *session, kd_error *err)
{
	kafka_sink *sink = session->sink;
	kd_code code = KD_OK;
	if (!sink->producer)
		code = kafka_producer_open(&sink->producing, &sink->target, sink->log, &sink->producer, err);
	if (!code)
		code = kafka_producer_init(sink->producer, &session->interrupted, err);
	return code;
}

static kd_code renew(kafka_session *session, const kd_owner *me, kd_error *err)
{
	kafka_sink *sink = session->sink;
	kafka_ledger *ledger = &sink->ledger;
	if (sink->producer && (sink->producer->lost || ledger->foreign))
		drop_producer(sink);
	ledger->foreign = false;
	kd_code code = kafka_ledger_read(ledger, &session->interrupted, err);
	if (code || is_superseded(sink, me))
		return code;
	if (gives_way(sink, me))
		return kd_error_set(err, KD_EBUSY, KD_RETRY,
			"another start of job \"%s\" has its transactional id and may be taking over: waiting for it", sink->job);
	code = init_producer(session, err);
	if (!code)
		code = KD_FAULT_ERROR("kafka.producer_ready", KD_ESINK, KD_RETRY, err);
	if (!code)
		code = kafka_ledger_settle(ledger, &session->interrupted, err);
	if (!code)
		code = KD_FAULT_ERROR("kafka.ledger_read", KD_ESINK, KD_RETRY, err);
	if (code)
		return code;
	sink->settled = true;
	sink->fenced_ms = 0;
	ledger->foreign = false;
	if (is_superseded(sink, me))
		drop_producer(sink);
	return KD_OK;
}

kd_code kafka_ready(kafka_session *session, const kd_owner *me, kd_error *err)
{
	kafka_sink *sink = session->sink;
	if (sink->read_only)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not write to \"%s\": it was opened to read", sink->info.target);
	if (!me)
		drop_producer(sink); /* a take-over always fences, itself too */
	if (!sink->producer || sink->producer->lost || !sink->settled)
		return renew(session, me, err);
	kd_code code = kafka_ledger_look(&sink->ledger, DECISION_MS, &session->interrupted, err);
	if (!code && is_superseded(sink, me))
		drop_producer(sink);
	else if (!code && sink->ledger.foreign)
		code = renew(session, me, err);
	return code;
}

/* ---- one transaction for one step ---- */

static kd_code send_lines(kafka_session *session, const journal_step *step, kd_error *err)
{
	kafka_producer *p = session->sink->producer;
	kd_code code = kafka_producer_begin(p, err);
	for (size_t i = 0; !code && i < step->n; i++)
		code = kafka_producer_send_line(p, &step->line[i], &session->interrupted, err);
	return code;
}

kd_code kafka_step_commit(kafka_session *session, const journal_step *step, kd_error *err)
{
	kafka_producer *p = session->sink->producer;
	if (step->n == 0)
		return KD_OK;
	if (!p)
		return kd_error_set(err, KD_EBUSY, KD_RETRY, "another start of job \"%s\" owns it", session->sink->job);
	kd_code code = send_lines(session, step, err);
	if (!code)
		code = KD_FAULT_ERROR("kafka.step.sent", KD_ESINK, KD_REPLAY, err);
	if (!code)
		code = kafka_producer_commit(p, &session->interrupted, err);
	if (!code && KD_FAULT_FAILS("kafka.step.committed"))
		code = kafka_producer_doubt(p, rd_kafka_error_new(RD_KAFKA_RESP_ERR__TIMED_OUT, "told to fail"), err);
	if (!code)
		kafka_ledger_took(&session->sink->ledger, step, p->last_line);
	else
		kafka_producer_abort(p, &session->interrupted);
	if (code && err->action == KD_REPLAY)
		err->action = KD_RETRY; /* the whole transaction is this call's */
	return code;
}
