/* SPDX-License-Identifier: Apache-2.0 */
/* What zombies leave behind is judged: what the broker holds, what the table holds, what the ledger says of both, and
 * what triggers counted and saw land (I1-I5, I8, I11). */
#include "invariants.h"
#include "zombie.h"

void zombie_make_table(kt_store *store)
{
	kt_watch_table(store);
	if (store->kind == KT_POSTGRES) /* also for a job that runs as another role */
		kt_store_exec(store, "grant all on all tables in schema public to public;"
			"grant all on all sequences in schema public to public");
}

void zombie_judge(zombie_stage *stage)
{
	kt_job *job = &stage->job;
	kt_evidence evidence = {.caught_up = true};

	kt_job_catch_up(job, NULL);
	kt_evidence_read_kafka(&evidence, NULL, job->topic);
	kt_evidence_read_store(&evidence, &job->store, "t", job->topic, "j");
	if (stage->way == ZOMBIE_POOLED)
		evidence.sessions_left = -1; /* pgbouncer's own stay, by the name of who used them last */
	kt_judgement judgement = kt_judge_all(&evidence, NULL);
	kt_judgement_must_be_clean(&judgement);
	kt_evidence_done(&evidence);
}
