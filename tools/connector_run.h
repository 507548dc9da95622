/* SPDX-License-Identifier: Apache-2.0 */
/* connector_run: kd_connector_main with verbs beside its own, for kdirect, which has demo and new as well. */
#ifndef TOOLS_CONNECTOR_RUN_H
#define TOOLS_CONNECTOR_RUN_H

#include <kdirect/connector.h>

#include "args.h"

int connector_run(const kd_connector *connector, const struct verb *const *more, size_t n, int argc, char **argv);

#endif
