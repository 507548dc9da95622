/* SPDX-License-Identifier: Apache-2.0 */
/* connector_help: what a program says about itself: its verbs, its parts, and the configuration keys of its own. */
#ifndef TOOLS_CONNECTOR_HELP_H
#define TOOLS_CONNECTOR_HELP_H

#include <stdio.h>

void connector_help(FILE *to);

#endif
