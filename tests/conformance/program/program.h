/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect-sink-conformance: the suite as an installed program, for a sink that it has never seen.
 *
 * main reads the command line; subject finds the sink, its configuration and its hooks; run gives each case a process
 * and a folder of its own; report tells what came out, as TAP or JSON. */
#ifndef KD_CONFORMANCE_PROGRAM_H
#define KD_CONFORMANCE_PROGRAM_H

#include <jansson.h>

#include "../conformance.h"

enum { EXIT_CONFORMS = 0, EXIT_FAILS = 1, EXIT_USAGE = 2 };

typedef struct arguments {
	const char *object;   /* ./mysink.so; NULL: one of kdirect's own sinks */
	const char *job;      /* a job file; NULL: none */
	const char *sink;     /* --sink */
	const char *hooks;    /* --hooks */
	const char **set;     /* --set, n_set of them */
	const char **only;    /* --only */
	int n_set, n_only;
	int timeout_s;
	bool list, json;
} arguments;

/* Ends the program with EXIT_USAGE. */
noreturn void usage_error(const char *format, ...) KD_PRINTF(1, 2);

/* ---- subject.c ---- */

/* The sink under test.  store is its first member, so that the suite's calls find the rest. */
typedef struct subject {
	kc_store store;
	json_t *sink; /* the job's "sink", with {dir}, {name} and {table} in its strings */
} subject;

subject *subject_find(const arguments *args);
void subject_free(subject *s);

/* ---- run.c ---- */

typedef enum outcome { PASSED, FAILED, SKIPPED, OUTCOMES } outcome;

typedef struct finding {
	outcome outcome;
	int64_t ms;
	char *text; /* what the case said: why it failed or was skipped */
} finding;

finding run_case(const subject *s, conformance_case *fn, int timeout_s);

/* ---- the cases ---- */

typedef struct named_case {
	const char *name;
	conformance_case *fn;
} named_case;

typedef struct group {
	const char *name;
	const char *about; /* what its cases prove */
	const named_case *cases;
	size_t n;
} group;

extern const group groups[];
extern const size_t n_groups;
bool is_chosen(const arguments *args, const char *name);

/* ---- report.c ---- */

typedef struct report report;

report *report_begin(const subject *s, const arguments *args, size_t n_cases);
void report_case(report *r, const group *g, const char *name, const finding *f);
/* Ends the report and frees it; returns the program's exit code. */
int report_end(report *r);

#endif
