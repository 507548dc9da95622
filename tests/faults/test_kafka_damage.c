/* SPDX-License-Identifier: Apache-2.0 */
/* Batches that are damaged on a broker's disk: the client library passes over them with an error, the job must not.  It
 * lands what stands before them, waits for somebody to mend them, gives up in time, and never lands another byte than
 * the producer sent. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kafka_faults.h"
#include "kafka_segment.h"

enum { BATCHES = 5, OF = 100, DAMAGED = 200 };

static void fill(kt_job *job, const char *compression)
{
	for (int i = 0; i < BATCHES; i++) {
		kt_producer *producer = kt_producer_open(NULL, "linger.ms", "60000", "compression.type", compression, NULL);
		kt_produce_many(producer, job->topic, 0, OF, kt_fill_numbers, NULL);
		kt_producer_flush(producer);
		kt_producer_close(producer);
	}
}

static void never_lands(kt_store_kind kind, const char *compression, size_t at, bool with_checksum, const char *says)
{
	kt_job job;
	kt_process *process;

	kt_job_open(&job, kind, 1);
	fill(&job, compression);
	kt_oracle noted = kt_oracle_read(NULL, job.topic, true);
	cr_assert_eq(noted.n, BATCHES * OF);
	kf_batch batch = kf_batch_open(kt_env("KD_TEST_KAFKA_DIR"), 1, job.topic, 0, DAMAGED);
	kf_batch_damage(&batch, at, with_checksum);

	process = kt_job_start(&job, NULL, "--until-latest", "--set", "retry_timeout_ms=1000", "--set",
		"batch.max_records_per_batch=50", NULL);
	kt_job_must_end(process, 4, says, KF_RUN_MS);
	kf_judge_but(&job, &noted, 0, DAMAGED, KF_THE_END);

	process = kt_job_start(&job, NULL, "--until-latest", NULL);
	cr_assert(kt_process_says(process, says, KF_RUN_MS), "%s", kt_process_stderr(process));
	kf_judge_but(&job, &noted, 0, DAMAGED, KF_THE_END);
	kf_batch_restore(&batch);
	kt_job_must_end(process, 0, NULL, KF_RUN_MS);
	kt_judge_clean(&job.store, "t", job.topic);
	kf_batch_close(&batch);
	kt_oracle_done(&noted);
	kt_job_close(&job);
}

/* F25, I1, I4, I10 */
Test(kafka_damage, a_batch_whose_bytes_do_not_fit_its_checksum_is_waited_for_and_never_landed, .timeout = 300)
{
	never_lands(KT_SQLITE, "none", KF_BATCH_HEADER + 900, false, "/0@200\\\"");
	never_lands(KT_POSTGRES, "none", KF_BATCH_HEADER + 900, false, "/0@200\\\"");
}

/* F25, I1, I4, I10 */
Test(kafka_damage, a_batch_that_cannot_be_decompressed_is_waited_for_and_never_landed, .timeout = 300)
{
	never_lands(KT_SQLITE, "gzip", KF_BATCH_HEADER + 1, true, "/0@200\\\"");
}
