/* SPDX-License-Identifier: Apache-2.0 */
/* config_findings: collects what is wrong with a configuration, then reports it in the order of the text.
 *
 * Order of calls: kd_findings_add any number of times, kd_findings_report once, kd_findings_done. */
#ifndef KD_CONFIG_FINDINGS_H
#define KD_CONFIG_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "kdirect/config.h"

/* A text that configuration came from: the file, an override, or defaults. */
typedef struct kd_origin {
	char *name; /* what diagnostics call it */
	char *text;
	size_t size;
	bool is_override; /* its places mean nothing to the reader */
	bool is_default;  /* neither do these: it is the program's; and all others win over it */
} kd_origin;

typedef struct kd_finding {
	const kd_origin *origin;
	size_t at; /* byte offset into the origin's text */
	bool nowhere; /* the text as a whole */
	size_t order; /* of being found */
	char *message;
} kd_finding;

typedef struct kd_findings {
	kd_finding *list;
	size_t n, capacity;
	bool no_memory; /* something was found that could not be kept */
} kd_findings;

/* `origin` must outlive the findings. */
void kd_findings_add(kd_findings *findings, const kd_origin *origin, size_t at, const char *format, ...)
	KD_PRINTF(4, 5);
/* A finding that has no place, such as a missing key. */
void kd_findings_add_nowhere(kd_findings *findings, const kd_origin *origin, const char *format, ...) KD_PRINTF(3, 4);

/* Sorts, works out lines and columns, and calls report for each; report may be NULL. */
void kd_findings_report(kd_findings *findings, kd_diagnostic_fn *report, void *opaque);

void kd_findings_done(kd_findings *findings);

#endif
