/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka of a program's own: see own_broker.h. */
#include "own_broker.h"

#include <stdlib.h>

#include "check.h"
#include "tmpdir.h"

static bool is_wanted(const struct criterion_test_set *all)
{
	bool wanted = false;

	FOREACH_SET(struct criterion_suite_set *set, all->suites) {
		FOREACH_SET(struct criterion_test *test, set->tests) {
			wanted |= !test->data->disabled;
		}
	}
	return wanted;
}

void own_broker_start(const struct criterion_test_set *all, const char *name, char *(*start)(const char *dir))
{
	if (!is_wanted(all))
		return;
	char *dir = kt_path(kt_env("KD_TEST_TMP"), name);
	setenv("KDIRECT_KAFKA_JVM", "-Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1", 1);
	char *bootstrap = start(dir);
	setenv("KD_TEST_KAFKA", bootstrap, 1);
	setenv(OWN_BROKER, dir, 1);
	free(bootstrap);
	free(dir);
}
