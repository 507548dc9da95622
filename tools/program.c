/* SPDX-License-Identifier: Apache-2.0 */
/* program: see program.h. */
#include "program.h"

#include <assert.h>
#include <string.h>

#include "verbs.h"

static const struct verb *const common[] = {
	&verb_run, &verb_check, &verb_plan, &verb_try, &verb_offsets, &verb_batches, &verb_audit, &verb_skip,
};
enum { N_COMMON = sizeof common / sizeof common[0] };

static struct {
	const kd_connector *connector;
	const struct verb *verbs[MOST_VERBS + 1];
} the;

void program_set(const kd_connector *connector, const struct verb *const *more, size_t n)
{
	assert(N_COMMON + n <= MOST_VERBS);
	memset(the.verbs, 0, sizeof the.verbs);
	the.connector = connector;
	for (size_t i = 0; i < N_COMMON + n; i++)
		the.verbs[i] = i < N_COMMON ? common[i] : more[i - N_COMMON];
}

const kd_connector *program_connector(void)
{
	return the.connector;
}

const char *program_name(void)
{
	return the.connector ? the.connector->name : "kdirect";
}

bool program_is_kdirect(void)
{
	return strcmp(program_name(), "kdirect") == 0;
}

const struct verb *program_verb(size_t i)
{
	return i < MOST_VERBS ? the.verbs[i] : NULL;
}

const struct verb *program_find_verb(const char *name)
{
	for (size_t i = 0; i < MOST_VERBS && the.verbs[i]; i++)
		if (strcmp(the.verbs[i]->name, name) == 0)
			return the.verbs[i];
	return NULL;
}

char *program_text(const char *text)
{
	kd_buf out = {0};
	bool ok = true;

	for (const char *at; ok && (at = strstr(text, "$0")); text = at + 2)
		ok = kd_buf_append(&out, text, (size_t) (at - text)) &&
		     kd_buf_append(&out, program_name(), strlen(program_name()));
	if (ok && kd_buf_append(&out, text, strlen(text) + 1))
		return out.data;
	kd_buf_done(&out);
	return NULL;
}
