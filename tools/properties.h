/* SPDX-License-Identifier: Apache-2.0 */
/* properties: librdkafka properties from the command line: -F files, -X and -b, in this order, where the last value
 * of a name wins.  A value is never printed: it may be a password. */
#ifndef TOOLS_PROPERTIES_H
#define TOOLS_PROPERTIES_H

#include <stdbool.h>
#include <stddef.h>

#include <kdirect/error.h>

#include "args.h"

struct properties {
	char **names, **values;
	size_t n;
};

/* KD_ECONFIG names the file and line, or the argument, that is not name=value. */
kd_code properties_collect(const struct args *args, struct properties *ret, kd_error *err) KD_CHECK;
void properties_free(struct properties *properties);

#endif
