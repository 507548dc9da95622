/* SPDX-License-Identifier: Apache-2.0 */
/* A program of somebody's own: one sink, one decoder and one transform, which its job files need not name; keys of its
 * own; and a job file that every start begins with. */
#include <kdirect/connector.h>
#include <kdirect/sinks.h>

#include "../parts.h"

static const kd_option options[] = {
	{.key = "app.region", .type = KD_OPT_ENUM, .values = "eu|us", .default_value = "eu", .help = "Which orders."},
	{.key = "app.tags", .type = KD_OPT_STRINGS, .help = "What to call them."},
};

int main(int argc, char **argv)
{
	static const kd_sink_ops *const sinks[] = {&kd_sqlite_sink, NULL};
	static const kd_decoder_ops *const decoders[] = {&pairs_decoder, NULL};
	static const kd_transform_ops *const transforms[] = {&shape_transform, NULL};
	static const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "shaper",
		.version = "3.2.1",
		.summary = "shapes lines into rows",
		.options = options,
		.n_options = 2,
		.parts = {.sinks = sinks, .decoders = decoders, .transforms = transforms},
		.defaults = "{\"start\": \"earliest\", \"batch\": {\"interval_ms\": 50}, \"sink\": {\"table\": \"t\"}}",
	};

	return kd_connector_main(&connector, argc, argv);
}
