// SPDX-License-Identifier: Apache-2.0
// report: what came out, as TAP with a summary, or as one JSON object.
#include <inttypes.h>

#include "program.h"
#include "tmpdir.h"

enum { MOST_LINES = 20 };

struct report {
	const subject *subject;
	const arguments *args;
	size_t number; /* of the last case */
	size_t passed[16], failed[16], skipped[16]; /* by group */
	char *not_run; /* "# name: why" of each that was skipped */
	json_t *cases;
};

static const char *const words[OUTCOMES] = {"passed", "failed", "skipped"};

report *report_begin(const subject *s, const arguments *args, size_t n_cases)
{
	report *r = calloc(1, sizeof *r);
	kt_check(r && n_groups <= sizeof r->passed / sizeof *r->passed, "no memory");
	r->subject = s;
	r->args = args;
	r->not_run = kt_format("%s", "");
	r->cases = json_array();
	if (!args->json)
		printf("TAP version 13\n1..%zu\n", n_cases);
	return r;
}

static char *first_line(const char *text)
{
	return kt_format("%.*s", (int) strcspn(text, "\n"), text);
}

/* The last lines that the case said, each as a comment. */
static void print_comments(const char *text)
{
	const char *at = text + strlen(text);
	for (int lines = 0; at > text; at--)
		if (at[-1] == '\n' && lines++ == MOST_LINES)
			break;
	while (*at) {
		int size = (int) strcspn(at, "\n");
		printf("# %.*s\n", size, at);
		at += size + (at[size] == '\n');
	}
}

static void print_case(report *r, const char *name, const finding *f)
{
	char *why = first_line(f->text);
	printf("%s %zu - %s", f->outcome == FAILED ? "not ok" : "ok", r->number, name);
	printf(f->outcome == SKIPPED ? " # SKIP %s\n" : "\n", why);
	if (f->outcome == FAILED)
		print_comments(f->text);
	fflush(stdout);
	free(why);
}

static void note_skipped(report *r, const char *name, const char *why)
{
	char *line = first_line(why), *all = kt_format("%s#   %s: %s\n", r->not_run, name, line);
	free(line);
	free(r->not_run);
	r->not_run = all;
}

void report_case(report *r, const group *g, const char *name, const finding *f)
{
	size_t *const counts[OUTCOMES] = {r->passed, r->failed, r->skipped};
	counts[f->outcome][g - groups]++;
	r->number++;
	if (f->outcome == SKIPPED)
		note_skipped(r, name, f->text);
	if (!r->args->json) {
		print_case(r, name, f);
		return;
	}
	json_t *one = json_pack("{s:s, s:s, s:s, s:I}", "group", g->name, "name", name, "result", words[f->outcome],
		"ms", (json_int_t) f->ms);
	kt_check(one, "no memory");
	if (f->outcome != PASSED)
		json_object_set_new(one, "why", json_string(f->text));
	json_array_append_new(r->cases, one);
}

static void print_summary(const report *r, size_t failed, size_t skipped)
{
	printf("#\n# The sink \"%s\" %s\n#\n", r->subject->store.ops->name, failed ? "does not conform." :
		r->args->n_only ? "passes the cases that were chosen with --only." : "conforms.");
	for (size_t g = 0; g < n_groups; g++)
		if (r->passed[g] + r->failed[g] > 0)
			printf("# %-8s %2zu of %2zu  %s\n", groups[g].name, r->passed[g], r->passed[g] + r->failed[g],
				groups[g].about);
	printf("#\n# Not looked at:\n");
	if (skipped)
		fputs(r->not_run, stdout);
	printf("#   a loss of power: processes are killed here, not machines; whether commit waits for the disk is for review\n"
		"#   speed, and errors that only the target's own faults bring out: which action they carry is for your tests\n");
}

static size_t sum(const size_t *of_groups)
{
	size_t n = 0;
	for (size_t g = 0; g < n_groups; g++)
		n += of_groups[g];
	return n;
}

int report_end(report *r)
{
	size_t passed = sum(r->passed), failed = sum(r->failed), skipped = sum(r->skipped);
	if (r->args->json) {
		json_t *all = json_pack("{s:s, s:s?, s:b, s:I, s:I, s:I, s:O}", "sink", r->subject->store.ops->name, "object",
			r->args->object, "conforms", failed == 0 && r->args->n_only == 0, "passed", (json_int_t) passed,
			"failed", (json_int_t) failed, "skipped", (json_int_t) skipped, "cases", r->cases);
		kt_check(all && json_dumpf(all, stdout, JSON_INDENT(2)) == 0, "could not write the report");
		printf("\n");
		json_decref(all);
	} else {
		print_summary(r, failed, skipped);
	}
	json_decref(r->cases);
	free(r->not_run);
	free(r);
	return failed ? EXIT_FAILS : EXIT_CONFORMS;
}
