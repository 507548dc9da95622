/* SPDX-License-Identifier: Apache-2.0 */
/* An instance that is frozen while it stores start positions, the job's row locked: its successor ends that session and
 * takes the job over.  Once awake it does not take the job back, though its call was broken off and all that it knows may
 * be out of date (I7).  The model's name of this: hole-take-over-again. */
#include <criterion/criterion.h>

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
