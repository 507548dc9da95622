/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin for a kdirect that is not this one. */
#include <kdirect/connector.h>

const kd_plugin *kd_plugin_entry(void)
{
	static const kd_plugin plugin = {.abi = KD_PLUGIN_ABI + 6, .name = "abi", .version = "1"};

	return &plugin;
}
