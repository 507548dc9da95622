/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin whose transform is for a kdirect that is not this one. */
#include <kdirect/connector.h>

const kd_plugin *kd_plugin_entry(void)
{
	static const kd_transform_ops transform = {.abi = KD_TRANSFORM_ABI + 1, .name = "later"};
	static const kd_transform_ops *const transforms[] = {&transform, NULL};
	static const kd_plugin plugin = {.abi = KD_PLUGIN_ABI, .name = "part_abi", .version = "1",
		.parts = {.transforms = transforms}};

	return &plugin;
}
