/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's own faults: see kafka_faults.h. */
#include "kafka_faults.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"

/* ---- frozen processes ---- */

void kf_await_frozen(kt_process *process)
{
	kt_check(kt_wait_until(kt_process_is_stopped, process, KF_RUN_MS), "it was not frozen:\n%s", kt_process_stderr(process));
}

kt_process *kf_frozen(kt_job *job, const char *fault, const char *set)
{
	kt_process *process = kt_job_start(job, fault, set ? "--set" : NULL, set, NULL);

	kf_await_frozen(process);
	return process;
}

/* ---- records ---- */

static void fill_from(void *first, int64_t i, kt_message *message)
{
	kt_fill_numbers(NULL, *(int64_t *) first + i, message);
}

void kf_fill_at_once(kt_job *job, int partition, int64_t first, int64_t n)
{
	kt_producer *producer = kt_producer_open(NULL, "linger.ms", "60000", "batch.size", "20000000",
		"message.max.bytes", "20000000", "batch.num.messages", "1000000", NULL);

	kt_produce_many(producer, job->topic, partition, n, fill_from, &first);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

void kf_make_anew(kt_job *job, int64_t n)
{
	kt_topic_delete(job->admin, job->topic);
	kt_topic_create(job->admin, job->topic, 1, NULL);
	kf_fill_at_once(job, 0, 1000000, n);
}

/* ---- judging ---- */

int64_t kf_rows(kt_job *job)
{
	return kt_store_int(&job->store, "select count(*) from t");
}

void kf_judge_but(kt_job *job, const kt_oracle *noted, int partition, int64_t from, int64_t until)
{
	kt_oracle rows = kt_store_rows(&job->store, "t", job->topic), due = {calloc(noted->n + 1, sizeof *due.rows), 0};

	kt_check(due.rows, "no memory");
	for (size_t i = 0; i < noted->n; i++) {
		const kt_oracle_row *row = &noted->rows[i];
		if (row->partition != partition || row->offset < from || row->offset >= until)
			due.rows[due.n++] = *row;
	}
	kt_verdict v = kt_judge(&due, &rows);
	kt_check(!v.missing && !v.doubled && !v.altered && !v.foreign,
		"%" PRId64 " rows: missing %" PRId64 ", double %" PRId64 ", altered %" PRId64 ", foreign %" PRId64, v.rows,
		v.missing, v.doubled, v.altered, v.foreign);
	kt_check(kt_judge_tiling(&job->store, "j") == 0, "the ledger does not tile");
	kt_oracle_done(&due);
	kt_oracle_done(&rows);
}

void kf_must_stop_for_loss(kt_job *job, kt_process *process, const char *says)
{
	(void) kt_process_wait(process, KF_TOLD_LATE_MS);
	const char *said = kt_process_stderr(process);

	kt_check(strstr(said, "on_data_loss"), "it does not say what to do:\n%s", said);
	kt_check(strstr(said, job->topic), "it does not say where:\n%s", said);
	kt_job_must_end(process, 1, says, 0);
}
