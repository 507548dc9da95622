/* SPDX-License-Identifier: Apache-2.0 */
/* verbs: every verb is a function and the table row that describes it. */
#ifndef TOOLS_VERBS_H
#define TOOLS_VERBS_H

#include "args.h"

extern const struct verb verb_run, verb_check, verb_plan, verb_offsets, verb_batches, verb_audit, verb_skip, verb_try;
extern const struct verb verb_demo; /* of kdirect only */

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_offsets(int argc, char **argv);
int cmd_batches(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_skip(int argc, char **argv);
int cmd_try(int argc, char **argv);
int cmd_demo(int argc, char **argv);

/* Prints docs/CLI.md ("cli") or docs/CONFIGURATION.md ("configuration"); false for any other name. */
bool reference_print(const char *page);

/* Prints the version of the program and of each library it stands on. */
void version_print(void);

#endif
