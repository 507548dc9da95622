/* SPDX-License-Identifier: Apache-2.0 */
/* Kill -9 against the embedded sink: at every fault point and at random. */
#include <criterion/criterion.h>

#include "crash.h"

Test(crash_sqlite, exactly_once_through_every_fault_point_and_kills_at_random, .timeout = 600)
{
	crash_campaign campaign;

	crash_open(&campaign, KT_SQLITE);
	for (int i = 0; i < 60; i++)
		crash_at_random(&campaign, 400);
	crash_at_all_points(&campaign);
	for (int i = 0; i < 60; i++)
		crash_at_random(&campaign, 900);
	crash_judge(&campaign, 150);
	crash_close(&campaign);
}
