/* SPDX-License-Identifier: Apache-2.0 */
/* program: who this process is: its connector (name, version, parts) and its verbs.  Set once by connector_run, before
 * anything else, and never changed: a process has one name, and every message begins with it. */
#ifndef TOOLS_PROGRAM_H
#define TOOLS_PROGRAM_H

#include <kdirect/connector.h>

#include "args.h"

enum { MOST_VERBS = 16 };

/* Takes the connector, which must outlive the process' use of it, and the verbs: the library's and more[n]. */
void program_set(const kd_connector *connector, const struct verb *const *more, size_t n);

const kd_connector *program_connector(void);
/* As messages, --help and advice call it. */
const char *program_name(void);
/* Whether it is kdirect itself, and not a program that was built on its libraries. */
bool program_is_kdirect(void);

/* The i-th verb; NULL past the last. */
const struct verb *program_verb(size_t i);
/* By name; NULL: there is none. */
const struct verb *program_find_verb(const char *name);

/* A copy of a text of a verb's row, in which $0 stands for the program's name; the caller frees it.  NULL without
 * memory. */
char *program_text(const char *text);

#endif
