/* SPDX-License-Identifier: Apache-2.0 */
/* Kill -9 against PostgreSQL. */
#include <criterion/criterion.h>

#include "crash.h"

/* F1, F2; I1-I6, I8, I11. */
Test(crash_postgres, exactly_once_until_a_run_survives_every_fault_point_in_double_faults_and_at_random, .timeout = 800)
{
	crash_everything(&crash_postgres, "crash", 60, 700, 30, 200);
}
