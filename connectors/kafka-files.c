/* SPDX-License-Identifier: Apache-2.0 */
/* kafka-files: Kafka topics into files, every record exactly once.  kdirect with this one sink, so a job file need not
 * name it; a program of your own begins as a copy of this file. */
#include <kdirect/connector.h>
#include <kdirect/sinks.h>

int main(int argc, char **argv)
{
	static const kd_sink_ops *const sinks[] = {&kd_file_sink, NULL};
	const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "kafka-files",
		.version = kd_version(),
		.summary = "Kafka topics into files, every record exactly once",
		.parts = {.sinks = sinks},
	};

	return kd_connector_main(&connector, argc, argv);
}
