// SPDX-License-Identifier: Apache-2.0
// in_criterion: a case as a criterion test.
#include <criterion/criterion.h>

#include "conformance.h"

static void skip(const char *why)
{
	cr_skip_test("%s", why);
}

void conformance_run(const kc_store *store, conformance_case *fn)
{
	case_run(store, fn, skip);
}
