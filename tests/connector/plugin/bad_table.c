/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin with a decoder whose option has a default that it does not take. */
#include <kdirect/connector.h>

#include "../parts.h"

const kd_plugin *kd_plugin_entry(void)
{
	static const kd_option options[] = {
		{.key = "decode.least", .type = KD_OPT_INT, .default_value = "50", .min = 1, .max = 9, .help = "From."},
	};
	static kd_decoder_ops decoder;
	static const kd_decoder_ops *const decoders[] = {&decoder, NULL};
	static const kd_transform_ops *const transforms[] = {&shape_transform, NULL};
	static const kd_plugin plugin = {.abi = KD_PLUGIN_ABI, .name = "bad_table", .version = "1",
		.parts = {.decoders = decoders, .transforms = transforms}};

	decoder = pairs_decoder;
	decoder.options = options;
	decoder.n_options = 1;
	return &plugin;
}
