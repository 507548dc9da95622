/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_new: the verb "new", which only kdirect has. */
#ifndef TOOLS_CMD_NEW_H
#define TOOLS_CMD_NEW_H

#include "args.h"

extern const struct verb verb_new;

#endif
