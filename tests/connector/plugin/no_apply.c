/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin with a transform that transforms nothing. */
#include <kdirect/connector.h>

const kd_plugin *kd_plugin_entry(void)
{
	static const kd_transform_ops transform = {.abi = KD_TRANSFORM_ABI, .name = "idle"};
	static const kd_transform_ops *const transforms[] = {&transform, NULL};
	static const kd_plugin plugin = {.abi = KD_PLUGIN_ABI, .name = "no_apply", .version = "1",
		.parts = {.transforms = transforms}};

	return &plugin;
}
