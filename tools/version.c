/* SPDX-License-Identifier: Apache-2.0 */
/* version: NAME --version, one line a library, as they are at run time. */
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

#include "parts.h"
#include "program.h"
#include "verbs.h"

/* What the i-th sink stands on, once: two sinks may share a library. */
static void print_library(size_t i)
{
	const kd_sink_ops *sink = program_sink(i), *earlier;
	const char *library = sink->library ? sink->library() : NULL;

	for (size_t j = 0; library && j < i; j++) {
		earlier = program_sink(j);
		if (earlier->library && strcmp(earlier->library(), library) == 0)
			return;
	}
	if (library)
		printf("%s\n", library);
}

void version_print(void)
{
	printf("%s %s\n", program_name(), program_connector()->version);
	if (!program_is_kdirect())
		printf("kdirect %s\n", kd_version());
	printf("librdkafka %s\n", rd_kafka_version_str());
	printf("jansson %s\n", jansson_version_str());
	for (size_t i = 0; program_sink(i); i++)
		print_library(i);
}
