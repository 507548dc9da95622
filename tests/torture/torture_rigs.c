/* SPDX-License-Identifier: Apache-2.0 */
/* Rigs of other suites in great number; both judge by themselves, and end the program on any finding. */
#include <stdlib.h>

#include "proxy_storm.h"
#include "torture.h"
#include "tests/faults/zombie.h"

enum { PARTITIONS = 3, MOST_HIT = 6 };

/* F5-F8: frozen, outlived, woken up. */
void torture_zombies(torture_part *part)
{
	zombie_stage stage;

	zombie_open(&stage, part->sink->store, ZOMBIE_DIRECT);
	while (stage.zombies < part->wanted)
		zombie_play_any(&stage);
	zombie_judge(&stage);
	zombie_tell(&stage, part->sink->name);
	part->faults = stage.zombies;
	part->records = kt_store_int(&stage.job.store, "select count(*) from t");
	zombie_close(&stage);
}

/* F3: the answer of a COMMIT is lost. */
void torture_lost_answers(torture_part *part)
{
	kt_storm storm = {.orders = kt_lost_commit_answers, .n = kt_n_lost_commit_answers, .faults = part->wanted,
		.most_hit = MOST_HIT, .seed = part->seed};
	struct fault_proxy *proxy;
	kt_job job;

	kt_job_open(&job, part->sink->store, PARTITIONS);
	proxy = kt_pg_proxy_open(&job, NULL);
	kt_storm_run(&storm, &job, proxy);
	part->faults = (int) storm.done;
	part->records = storm.records;
	fault_proxy_close(proxy);
	kt_job_close(&job);
}
