/* SPDX-License-Identifier: Apache-2.0 */
/* A folder and names of the test's own, and small files in the folder.
 * It is made under KD_TEST_TMP, which the runner deletes, so that a test that died leaves nothing behind. */
#ifndef KT_TMPDIR_H
#define KT_TMPDIR_H

#include "kdirect/error.h"

/* A new folder; the caller ends it with kt_tmpdir_remove, which deletes it with all it holds and frees the name. */
char *kt_tmpdir(void);
void kt_tmpdir_remove(char *dir);

/* "PREFIX_..." with letters, digits and underscores: a name for a topic or a database that nobody else has, in other
 * processes and after them.  Process ids alone come round again within one suite.  The caller frees it. */
char *kt_own_name(const char *prefix);

/* "dir/name"; the caller frees it. */
char *kt_path(const char *dir, const char *name);

/* Writes a file (a job, say) and returns its path; the caller frees it. */
char *kt_write_file(const char *dir, const char *name, const char *format, ...) KD_PRINTF(3, 4);

/* The whole file as a string, "" where there is none; the caller frees it. */
char *kt_read_file(const char *path);

/* As printf, into memory that the caller frees. */
char *kt_format(const char *format, ...) KD_PRINTF(1, 2);

#endif
