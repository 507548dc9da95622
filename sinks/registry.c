// SPDX-License-Identifier: Apache-2.0
// registry: see kdirect/sinks.h.  A new sink is a row here and a folder of its own.
#include <kdirect/sinks.h>

#include <string.h>

static const kd_sink_ops *const sinks[] = {&kd_postgres_sink, &kd_sqlite_sink, &kd_file_sink, &kd_kafka_sink,
	&kd_null_sink};

const kd_sink_ops *kd_sink_at(size_t i)
{
	return i < sizeof sinks / sizeof *sinks ? sinks[i] : NULL;
}

const kd_sink_ops *kd_sink_find(const char *type)
{
	for (size_t i = 0; type && i < sizeof sinks / sizeof *sinks; i++)
		if (!strcmp(sinks[i]->name, type))
			return sinks[i];
	return NULL;
}
