/* SPDX-License-Identifier: Apache-2.0 */
/* What the crash suite kills to test keyed sinks: a connector that brings those of tests/support/keyed_target.c. */
#include "kdirect/connector.h"
#include "keyed_target.h"

int main(int argc, char **argv)
{
	const kd_sink_ops *sinks[] = {kd_keyed_sink(&kt_keyed_by_record), kd_keyed_sink(&kt_keyed_by_identifier), NULL};
	const kd_connector connector = {.abi = KD_CONNECTOR_ABI, .name = "keyed", .version = "1", .summary = "keyed targets",
		.parts.sinks = sinks};

	return kd_connector_main(&connector, argc, argv);
}
