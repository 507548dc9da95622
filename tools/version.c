/* SPDX-License-Identifier: Apache-2.0 */
/* version: kdirect --version, one line a library, as they are at run time. */
#include <jansson.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <sqlite3.h>
#include <stdio.h>

#include <kdirect/job.h>

#include "verbs.h"

void version_print(void)
{
	int pq = PQlibVersion();

	printf("kdirect %s\n", kd_version());
	printf("librdkafka %s\n", rd_kafka_version_str());
	printf("libpq %d.%d\n", pq / 10000, pq % 10000);
	printf("jansson %s\n", jansson_version_str());
	printf("sqlite %s\n", sqlite3_libversion());
}
