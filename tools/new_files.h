/* SPDX-License-Identifier: Apache-2.0 */
/* new_files: the files that "kdirect new" writes.  They stand in tools/new/ as they are, with @NAME@ for the project's
 * name, and are part of the program. */
#ifndef TOOLS_NEW_FILES_H
#define TOOLS_NEW_FILES_H

#include <stddef.h>

struct new_file {
	const char *name;
	int mode;
	const char *text, *end;
};

/* The files of a project for a connector and for a sink; each list ends where name is NULL. */
extern const struct new_file new_connector[], new_sink[];

#endif
