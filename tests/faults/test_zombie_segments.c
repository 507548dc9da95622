/* SPDX-License-Identifier: Apache-2.0 */
/* An instance that is frozen while it stores start positions, the job's row locked: its successor ends that session and
 * takes the job over.  Once awake it does not take the job back, though its call was broken off and all that it knows may
 * be out of date (I7).  The model's name of this: hole-take-over-again. */
#include <criterion/criterion.h>
#include <signal.h>

#include "zombie.h"

/* F5, F8 (I7, I8). */
Test(zombie_segments, frozen_while_it_stores_start_positions_an_instance_does_not_take_the_job_back, .timeout = 300)
{
	zombie_stage stage;

	zombie_open(&stage, KT_POSTGRES, ZOMBIE_DIRECT);
	zombie_play(&stage, &(zombie_scene) {.frozen = {"partitions.before_commit:1:stop"}});
	zombie_judge(&stage);
	zombie_close(&stage);
}

/* F11 (I8): a standby that was promoted does not know of the take-over.  "Not mine" is no proof that somebody came after
 * me: with nobody there, to end as fenced, never to be started again, would leave the job to nobody. */
Test(zombie_segments, a_start_whose_take_over_was_lost_with_a_primary_takes_over_again, .timeout = 300)
{
	zombie_stage stage;
	kt_process *process;

	zombie_open(&stage, KT_POSTGRES, ZOMBIE_DIRECT);
	zombie_fill(&stage);
	process = zombie_freeze(&stage, "start.owned:1:stop");
	kt_store_exec(&stage.job.store, "update @job set epoch = epoch - 1, owner = ''");
	kt_store_exec(&stage.job.store, "delete from @instance");
	kt_process_signal(process, SIGCONT);
	kt_job_await(&stage.job, 1, ZOMBIE_FINISH_MS, "select (min(planned_until) > 0 and min(planned_until) ="
		" min(committed_until))::int from @partition join @position using (job, partition_index)");
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, ZOMBIE_FENCED_MS);
	zombie_judge(&stage);
	zombie_close(&stage);
}
