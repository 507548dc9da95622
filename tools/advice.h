/* SPDX-License-Identifier: Apache-2.0 */
/* advice: what a person can do about the error that ended a verb.  Pure. */
#ifndef TOOLS_ADVICE_H
#define TOOLS_ADVICE_H

#include <stddef.h>

#include <kdirect/error.h>

/* One line without a newline; "" where the message says it all.  job: the JOB argument as given. */
const char *advice_text(const kd_error *err, const char *job, char *text, size_t size);

#endif
