/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that brings a sink, a decoder and a transform. */
#include <kdirect/connector.h>
#include <kdirect/sinks.h>

#include "../parts.h"

/* SQLite's under another name, from the program that loads this. */
static kd_sink_ops mirror;

const kd_plugin *kd_plugin_entry(void)
{
	static const kd_sink_ops *const sinks[] = {&mirror, NULL};
	static const kd_decoder_ops *const decoders[] = {&pairs_decoder, NULL};
	static const kd_transform_ops *const transforms[] = {&shape_transform, NULL};
	static const kd_plugin plugin = {
		.abi = KD_PLUGIN_ABI,
		.name = "good",
		.version = "1",
		.parts = {.sinks = sinks, .decoders = decoders, .transforms = transforms},
	};

	mirror = kd_sqlite_sink;
	mirror.name = "mirror";
	return &plugin;
}
