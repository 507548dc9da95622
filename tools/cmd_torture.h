/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_torture: the verb "torture", which only kdirect has. */
#ifndef TOOLS_CMD_TORTURE_H
#define TOOLS_CMD_TORTURE_H

#include "args.h"

extern const struct verb verb_torture;

#endif
