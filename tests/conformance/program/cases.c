// SPDX-License-Identifier: Apache-2.0
// cases: the suite as a table.
#include <fnmatch.h>

#include "program.h"

#define NAMED(name) {#name, case_##name},
static const named_case sink_cases[] = {SINK_CASES(NAMED)};
static const named_case commit_cases[] = {COMMIT_CASES(NAMED)};
static const named_case plan_cases[] = {PLAN_CASES(NAMED)};
static const named_case owner_cases[] = {OWNER_CASES(NAMED)};
static const named_case race_cases[] = {RACE_CASES(NAMED)};
static const named_case unknown_cases[] = {UNKNOWN_CASES(NAMED)};
static const named_case back_cases[] = {BACK_CASES(NAMED)};
static const named_case read_cases[] = {READ_CASES(NAMED)};

#define CASES_OF(cases) cases, sizeof(cases) / sizeof *(cases)
const group groups[] = {
	{"sink", "the table of functions, and what the sink tells about itself", CASES_OF(sink_cases)},
	{"commit", "rows and identifier move together, once, from where the position is", CASES_OF(commit_cases)},
	{"plan", "a range is planned once, withdrawn or committed as planned, and pruned last", CASES_OF(plan_cases)},
	{"owner", "whoever took over last is the only one whose writes count", CASES_OF(owner_cases)},
	{"race", "several sessions at once", CASES_OF(race_cases)},
	{"unknown", "killed processes and lost answers: the repeated write decides", CASES_OF(unknown_cases)},
	{"back", "a database that went back in time is noticed", CASES_OF(back_cases)},
	{"read", "what the tools read", CASES_OF(read_cases)},
};
const size_t n_groups = sizeof groups / sizeof *groups;

bool is_chosen(const arguments *args, const char *name)
{
	for (int i = 0; i < args->n_only; i++)
		if (fnmatch(args->only[i], name, 0) == 0)
			return true;
	return args->n_only == 0;
}
