/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin with a decoder that has the name of one of the library's. */
#include <kdirect/connector.h>

const kd_plugin *kd_plugin_entry(void)
{
	static const kd_decoder_ops decoder = {.abi = KD_DECODER_ABI, .name = "json"};
	static const kd_decoder_ops *const decoders[] = {&decoder, NULL};
	static const kd_plugin plugin = {.abi = KD_PLUGIN_ABI, .name = "clash", .version = "1",
		.parts = {.decoders = decoders}};

	return &plugin;
}
