// SPDX-License-Identifier: Apache-2.0
// version: the library's own version, set by the Makefile.
#include "kdirect/job.h"

const char *kd_version(void)
{
	return KD_VERSION;
}
