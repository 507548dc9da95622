/* @NAME@: a program around the sink in sink.c, with every verb that kdirect has. */
#include <kdirect/connector.h>

#include "sink.h"

int main(int argc, char **argv)
{
	const kd_sink_ops *const sinks[] = {kd_keyed_sink(&sink), NULL};
	const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "@NAME@",
		.version = "0.1.0",
		.summary = "from Kafka into a folder with a file for each key",
		.parts = {.sinks = sinks},
	};

	return kd_connector_main(&connector, argc, argv);
}
