/* SPDX-License-Identifier: Apache-2.0 */
/* A program of this folder, or kdirect, run to its end. */
#ifndef TESTS_CONNECTOR_RUN_H
#define TESTS_CONNECTOR_RUN_H

typedef struct run_result {
	int code;
	char *out, *err;
} run_result;

/* Runs a program (a path; NULL: kdirect) in the folder `dir` with these arguments, which end with NULL.  input: its
 * standard input; NULL: nothing.  The caller ends it with run_done. */
run_result run_program(const char *program, const char *dir, const char *input, ...) __attribute__((sentinel));
void run_done(run_result *result);

/* The path of a file that is built of this folder: "program/shaper", "plugin/good.so"; the caller frees it. */
char *built(const char *name);

#endif
