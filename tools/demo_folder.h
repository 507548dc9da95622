/* SPDX-License-Identifier: Apache-2.0 */
/* demo_folder: where the demo's files live: a temporary folder that goes away with the demo, or one to keep. */
#ifndef TOOLS_DEMO_FOLDER_H
#define TOOLS_DEMO_FOLDER_H

#include <stdbool.h>
#include <stdio.h>

struct demo_folder {
	bool keep;
	char *path, *job, *database, *log; /* absolute where keep's is */
};

/* keep NULL: a new temporary folder.  Else a folder that does not exist yet, or is empty.  False: *ret_why, one line;
 * demo_folder_done all the same. */
bool demo_folder_make(struct demo_folder *folder, const char *keep, const char **ret_why);

/* Writes the job file. */
bool demo_folder_write_job(const struct demo_folder *folder, const char *bootstrap, const char **ret_why);

/* The last lines of the job's log, indented, where something went wrong. */
void demo_folder_show_log(const struct demo_folder *folder, FILE *to);

/* Removes the folder unless it is to be kept; frees.  Accepts {0}. */
void demo_folder_done(struct demo_folder *folder);

#endif
