/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect: the program: a connector with every sink that this build knows, and the verbs that only it has. */
#include <kdirect/sinks.h>

#include "cmd_new.h"
#include "cmd_torture.h"
#include "connector_run.h"
#include "verbs.h"

enum { MOST_SINKS = 16 };

int main(int argc, char **argv)
{
	static const struct verb *const more[] = {&verb_demo, &verb_torture, &verb_new};
	static const kd_sink_ops *sinks[MOST_SINKS + 1];
	const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "kdirect",
		.version = kd_version(),
		.summary = "Kafka topics land in a database, every record exactly once",
		.parts = {.sinks = sinks},
	};

	for (size_t i = 0; i < MOST_SINKS && kd_sink_at(i); i++)
		sinks[i] = kd_sink_at(i);
	return connector_run(&connector, more, sizeof more / sizeof more[0], argc, argv);
}
