/* SPDX-License-Identifier: Apache-2.0 */
/* audit_report: what an audit has seen, for people or as one JSON object. */
#ifndef TOOLS_AUDIT_REPORT_H
#define TOOLS_AUDIT_REPORT_H

#include "audit_check.h"
#include "audit_deep.h"

enum { REPORT_FINDINGS = 1000, REPORT_GAPS = 1000 };

struct audit_report {
	bool strict; /* a recorded gap is a finding */
	char *job, *target, *cluster_id, *isolation;
	kd_guarantee guarantee; /* of the sink */
	const char *decoder, *transform; /* by name; NULL: none */
	const struct audit_check *check;
	struct audit_finding *findings; /* the first REPORT_FINDINGS; their segments are of the check */
	size_t n_findings;
	int64_t all_findings;
	kd_gap *gaps; /* the first REPORT_GAPS */
	size_t n_gaps;
	int64_t all_gaps;
	struct audit_deep *deep; /* one a segment; NULL: not asked for */
};

/* Is everything proved? */
bool audit_report_proved(const struct audit_report *report);

void audit_report_people(const struct audit_report *report, FILE *to);
/* False without memory. */
bool audit_report_json(const struct audit_report *report, FILE *to);

#endif
