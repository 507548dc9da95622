/* SPDX-License-Identifier: Apache-2.0 */
/* config_findings: see config_findings.h. */
#include "config_findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_where.h"

#define LONGEST_MESSAGE ((size_t) 1000)

/* One line of bounded length, whatever keys and values the text came up with. */
static void tame(char *message)
{
	size_t size = strlen(message);

	if (size > LONGEST_MESSAGE) {
		size = LONGEST_MESSAGE;
		while (size && ((unsigned char) message[size] & 0xc0) == 0x80)
			size--;
		message[size] = 0;
	}
	for (char *c = message; *c; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			*c = '?';
}

static void KD_PRINTF(3, 0)
	add(kd_findings *findings, kd_finding finding, const char *format, va_list args)
{
	if (findings->n == findings->capacity) {
		size_t capacity = findings->capacity ? 2 * findings->capacity : 16;
		kd_finding *list = realloc(findings->list, capacity * sizeof *list);

		if (!list) {
			findings->no_memory = true;
			return;
		}
		findings->list = list;
		findings->capacity = capacity;
	}
	if (vasprintf(&finding.message, format, args) < 0) {
		findings->no_memory = true;
		return;
	}
	tame(finding.message);
	finding.order = findings->n;
	findings->list[findings->n++] = finding;
}

void kd_findings_add(kd_findings *findings, const kd_origin *origin, size_t at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(findings, (kd_finding){.origin = origin, .at = at}, format, args);
	va_end(args);
}

void kd_findings_add_nowhere(kd_findings *findings, const kd_origin *origin, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(findings, (kd_finding){.origin = origin, .nowhere = true}, format, args);
	va_end(args);
}

/* The file's places first, then overrides, then what has no place. */
static int rank(const kd_finding *finding)
{
	return finding->nowhere ? 2 : finding->origin->is_override || finding->origin->is_default ? 1 : 0;
}

static int by_place(const void *left, const void *right)
{
	const kd_finding *a = left, *b = right;

	if (rank(a) != rank(b))
		return rank(a) - rank(b);
	if (rank(a) == 0 && a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void kd_findings_report(kd_findings *findings, kd_diagnostic_fn *report, void *opaque)
{
	kd_json_place place = KD_JSON_START;

	if (!report || !findings->n)
		return;
	qsort(findings->list, findings->n, sizeof *findings->list, by_place);
	for (size_t i = 0; i < findings->n; i++) {
		const kd_finding *finding = &findings->list[i];
		kd_diagnostic diagnostic = {.file = finding->origin->name, .message = finding->message};

		if (rank(finding) == 0) {
			kd_json_advance(finding->origin->text, finding->origin->size, &place, finding->at);
			diagnostic.line = place.line;
			diagnostic.column = place.column;
		}
		report(opaque, &diagnostic);
	}
}

void kd_findings_done(kd_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++)
		free(findings->list[i].message);
	free(findings->list);
	*findings = (kd_findings){0};
}
